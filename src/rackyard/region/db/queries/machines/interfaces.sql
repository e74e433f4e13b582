-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.interfaces.add
-- A NIC that somebody says is there.
INSERT INTO machine_interface (machine_id, name, mac, vlan_id, tags, enabled, mtu, link_connected, link_speed_mbps,
                               declared)
VALUES (%(machine_id)s, %(name)s, %(mac)s, %(vlan_id)s, %(tags)s::text[], %(enabled)s, %(mtu)s, %(link_connected)s,
        %(link_speed_mbps)s, %(declared)s::text[])
RETURNING id;

-- name: machines.interfaces.add_virtual
-- Something that is made of NICs; it exists because somebody says so.
INSERT INTO machine_interface (machine_id, name, type, virtual_mac, vlan_id, tags, enabled, mtu, params)
VALUES (%(machine_id)s, %(name)s, %(type)s, %(mac)s, %(vlan_id)s, %(tags)s::text[], %(enabled)s, %(mtu)s, %(params)s)
RETURNING id;

-- name: machines.interfaces.add_parents
-- What it is made of.
INSERT INTO interface_parent (child_id, parent_id) SELECT %(child_id)s, unnest(%(parent_ids)s::bigint[]);

-- name: machines.interfaces.set_params
-- Write the params of a bond or bridge.
UPDATE machine_interface SET params = %(params)s WHERE id = %(id)s;

-- name: machines.interfaces.follow_mac
-- What shows the MAC of a NIC that has another one now.
UPDATE machine_interface SET virtual_mac = %(mac)s
WHERE machine_id = %(machine_id)s AND virtual_mac = %(before)s::macaddr;

-- name: machines.interfaces.update
-- Write what people can change of a NIC.
UPDATE machine_interface
SET name = %(name)s, mac = CASE type WHEN 'physical' THEN %(mac)s::macaddr END,
    virtual_mac = CASE type WHEN 'physical' THEN NULL ELSE %(mac)s::macaddr END, vlan_id = %(vlan_id)s, tags = %(tags)s::text[], enabled = %(enabled)s,
    mtu = %(mtu)s, link_connected = %(link_connected)s, link_speed_mbps = %(link_speed_mbps)s,
    declared = %(declared)s::text[]
WHERE id = %(id)s;

-- name: machines.interfaces.set_boot_mac
-- The NIC that the machine boots from has another MAC.
UPDATE machine SET boot_mac = %(mac)s WHERE id = %(machine_id)s;

-- name: machines.interfaces.delete
-- Remove a NIC with its links.
DELETE FROM machine_interface WHERE id = %(id)s;

-- name: machines.interfaces.add_link
-- Link a NIC to a subnet, or say that it is only up.
INSERT INTO interface_link (interface_id, mode, subnet_id, ip)
VALUES (%(interface_id)s, %(mode)s, %(subnet_id)s, %(ip)s)
RETURNING id;

-- name: machines.interfaces.delete_links
-- Remove links.
DELETE FROM interface_link WHERE id = ANY (%(ids)s);

-- name: machines.interfaces.set_gateway
-- The machine's default route is that of this link.
INSERT INTO default_gateway (machine_id, family, link_id) VALUES (%(machine_id)s, %(family)s, %(link_id)s)
ON CONFLICT (machine_id, family) DO UPDATE SET link_id = excluded.link_id;

-- name: machines.interfaces.clear_gateways
-- No link is the machine's default route.
DELETE FROM default_gateway WHERE machine_id = %(machine_id)s;
