-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.devices.lock
-- One change of devices and of names at a time; readers are not held up.
LOCK TABLE domain, dns_resource, dns_record, device IN SHARE ROW EXCLUSIVE MODE;

-- name: machines.devices.keep_out
-- No device gets a name or a MAC until the transaction ends. Whoever does so for machines does not hold up others.
LOCK TABLE device IN ROW EXCLUSIVE MODE;

-- name: machines.devices.select
-- Devices that match every given filter, by hostname. The internal domain is 0.
SELECT device.id, device.system_id, device.hostname, device.description, coalesce(device.domain_id, 0) AS domain_id,
       parent.system_id AS parent, zone.id AS zone_id, zone.name AS zone_name, zone.description AS zone_description,
       account.username AS owner, device.owner_data, device.workload_annotations,
       ARRAY (SELECT tag.name FROM device_tag JOIN tag ON tag.id = device_tag.tag_id
              WHERE device_tag.device_id = device.id ORDER BY tag.name COLLATE "C") AS tag_names
FROM device
JOIN zone ON zone.id = device.zone_id
LEFT JOIN machine AS parent ON parent.id = device.parent_id
LEFT JOIN account ON account.id = device.owner_id
WHERE (%(system_ids)s::text[] IS NULL OR device.system_id = ANY (%(system_ids)s::text[]))
  AND (%(hostnames)s::text[] IS NULL OR device.hostname = ANY (%(hostnames)s::text[]))
  AND (%(macs)s::macaddr[] IS NULL OR device.id IN (
        SELECT device_id FROM device_interface WHERE mac = ANY (%(macs)s::macaddr[])))
  AND (%(domain_ids)s::bigint[] IS NULL OR coalesce(device.domain_id, 0) = ANY (%(domain_ids)s::bigint[]))
  AND (%(zone_ids)s::bigint[] IS NULL OR device.zone_id = ANY (%(zone_ids)s::bigint[]))
  AND (%(parents)s::text[] IS NULL OR parent.system_id = ANY (%(parents)s::text[]))
  AND (%(tags)s::text[] IS NULL OR device.id IN (
        SELECT device_tag.device_id FROM device_tag JOIN tag ON tag.id = device_tag.tag_id
        WHERE tag.name = ANY (%(tags)s::text[])))
ORDER BY device.hostname;

-- name: machines.devices.interfaces
-- The interfaces of some devices by name, each with the addresses that it has now and its links, oldest first.
SELECT device_interface.id, device_interface.device_id, device_interface.name, device_interface.mac::text AS mac,
       device_interface.vlan_id, device_interface.tags,
       ARRAY (SELECT host(device_address.ip) FROM device_address
              WHERE device_address.interface_id = device_interface.id ORDER BY device_address.ip) AS ips,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(interface_link.id, interface_link.mode, interface_link.subnet_id,
                                                    host(interface_link.ip), false) ORDER BY interface_link.id), '[]')
        FROM interface_link WHERE interface_link.device_interface_id = device_interface.id) AS links
FROM device_interface WHERE device_interface.device_id = ANY (%(device_ids)s::bigint[])
ORDER BY device_interface.device_id, device_interface.id;

-- name: machines.devices.mac_owners
-- Which devices have these MACs.
SELECT device_interface.mac::text AS mac, device.system_id, device.hostname
FROM device_interface JOIN device ON device.id = device_interface.device_id
WHERE device_interface.mac = ANY (%(macs)s::macaddr[]) ORDER BY device_interface.mac;

-- name: machines.devices.machine_named
-- Which machine has a hostname.
SELECT system_id FROM machine WHERE hostname = %(hostname)s;

-- name: machines.devices.machine
-- One machine, by its system_id.
SELECT id FROM machine WHERE system_id = %(system_id)s;

-- name: machines.devices.names
-- The domain, or 0 for the internal one, and the hostname of each device.
SELECT coalesce(domain_id, 0) AS domain_id, hostname FROM device ORDER BY hostname;

-- name: machines.devices.published
-- The addresses that devices lease now, or are to have by their links; the internal domain is 0.
SELECT coalesce(device.domain_id, 0) AS domain_id, device.hostname, host(device_address.ip) AS address
FROM device JOIN device_address ON device_address.device_id = device.id
UNION
SELECT coalesce(domain_id, 0), hostname, host(ip) FROM host_link WHERE kind = 'device' AND ip IS NOT NULL
ORDER BY hostname, address;

-- name: machines.devices.add
-- A new device.
INSERT INTO device (system_id, hostname, description, domain_id, parent_id, zone_id, owner_id, created_at, updated_at)
VALUES (%(system_id)s, %(hostname)s, %(description)s, nullif(%(domain_id)s, 0), %(parent_id)s, %(zone_id)s,
        %(owner_id)s, %(now)s, %(now)s)
RETURNING id;

-- name: machines.devices.update
-- What an operator changed.
UPDATE device
SET hostname = %(hostname)s, description = %(description)s, domain_id = nullif(%(domain_id)s, 0),
    parent_id = %(parent_id)s, zone_id = %(zone_id)s, updated_at = %(now)s
WHERE id = %(id)s;

-- name: machines.devices.delete
-- Remove a device.
DELETE FROM device WHERE id = %(id)s;

-- name: machines.devices.write_owner_data
-- The texts of whoever has it.
UPDATE device SET owner_data = %(texts)s, updated_at = %(now)s WHERE id = %(id)s;

-- name: machines.devices.write_workload_annotations
-- The texts of what runs on it.
UPDATE device SET workload_annotations = %(texts)s, updated_at = %(now)s WHERE id = %(id)s;

-- name: machines.devices.add_interface
-- One more interface.
INSERT INTO device_interface (device_id, name, mac, vlan_id, tags)
VALUES (%(device_id)s, %(name)s, %(mac)s, %(vlan_id)s, %(tags)s) RETURNING id;

-- name: machines.devices.update_interface
-- What an operator changed of an interface.
UPDATE device_interface SET name = %(name)s, mac = %(mac)s, vlan_id = %(vlan_id)s, tags = %(tags)s WHERE id = %(id)s;

-- name: machines.devices.delete_interface
-- An interface is gone.
DELETE FROM device_interface WHERE id = %(id)s;

-- name: machines.devices.add_link
-- Link an interface to a subnet, or say that it is only up.
INSERT INTO interface_link (device_interface_id, mode, subnet_id, ip)
VALUES (%(interface_id)s, %(mode)s, %(subnet_id)s, %(ip)s);

-- name: machines.devices.move_zone
-- Every device of a zone goes to another.
UPDATE device SET zone_id = %(to)s WHERE zone_id = %(id)s;
