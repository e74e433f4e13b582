-- SPDX-License-Identifier: GPL-3.0-or-later
-- Where machines are, by what they are found.

CREATE VIEW machine_place AS
SELECT machine_interface.machine_id, fabric.name AS fabric, vlan.id::text AS vlan,
       coalesce(space.name, 'undefined') AS space
FROM machine_interface
JOIN vlan ON vlan.id = machine_interface.vlan_id
JOIN fabric ON fabric.id = vlan.fabric_id
LEFT JOIN space ON space.id = vlan.space_id;
