-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.desired.rack
-- The rack whose document is made.
SELECT desired_generation, desired_sha256 FROM rack WHERE id = %(rack_id)s;

-- name: racks.desired.all_rack_addresses
-- Addresses of every unrevoked rack; `interface` has the prefix length of its network too.
SELECT rack.id AS rack_id, rack_interface.name, host(rack_interface.address) AS address,
       host(rack_interface.address) || '/' || masklen(rack_interface.address) AS interface
FROM rack_interface JOIN rack ON rack.id = rack_interface.rack_id
WHERE rack.revoked_at IS NULL ORDER BY rack_interface.address;

-- name: racks.desired.serving
-- At which addresses which unrevoked racks serve subnets.
SELECT rack_subnet.subnet_id, rack_subnet.rack_id, rack.hostname, host(rack_subnet.address) AS address,
       rack_subnet.relayed, rack.alive, coalesce(rack.drained_until > now(), false) AS drained
FROM rack_subnet JOIN rack ON rack.id = rack_subnet.rack_id
WHERE rack.revoked_at IS NULL ORDER BY rack_subnet.address;

-- name: racks.desired.subnets
-- Managed subnets with their VLAN, and who answers DHCP there: the racks of the VLAN that it is relayed to, if it is.
SELECT subnet.id, subnet.cidr::text AS cidr, host(subnet.gateway_ip) AS gateway_ip,
       ARRAY(SELECT host(server) FROM unnest(subnet.dns_servers) AS server) AS dns_servers, subnet.allow_dns,
       subnet.allow_proxy, subnet.router_advertisements, vlan.id AS vlan_id, vlan.mtu, answering.dhcp_on,
       answering.primary_rack_id, answering.secondary_rack_id
FROM subnet JOIN vlan ON vlan.id = subnet.vlan_id
JOIN vlan AS answering ON answering.id = coalesce(vlan.relay_vlan_id, vlan.id)
WHERE subnet.managed ORDER BY subnet.cidr;

-- name: racks.desired.ranges
-- Dynamic ranges, in order.
SELECT id, subnet_id, host(start_ip) AS start_ip, host(end_ip) AS end_ip FROM ip_range
WHERE type = 'dynamic' ORDER BY start_ip;

-- name: racks.desired.routes
-- The route from each subnet to each other: of several the one of the lowest metric.
SELECT DISTINCT ON (static_route.source_id, destination.cidr) static_route.source_id,
       destination.cidr::text AS destination, host(static_route.gateway_ip) AS gateway
FROM static_route JOIN subnet AS destination ON destination.id = static_route.destination_id
ORDER BY static_route.source_id, destination.cidr, static_route.metric, static_route.id;

-- name: racks.desired.declared_subnets
-- All subnets, managed or not.
SELECT cidr::text AS cidr FROM subnet ORDER BY cidr;

-- name: racks.desired.macs
-- Ethernet addresses of all registered machines and devices, without machines that enlisted and nobody has accepted.
SELECT ARRAY(SELECT mac::text FROM (SELECT mac FROM machine_interface WHERE mac IS NOT NULL AND NOT EXISTS (
                                        SELECT FROM enlistment WHERE machine_id = machine_interface.machine_id
                                                                     AND accepted_at IS NULL)
                                    UNION SELECT mac FROM device_interface) AS known ORDER BY mac) AS macs;

-- name: racks.desired.reservations
-- Which address (IPv4) which Ethernet address is to have, `MAC ADDRESS` in order, by subnet.
-- What is made of NICs asks by the MAC of any of them, or by its own.
WITH RECURSIVE made_of AS (
    SELECT interface_link.id AS link_id, interface_link.subnet_id, interface_link.ip, machine_interface.id
    FROM interface_link JOIN machine_interface ON machine_interface.id = interface_link.interface_id
    WHERE family(interface_link.ip) = 4 AND machine_interface.enabled AND NOT EXISTS (
        SELECT FROM enlistment WHERE machine_id = machine_interface.machine_id AND accepted_at IS NULL)
    UNION
    SELECT made_of.link_id, made_of.subnet_id, made_of.ip, interface_parent.parent_id
    FROM made_of JOIN interface_parent ON interface_parent.child_id = made_of.id
), asking AS (
    SELECT DISTINCT made_of.link_id, made_of.subnet_id, made_of.ip,
           coalesce(machine_interface.mac, machine_interface.virtual_mac) AS mac
    FROM made_of JOIN machine_interface ON machine_interface.id = made_of.id
)
SELECT subnet_id, array_agg(mac || ' ' || host(ip) ORDER BY link_id, mac) AS reservations FROM (
    SELECT link_id, subnet_id, ip, mac FROM asking
    UNION ALL
    SELECT interface_link.id, interface_link.subnet_id, interface_link.ip, device_interface.mac
    FROM interface_link JOIN device_interface ON device_interface.id = interface_link.device_interface_id
    WHERE family(interface_link.ip) = 4
    UNION ALL
    SELECT NULL, subnet_id, ip, mac FROM reserved_address WHERE mac IS NOT NULL
) AS known GROUP BY subnet_id ORDER BY subnet_id;

-- name: racks.desired.changed
-- Wake the racks that wait for their document.
SELECT pg_notify('rackyard_desired', '');

-- name: racks.desired.changed_by_new_macs
-- The same, if one of these Ethernet addresses is new.
SELECT pg_notify('rackyard_desired', '') FROM (
    SELECT FROM unnest(%(macs)s::macaddr[]) AS given (mac)
    WHERE NOT EXISTS (SELECT FROM machine_interface WHERE machine_interface.mac = given.mac) LIMIT 1) AS news;

-- name: racks.desired.bmc_addresses
-- Every BMC: no proxy leads into its network.
SELECT ARRAY(SELECT DISTINCT address FROM bmc ORDER BY address) AS addresses;

-- name: racks.desired.images
-- Manifests of the images that machines boot now.
SELECT arch, manifest FROM image WHERE is_default ORDER BY arch;

-- name: racks.desired.regions
-- Addresses of live region processes (their HTTP and daemons are on the same hosts).
SELECT DISTINCT host(address) AS address FROM region_process
WHERE heartbeat_at > now() - interval '90 seconds' ORDER BY address;

-- name: racks.desired.advance
-- The content changed: count one generation up, unless another region process has counted meanwhile.
UPDATE rack SET desired_generation = desired_generation + 1, desired_sha256 = %(sha256)s, desired_at = now()
WHERE id = %(rack_id)s AND desired_sha256 = %(before)s
RETURNING desired_generation;
