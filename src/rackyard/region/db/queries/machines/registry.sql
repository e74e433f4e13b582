-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.registry.boot_interfaces
-- Name and MAC of the machine's interfaces, the one it boots from first.
SELECT mac::text AS mac, is_boot FROM machine_interface WHERE machine_id = %(id)s AND mac IS NOT NULL
ORDER BY is_boot DESC, id;

-- name: machines.registry.few
-- What lists of many machines show of each. What is joined for a column that nobody asks for, PostgreSQL does not read.
SELECT machine.id, machine.hostname, machine.system_id
       , machine.description -- column: description
       , machine.architecture -- column: architecture
       , account.username AS owner -- column: owner
       , machine.status -- column: status
       , machine.status_message -- column: status_message
       , machine.power_type -- column: power_type
       , machine.power_state -- column: power_state
       , machine.cpu_count -- column: cpu_count
       , machine.memory_mib -- column: memory_mib
       , machine.locked -- column: locked
       , zone.id AS zone_id -- column: zone_id
       , zone.name AS zone_name -- column: zone_name
       , zone.description AS zone_description -- column: zone_description
       , resource_pool.id AS pool_id -- column: pool_id
       , resource_pool.name AS pool_name -- column: pool_name
       , resource_pool.description AS pool_description -- column: pool_description
       , domain.id AS domain_id -- column: domain_id
       , domain.name AS domain_name -- column: domain_name
       , domain.ttl AS domain_ttl -- column: domain_ttl
       , domain.authoritative AS domain_authoritative -- column: domain_authoritative
       , domain.record_count AS domain_record_count -- column: domain_record_count
       , domain.is_default AS domain_is_default -- column: domain_is_default
       , EXISTS (SELECT FROM domain WHERE is_default) AS another_is_default -- column: another_is_default
FROM machine
LEFT JOIN zone ON zone.id = machine.zone_id
LEFT JOIN resource_pool ON resource_pool.id = machine.pool_id
LEFT JOIN account ON account.id = machine.owner_id
LEFT JOIN domain_told AS domain ON domain.id = machine.domain_id
-- where
ORDER BY machine.hostname
LIMIT %(limit)s;

-- name: machines.registry.ids
-- Which machines match, by hostname.
SELECT machine.id
FROM machine
-- where
ORDER BY machine.hostname;

-- name: machines.registry.select
-- Machines with the name of their owner and the last step of their current boot.
SELECT machine.id, machine.system_id, machine.hostname, machine.description, machine.architecture,
       account.username AS owner, machine.status, machine.status_message, machine.status_changed_at,
       machine.previous_status, machine.epoch, machine.power_state, machine.power_state_at, machine.power_error,
       machine.power_type, operation.deadline_at,
       machine.boot_id, machine.boot_mac, machine.firmware_type, machine.secure_boot, machine.cpu_count,
       machine.cpu_model, machine.cpu_speed_mhz, machine.memory_mib, machine.storage_mb,
       CASE WHEN %(with_hardware)s THEN machine.hardware END AS hardware,
       machine.commissioned_at, machine.created_at, machine.updated_at, machine.commissioning_suite,
       CASE WHEN %(with_expect)s THEN
           (SELECT machine_expect.expect FROM machine_expect WHERE machine_expect.machine_id = machine.id)
       END AS expect,
       zone.id AS zone_id, zone.name AS zone_name, zone.description AS zone_description,
       resource_pool.id AS pool_id, resource_pool.name AS pool_name, resource_pool.description AS pool_description,
       CASE WHEN %(with_steps)s THEN
           (SELECT max(boot_step.step) FROM boot_step WHERE boot_step.boot_id = machine.boot_id)
       END AS last_step,
       CASE WHEN %(with_labels)s THEN ARRAY (
           SELECT tag.name FROM machine_tag JOIN tag ON tag.id = machine_tag.tag_id
           WHERE machine_tag.machine_id = machine.id ORDER BY tag.name COLLATE "C")
       END AS tag_names,
       machine.locked,
       CASE WHEN %(with_labels)s THEN machine.owner_data END AS owner_data,
       CASE WHEN %(with_labels)s THEN machine.workload_annotations END AS workload_annotations,
       domain.id AS domain_id, domain.name AS domain_name, domain.ttl AS domain_ttl,
       domain.authoritative AS domain_authoritative, domain.record_count AS domain_record_count,
       domain.is_default AS domain_is_default, EXISTS (SELECT FROM domain WHERE is_default) AS another_is_default
FROM machine
JOIN zone ON zone.id = machine.zone_id
JOIN resource_pool ON resource_pool.id = machine.pool_id
LEFT JOIN account ON account.id = machine.owner_id
LEFT JOIN operation ON operation.id = machine.operation_id AND operation.outcome = 'running'
LEFT JOIN domain_told AS domain ON domain.id = machine.domain_id
-- where
ORDER BY machine.hostname
LIMIT %(limit)s;

-- name: machines.registry.addresses
-- The addresses that machines hold by their leases or are to have by their links, and the interface's VLAN if known.
SELECT machine_id, vlan_id, ip FROM machine_address;

-- name: machines.registry.names
-- What machines are called, and the addresses that lead to.
SELECT coalesce(machine.domain_id, 0) AS domain_id, machine.hostname, host(machine_address.ip) AS address
FROM machine JOIN machine_address ON machine_address.machine_id = machine.id
WHERE NOT EXISTS (SELECT FROM enlistment WHERE machine_id = machine.id AND accepted_at IS NULL)
ORDER BY machine.hostname, machine_address.ip;

-- name: machines.registry.hostnames_in
-- The names of the machines in a domain.
SELECT hostname FROM machine WHERE domain_id = %(domain_id)s ORDER BY hostname;

-- name: machines.registry.count_by_status
-- How many machines are in each status.
SELECT status, count(*) AS count FROM machine GROUP BY status ORDER BY status;

-- name: machines.registry.lock
-- One machine, locked for a change.
SELECT id, system_id, hostname, status, bmc_id, locked, pool_id, owner_id FROM machine
WHERE system_id = %(system_id)s FOR UPDATE;

-- name: machines.registry.add
-- A new machine.
INSERT INTO machine (system_id, hostname, description, architecture, owner_id, commissioning_suite,
                     zone_id, pool_id, domain_id, status_changed_at, created_at, updated_at)
VALUES (%(system_id)s, %(hostname)s, %(description)s, %(architecture)s, %(owner_id)s, %(commissioning_suite)s,
        %(zone_id)s, %(pool_id)s, nullif(%(domain_id)s, 0), %(now)s, %(now)s, %(now)s)
RETURNING id;

-- name: machines.registry.update
-- What an operator changed, apart from power.
UPDATE machine
SET hostname = %(hostname)s, description = %(description)s, architecture = %(architecture)s,
    commissioning_suite = %(commissioning_suite)s, zone_id = %(zone_id)s, pool_id = %(pool_id)s,
    domain_id = nullif(%(domain_id)s, 0), updated_at = %(now)s
WHERE id = %(machine_id)s;

-- name: machines.registry.expect
-- What a machine is declared to be made of.
INSERT INTO machine_expect (machine_id, expect) VALUES (%(machine_id)s, %(expect)s)
ON CONFLICT (machine_id) DO UPDATE SET expect = excluded.expect;

-- name: machines.registry.expect_nothing
-- Nothing is declared of it.
DELETE FROM machine_expect WHERE machine_id = %(machine_id)s;

-- name: machines.registry.delete
-- Remove a machine.
DELETE FROM machine WHERE id = %(machine_id)s;

-- name: machines.registry.interfaces
-- The interfaces of some machines, each with the address of its lease while that lasts, and its links.
SELECT machine_interface.id, machine_interface.machine_id, machine_interface.name,
       coalesce(machine_interface.mac, machine_interface.virtual_mac) AS mac,
       machine_interface.is_boot, machine_interface.vlan_id, machine_interface.vendor, machine_interface.product,
       machine_interface.driver, machine_interface.firmware_version, machine_interface.link_connected,
       machine_interface.link_speed_mbps, machine_interface.lldp, machine_interface.discovered, host(held.ip) AS ip,
       machine_interface.tags, machine_interface.enabled, machine_interface.mtu, machine_interface.declared,
       coalesce(linked.links, '[]') AS links, machine_interface.type, machine_interface.params,
       coalesce(above.names, '{}') AS parents, coalesce(below.names, '{}') AS children
FROM machine_interface
LEFT JOIN LATERAL (
    SELECT lease.ip FROM lease
    WHERE lease.mac = machine_interface.mac AND lease.state = 'commit'
      AND (lease.expires_at IS NULL OR lease.expires_at > %(now)s)
    ORDER BY lease.at DESC LIMIT 1
) AS held ON true
LEFT JOIN (
    SELECT own.id, jsonb_agg(jsonb_build_array(interface_link.id, interface_link.mode, interface_link.subnet_id,
                             host(interface_link.ip), default_gateway.link_id IS NOT NULL)
                             ORDER BY interface_link.id) AS links
    FROM interface_link JOIN machine_interface AS own ON own.id = interface_link.interface_id
    LEFT JOIN default_gateway ON default_gateway.link_id = interface_link.id
    WHERE own.machine_id = ANY (%(machine_ids)s) GROUP BY own.id
) AS linked ON linked.id = machine_interface.id
LEFT JOIN (
    SELECT interface_parent.child_id, array_agg(parent.name ORDER BY parent.name) AS names
    FROM interface_parent JOIN machine_interface AS parent ON parent.id = interface_parent.parent_id
    WHERE parent.machine_id = ANY (%(machine_ids)s) GROUP BY interface_parent.child_id
) AS above ON above.child_id = machine_interface.id
LEFT JOIN (
    SELECT interface_parent.parent_id, array_agg(child.name ORDER BY child.name) AS names
    FROM interface_parent JOIN machine_interface AS child ON child.id = interface_parent.child_id
    WHERE child.machine_id = ANY (%(machine_ids)s) GROUP BY interface_parent.parent_id
) AS below ON below.parent_id = machine_interface.id
WHERE machine_interface.machine_id = ANY (%(machine_ids)s)
ORDER BY machine_interface.machine_id, machine_interface.is_boot DESC, machine_interface.name;

-- name: machines.registry.block_devices
-- The disks of some machines.
SELECT id, machine_id, name, path, id_path, model, serial, size_bytes, block_size_bytes, rotary, firmware_version
FROM block_device
WHERE machine_id = ANY (%(machine_ids)s)
ORDER BY machine_id, name;

-- name: machines.registry.mac_owners
-- Who has these MACs.
SELECT machine_interface.mac, machine.system_id, machine.hostname
FROM machine_interface JOIN machine ON machine.id = machine_interface.machine_id
WHERE machine_interface.mac = ANY (%(macs)s::macaddr[])
ORDER BY machine_interface.mac;

-- name: machines.registry.forget_macs
-- Drop interfaces that are no longer named and were only ever named so.
DELETE FROM machine_interface
WHERE machine_id = %(machine_id)s AND NOT discovered AND NOT 'mac' = ANY (declared)
      AND NOT mac = ANY (%(macs)s::macaddr[]);

-- name: machines.registry.add_macs
-- Declare interfaces; names follow what is there until commissioning learns the real ones.
INSERT INTO machine_interface (machine_id, name, mac)
SELECT %(machine_id)s, 'eth' || (given.position - 1), given.mac
FROM unnest(%(macs)s::macaddr[]) WITH ORDINALITY AS given (mac, position)
WHERE NOT EXISTS (
    SELECT 1 FROM machine_interface WHERE machine_id = %(machine_id)s AND machine_interface.mac = given.mac);

-- name: machines.registry.clear_boot_interface
-- No other interface is the boot interface.
UPDATE machine_interface SET is_boot = false
WHERE machine_id = %(machine_id)s AND is_boot AND mac <> %(mac)s::macaddr;

-- name: machines.registry.set_boot_interface
-- This one is.
UPDATE machine_interface SET is_boot = true
WHERE machine_id = %(machine_id)s AND NOT is_boot AND mac = %(mac)s::macaddr;

-- name: machines.registry.set_boot_mac
-- The machine boots from this MAC.
UPDATE machine SET boot_mac = %(mac)s::macaddr WHERE id = %(machine_id)s;
