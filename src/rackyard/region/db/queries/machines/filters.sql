-- SPDX-License-Identifier: GPL-3.0-or-later
-- Conditions of lists of machines, each named as the field of MachineFilter that asks for it.

-- condition: machines.filters.ids
-- One of these.
machine.id = ANY (%(ids)s::bigint[])

-- condition: machines.filters.after
-- Later in the list.
machine.hostname > %(after)s

-- condition: machines.filters.system_ids
-- One of these.
machine.system_id = ANY (%(system_ids)s::text[])

-- condition: machines.filters.not_system_ids
-- None of these.
machine.system_id <> ALL (%(not_system_ids)s::text[])

-- condition: machines.filters.hostnames
-- Called one of these.
machine.hostname = ANY (%(hostnames)s::text[])

-- condition: machines.filters.not_hostnames
-- Called none of these.
machine.hostname <> ALL (%(not_hostnames)s::text[])

-- condition: machines.filters.description
-- With that in the description.
machine.description ILIKE %(description)s

-- condition: machines.filters.not_description
-- Without that in the description.
machine.description NOT ILIKE %(not_description)s

-- condition: machines.filters.statuses
-- In one of these statuses.
machine.status = ANY (%(statuses)s::integer[])

-- condition: machines.filters.not_statuses
-- In none of these statuses.
machine.status <> ALL (%(not_statuses)s::integer[])

-- condition: machines.filters.simple_statuses
-- In one of these statuses, whatever else is asked about it.
machine.status = ANY (%(simple_statuses)s::integer[])

-- condition: machines.filters.not_simple_statuses
-- In none of these statuses, whatever else is asked about it.
machine.status <> ALL (%(not_simple_statuses)s::integer[])

-- condition: machines.filters.power_states
-- In one of these power states.
machine.power_state = ANY (%(power_states)s::text[])

-- condition: machines.filters.not_power_states
-- In none of these power states.
machine.power_state <> ALL (%(not_power_states)s::text[])

-- condition: machines.filters.owners
-- Owned by one of these accounts.
machine.owner_id IN (SELECT id FROM account WHERE username = ANY (%(owners)s::text[]))

-- condition: machines.filters.not_owners
-- Owned by none of these accounts, or by nobody.
(machine.owner_id IN (SELECT id FROM account WHERE username = ANY (%(not_owners)s::text[]))) IS NOT TRUE

-- condition: machines.filters.architectures
-- Of one of these architectures.
machine.architecture = ANY (%(architectures)s::text[])

-- condition: machines.filters.not_architectures
-- Of none of these architectures.
machine.architecture <> ALL (%(not_architectures)s::text[])

-- condition: machines.filters.domains
-- In one of these domains.
coalesce(machine.domain_id, 0) = ANY (%(domains)s::bigint[])

-- condition: machines.filters.not_domains
-- In none of these domains.
coalesce(machine.domain_id, 0) <> ALL (%(not_domains)s::bigint[])

-- condition: machines.filters.zones
-- In one of these zones.
machine.zone_id IN (SELECT id FROM zone WHERE name = ANY (%(zones)s::text[]))

-- condition: machines.filters.not_zones
-- In none of these zones.
machine.zone_id NOT IN (SELECT id FROM zone WHERE name = ANY (%(not_zones)s::text[]))

-- condition: machines.filters.pools
-- In one of these pools.
machine.pool_id IN (SELECT id FROM resource_pool WHERE name = ANY (%(pools)s::text[]))

-- condition: machines.filters.not_pools
-- In none of these pools.
machine.pool_id NOT IN (SELECT id FROM resource_pool WHERE name = ANY (%(not_pools)s::text[]))

-- condition: machines.filters.macs
-- With one of these MACs.
machine.id IN (SELECT machine_id FROM machine_interface WHERE mac = ANY (%(macs)s::macaddr[]))

-- condition: machines.filters.not_macs
-- With none of these MACs.
machine.id NOT IN (SELECT machine_id FROM machine_interface WHERE mac = ANY (%(not_macs)s::macaddr[]))

-- condition: machines.filters.boot_macs
-- Booting from one of these MACs.
machine.boot_mac = ANY (%(boot_macs)s::macaddr[])

-- condition: machines.filters.not_boot_macs
-- Booting from none of these MACs.
(machine.boot_mac = ANY (%(not_boot_macs)s::macaddr[])) IS NOT TRUE

-- condition: machines.filters.ips
-- At one of these addresses.
machine.id IN (
    SELECT held.machine_id FROM (
-- include: machines.registry.addresses
    ) AS held WHERE held.ip = ANY (%(ips)s::inet[]))

-- condition: machines.filters.not_ips
-- At none of these addresses.
machine.id NOT IN (
    SELECT held.machine_id FROM (
-- include: machines.registry.addresses
    ) AS held WHERE held.ip = ANY (%(not_ips)s::inet[]))

-- condition: machines.filters.subnets
-- With an address in each of these subnets.
machine.id IN (
    SELECT held.machine_id FROM (
-- include: machines.registry.addresses
    ) AS held
    JOIN subnet ON held.ip <<= subnet.cidr AND coalesce(held.vlan_id, subnet.vlan_id) = subnet.vlan_id
    WHERE subnet.id = ANY (%(subnets)s::bigint[])
    GROUP BY held.machine_id HAVING count(DISTINCT subnet.id) = cardinality(%(subnets)s::bigint[]))

-- condition: machines.filters.not_subnets
-- With no address in any of these subnets.
machine.id NOT IN (
    SELECT held.machine_id FROM (
-- include: machines.registry.addresses
    ) AS held
    JOIN subnet ON held.ip <<= subnet.cidr AND coalesce(held.vlan_id, subnet.vlan_id) = subnet.vlan_id
    WHERE subnet.id = ANY (%(not_subnets)s::bigint[]))

-- condition: machines.filters.fabrics
-- In one of these fabrics.
machine.id IN (SELECT machine_id FROM machine_place WHERE fabric = ANY (%(fabrics)s::text[]))

-- condition: machines.filters.not_fabrics
-- In none of these fabrics.
machine.id NOT IN (SELECT machine_id FROM machine_place WHERE fabric = ANY (%(not_fabrics)s::text[]))

-- condition: machines.filters.fabric_classes
-- In a fabric of one of these classes.
machine.id IN (SELECT machine_id FROM machine_place JOIN fabric ON fabric.name = machine_place.fabric
               WHERE class_type = ANY (%(fabric_classes)s::text[]))

-- condition: machines.filters.not_fabric_classes
-- In no fabric of these classes.
machine.id NOT IN (SELECT machine_id FROM machine_place JOIN fabric ON fabric.name = machine_place.fabric
                   WHERE class_type = ANY (%(not_fabric_classes)s::text[]))

-- condition: machines.filters.vlans
-- On one of these VLANs.
machine.id IN (SELECT machine_id FROM machine_place WHERE vlan = ANY (%(vlans)s::text[]))

-- condition: machines.filters.not_vlans
-- On none of these VLANs.
machine.id NOT IN (SELECT machine_id FROM machine_place WHERE vlan = ANY (%(not_vlans)s::text[]))

-- condition: machines.filters.spaces
-- In one of these spaces.
machine.id IN (SELECT machine_id FROM machine_place WHERE space = ANY (%(spaces)s::text[]))

-- condition: machines.filters.not_spaces
-- In none of these spaces.
machine.id NOT IN (SELECT machine_id FROM machine_place WHERE space = ANY (%(not_spaces)s::text[]))

-- condition: machines.filters.tags
-- With all of these tags.
machine.id IN (
    SELECT machine_tag.machine_id FROM machine_tag JOIN tag ON tag.id = machine_tag.tag_id
    WHERE tag.name = ANY (%(tags)s::text[])
    GROUP BY machine_tag.machine_id HAVING count(*) = cardinality(%(tags)s::text[]))

-- condition: machines.filters.not_tags
-- With none of these tags.
machine.id NOT IN (
    SELECT machine_tag.machine_id FROM machine_tag JOIN tag ON tag.id = machine_tag.tag_id
    WHERE tag.name = ANY (%(not_tags)s::text[]))

-- condition: machines.filters.workloads
-- With an annotation like one of these: its name, a line feed (which no name has) and its text.
EXISTS (SELECT 1 FROM jsonb_each_text(machine.workload_annotations) AS note
        WHERE note.key || E'\n' || note.value ILIKE ANY (%(workloads)s::text[]))

-- condition: machines.filters.not_workloads
-- With no annotation like any of these.
NOT EXISTS (SELECT 1 FROM jsonb_each_text(machine.workload_annotations) AS note
            WHERE note.key || E'\n' || note.value ILIKE ANY (%(not_workloads)s::text[]))

-- condition: machines.filters.min_cpu_count
-- At least so many processors.
machine.cpu_count >= %(min_cpu_count)s

-- condition: machines.filters.min_cpu_speed_mhz
-- At least as fast.
machine.cpu_speed_mhz >= %(min_cpu_speed_mhz)s

-- condition: machines.filters.min_memory_mib
-- At least so much memory.
machine.memory_mib >= %(min_memory_mib)s

-- condition: machines.filters.min_link_speed_mbps
-- With an interface that is linked at least as fast.
machine.id IN (SELECT machine_id FROM machine_interface WHERE link_speed_mbps >= %(min_link_speed_mbps)s)

-- condition: machines.filters.free_text
-- With that in a name or text.
machine.hostname ILIKE %(free_text)s OR machine.system_id ILIKE %(free_text)s
OR machine.description ILIKE %(free_text)s OR machine.status_message ILIKE %(free_text)s
OR machine.id IN (SELECT machine_id FROM machine_interface WHERE mac::text ILIKE %(free_text)s)
OR machine.id IN (SELECT machine_tag.machine_id FROM machine_tag JOIN tag ON tag.id = machine_tag.tag_id
                  WHERE tag.name ILIKE %(free_text)s)
