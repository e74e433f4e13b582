-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: report.add_script
-- A script that a boot will run.
INSERT INTO script_result (boot_id, machine_id, name) VALUES (%(boot_id)s, %(machine_id)s, %(name)s);

-- name: report.ids
-- The script results of a boot by name.
SELECT id, name FROM script_result WHERE boot_id = %(boot_id)s ORDER BY name;

-- name: report.started
-- A script began; zero rows when the boot has no such script.
UPDATE script_result SET status = 1, started_at = coalesce(started_at, %(now)s)
WHERE id = %(id)s AND boot_id = %(boot_id)s AND status IN (0, 1);

-- name: report.exists
-- Whether that script result belongs to that boot.
SELECT name, status FROM script_result WHERE id = %(id)s AND boot_id = %(boot_id)s;

-- name: report.finished
-- A script ended, with everything it wrote.
UPDATE script_result
SET status = %(status)s, exit_status = %(exit_status)s, runtime_s = %(runtime_s)s, ended_at = %(now)s,
    started_at = coalesce(started_at, %(now)s), stdout = %(stdout)s, stderr = %(stderr)s, output = %(output)s,
    result = %(result)s
WHERE id = %(id)s AND boot_id = %(boot_id)s;

-- name: report.of_boot
-- What the scripts of a boot reported.
SELECT name, status, exit_status, stdout, result FROM script_result WHERE boot_id = %(boot_id)s ORDER BY name;

-- name: report.abort_open
-- The boot is over: what still ran will not report.
UPDATE script_result SET status = 5, ended_at = %(now)s WHERE boot_id = %(boot_id)s AND status IN (0, 1);

-- name: report.store_machine
-- The facts of the machine itself.
UPDATE machine
SET cpu_count = %(cpu_count)s, cpu_model = %(cpu_model)s, cpu_speed_mhz = %(cpu_speed_mhz)s,
    memory_mib = %(memory_mib)s, storage_mb = %(storage_mb)s, firmware_type = %(firmware_type)s,
    secure_boot = %(secure_boot)s, hardware = %(hardware)s, commissioned_at = %(now)s, updated_at = %(now)s
WHERE id = %(machine_id)s;

-- name: report.store_interface
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

-- name: report.forget_interfaces
-- NICs that an earlier commissioning found and this one did not.
DELETE FROM machine_interface
WHERE machine_id = %(machine_id)s AND discovered AND NOT mac = ANY (%(macs)s::macaddr[]);

-- name: report.forget_disks
-- Disks are stored anew each time.
DELETE FROM block_device WHERE machine_id = %(machine_id)s;

-- name: report.store_disk
-- A disk.
INSERT INTO block_device (machine_id, name, path, id_path, model, serial, size_bytes, block_size_bytes, rotary,
                          firmware_version)
VALUES (%(machine_id)s, %(name)s, %(path)s, %(id_path)s, %(model)s, %(serial)s, %(size_bytes)s, %(block_size_bytes)s,
        %(rotary)s, %(firmware_version)s);

-- name: report.count_events
-- How many events of one type a machine has since a moment.
SELECT count(*) AS count FROM event WHERE machine_id = %(machine_id)s AND type = %(type)s AND created_at >= %(since)s;
