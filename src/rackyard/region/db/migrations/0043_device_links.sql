-- SPDX-License-Identifier: GPL-3.0-or-later
-- Interfaces of devices are linked to subnets as those of machines are: an address is one host's alone, whichever it is.

ALTER TABLE interface_link ALTER COLUMN interface_id DROP NOT NULL;
ALTER TABLE interface_link
    ADD COLUMN device_interface_id bigint CONSTRAINT interface_link_device_fkey REFERENCES device_interface ON DELETE CASCADE,
    ADD CONSTRAINT interface_link_owner CHECK (num_nonnulls(interface_id, device_interface_id) = 1);
CREATE INDEX interface_link_device ON interface_link (device_interface_id) WHERE device_interface_id IS NOT NULL;

-- Links with the machine or device whose they are, and MAAS's type of node.
CREATE VIEW host_link AS
SELECT interface_link.id, interface_link.mode, interface_link.subnet_id, interface_link.ip, interface_link.created_at,
       'machine' AS kind, 0 AS node_type, machine.system_id, machine.hostname, machine_interface.name AS interface, machine.domain_id
FROM interface_link
JOIN machine_interface ON machine_interface.id = interface_link.interface_id
JOIN machine ON machine.id = machine_interface.machine_id
UNION ALL
SELECT interface_link.id, interface_link.mode, interface_link.subnet_id, interface_link.ip, interface_link.created_at,
       'device', 1, device.system_id, device.hostname, device_interface.name, device.domain_id
FROM interface_link
JOIN device_interface ON device_interface.id = interface_link.device_interface_id
JOIN device ON device.id = device_interface.device_id;

SELECT audit_table('interface_link',
    name => 'coalesce(host($.ip), $.mode) || coalesce((SELECT '' of '' || machine_interface.name || '' of '' || machine.hostname '
            'FROM machine_interface JOIN machine ON machine.id = machine_id WHERE machine_interface.id = $.interface_id), '
            '(SELECT '' of '' || device_interface.name || '' of '' || device.hostname '
            'FROM device_interface JOIN device ON device.id = device_id WHERE device_interface.id = $.device_interface_id), '''')',
    node => 'coalesce((SELECT system_id FROM machine_interface JOIN machine ON machine.id = machine_id WHERE machine_interface.id = $.interface_id), '
            '(SELECT system_id FROM device_interface JOIN device ON device.id = device_id WHERE device_interface.id = $.device_interface_id))',
    shown => ARRAY['mode', 'ip', 'subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)']);
