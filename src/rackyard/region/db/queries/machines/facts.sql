-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.facts.store_machine
-- The facts of the machine itself.
UPDATE machine
SET cpu_count = %(cpu_count)s, cpu_model = %(cpu_model)s, cpu_speed_mhz = %(cpu_speed_mhz)s,
    memory_mib = %(memory_mib)s, storage_mb = %(storage_mb)s, firmware_type = %(firmware_type)s,
    secure_boot = %(secure_boot)s, hardware = %(hardware)s, commissioned_at = %(now)s, updated_at = %(now)s
WHERE id = %(machine_id)s;

-- name: machines.facts.store_interface
-- A NIC by its MAC, in the VLAN where it has an address.
INSERT INTO machine_interface (machine_id, name, mac, vlan_id, vendor, product, driver, firmware_version,
                               link_connected, link_speed_mbps, lldp, discovered)
VALUES (%(machine_id)s, %(name)s, %(mac)s,
        coalesce((SELECT subnet.vlan_id FROM lease JOIN subnet ON subnet.id = lease.subnet_id
                  WHERE lease.mac = %(mac)s::macaddr ORDER BY lease.at DESC LIMIT 1),
                 (SELECT vlan_id FROM subnet WHERE cidr >>= ANY (%(addresses)s::inet[]) LIMIT 1)),
        %(vendor)s, %(product)s, %(driver)s, %(firmware_version)s, %(link_connected)s, %(link_speed_mbps)s,
        %(lldp)s, true)
ON CONFLICT (mac) DO UPDATE
SET name = excluded.name, vlan_id = coalesce(excluded.vlan_id, machine_interface.vlan_id), vendor = excluded.vendor,
    product = excluded.product, driver = excluded.driver, firmware_version = excluded.firmware_version,
    link_connected = excluded.link_connected, link_speed_mbps = excluded.link_speed_mbps, lldp = excluded.lldp
WHERE machine_interface.machine_id = excluded.machine_id;

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
