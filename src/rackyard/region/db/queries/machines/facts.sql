-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.facts.known
-- What the commissioning before found of the things that people count; no row when there was none.
SELECT cpu_count, memory_mib, coalesce(hardware ->> 'system_serial', '') AS system_serial,
       ARRAY(SELECT mac::text FROM machine_interface
             WHERE machine_id = machine.id AND discovered AND type = 'physical' ORDER BY mac) AS macs,
       ARRAY(SELECT mac::text FROM machine_interface
             WHERE machine_id = machine.id AND NOT discovered AND type = 'physical' ORDER BY mac) AS declared_macs,
       ARRAY(SELECT concat_ws(' ', nullif(model, ''), coalesce(nullif(serial, ''), name)) FROM block_device
             WHERE machine_id = machine.id ORDER BY name) AS disks
FROM machine WHERE id = %(machine_id)s AND commissioned_at IS NOT NULL;

-- name: machines.facts.store_machine
-- The facts of the machine itself.
UPDATE machine
SET cpu_count = %(cpu_count)s, cpu_model = %(cpu_model)s, cpu_speed_mhz = %(cpu_speed_mhz)s,
    memory_mib = %(memory_mib)s, storage_mb = %(storage_mb)s, firmware_type = %(firmware_type)s,
    secure_boot = %(secure_boot)s, hardware = %(hardware)s, commissioned_at = %(now)s, updated_at = %(now)s
WHERE id = %(machine_id)s;

-- name: machines.facts.store_interface
-- A NIC by its MAC, in the VLAN where it has an address.
-- What people have said of it stays, and so does its VLAN while it is linked to a subnet or something is made of it.
INSERT INTO machine_interface (machine_id, name, mac, vlan_id, vendor, product, driver, firmware_version,
                               link_connected, link_speed_mbps, lldp, discovered)
VALUES (%(machine_id)s, %(name)s, %(mac)s,
        coalesce((SELECT subnet.vlan_id FROM lease JOIN subnet ON subnet.id = lease.subnet_id
                  WHERE lease.mac = %(mac)s::macaddr ORDER BY lease.at DESC LIMIT 1),
                 (SELECT vlan_id FROM subnet WHERE cidr >>= ANY (%(addresses)s::inet[]) LIMIT 1)),
        %(vendor)s, %(product)s, %(driver)s, %(firmware_version)s, %(link_connected)s, %(link_speed_mbps)s,
        %(lldp)s, true)
ON CONFLICT (mac) DO UPDATE
SET name = CASE WHEN 'name' = ANY (machine_interface.declared) THEN machine_interface.name ELSE excluded.name END,
    vlan_id = CASE WHEN 'vlan_id' = ANY (machine_interface.declared) OR EXISTS (
                        SELECT FROM interface_link WHERE interface_link.interface_id = machine_interface.id
                                                         AND interface_link.subnet_id IS NOT NULL)
                   OR EXISTS (SELECT FROM interface_parent WHERE parent_id = machine_interface.id)
              THEN machine_interface.vlan_id ELSE coalesce(excluded.vlan_id, machine_interface.vlan_id) END,
    vendor = excluded.vendor, product = excluded.product, driver = excluded.driver,
    firmware_version = excluded.firmware_version, link_connected = excluded.link_connected,
    link_speed_mbps = excluded.link_speed_mbps, lldp = excluded.lldp
WHERE machine_interface.machine_id = excluded.machine_id;

-- name: machines.facts.gone
-- What people have said of NICs that an earlier commissioning found and this one did not.
SELECT machine_interface.type, machine_interface.name, machine_interface.mac::text AS mac, machine_interface.tags,
       machine_interface.declared,
       ARRAY(SELECT concat_ws(' ', interface_link.mode, host(interface_link.ip), 'in ' || subnet.name)
             FROM interface_link LEFT JOIN subnet ON subnet.id = interface_link.subnet_id
             WHERE interface_link.interface_id = machine_interface.id ORDER BY interface_link.id) AS links
FROM machine_interface
WHERE machine_id = %(machine_id)s AND discovered AND NOT mac = ANY (%(macs)s::macaddr[])
ORDER BY machine_interface.name;

-- name: machines.facts.forget_orphans
-- What was made of NICs of which none is there any more; it says what people had said of them, as `gone` does.
DELETE FROM machine_interface
WHERE machine_id = %(machine_id)s AND type <> 'physical'
      AND NOT EXISTS (SELECT FROM interface_parent WHERE child_id = machine_interface.id)
RETURNING type, name, virtual_mac::text AS mac, tags, declared,
          ARRAY(SELECT concat_ws(' ', interface_link.mode, host(interface_link.ip))
                FROM interface_link WHERE interface_link.interface_id = machine_interface.id ORDER BY interface_link.id)
          AS links;

-- name: machines.facts.declared_names
-- Names that people have given to NICs of the machine.
SELECT name, coalesce(mac, virtual_mac)::text AS mac FROM machine_interface
WHERE machine_id = %(machine_id)s AND ('name' = ANY (declared) OR type <> 'physical');

-- name: machines.facts.forget_interfaces
-- NICs that an earlier commissioning found and this one did not.
DELETE FROM machine_interface
WHERE machine_id = %(machine_id)s AND discovered AND NOT mac = ANY (%(macs)s::macaddr[]);

-- name: machines.facts.forget_disks
-- Disks are stored anew each time.
DELETE FROM block_device WHERE machine_id = %(machine_id)s;

-- name: machines.facts.store_disk
-- A disk.
INSERT INTO block_device (machine_id, name, path, id_path, model, serial, size_bytes, block_size_bytes, rotary,
                          firmware_version)
VALUES (%(machine_id)s, %(name)s, %(path)s, %(id_path)s, %(model)s, %(serial)s, %(size_bytes)s, %(block_size_bytes)s,
        %(rotary)s, %(firmware_version)s);
