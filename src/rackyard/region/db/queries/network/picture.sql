-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: network.picture.dhcp_vlans
-- How many VLANs have DHCP on, a rack that lives, and a dynamic range.
SELECT count(DISTINCT vlan.id) AS serving
FROM vlan JOIN rack ON rack.id IN (vlan.primary_rack_id, vlan.secondary_rack_id) JOIN subnet ON subnet.vlan_id = vlan.id
JOIN ip_range ON ip_range.subnet_id = subnet.id AND ip_range.type = 'dynamic'
WHERE vlan.dhcp_on AND rack.alive AND subnet.managed;

-- name: network.picture.lock
-- Serialise changes of the network; readers are not held up.
LOCK TABLE space, fabric, vlan, subnet, static_route, ip_range IN SHARE ROW EXCLUSIVE MODE;

-- name: network.picture.spaces
-- All spaces.
SELECT id, name, description FROM space ORDER BY id;

-- name: network.picture.fabrics
-- All fabrics.
SELECT id, name, description, class_type FROM fabric ORDER BY id;

-- name: network.picture.vlans
-- All VLANs with the names of their fabric and racks, and their space.
SELECT vlan.id, vlan.fabric_id, fabric.name AS fabric, vlan.vid, vlan.name, vlan.description, vlan.mtu, vlan.dhcp_on,
       rack.system_id AS primary_rack, secondary.system_id AS secondary_rack, vlan.relay_vlan_id,
       vlan.space_id, space.name AS space_name, space.description AS space_description
FROM vlan
JOIN fabric ON fabric.id = vlan.fabric_id
LEFT JOIN rack ON rack.id = vlan.primary_rack_id
LEFT JOIN rack AS secondary ON secondary.id = vlan.secondary_rack_id
LEFT JOIN space ON space.id = vlan.space_id
ORDER BY vlan.id;

-- name: network.picture.subnets
-- All subnets.
SELECT id, name, description, vlan_id, cidr::text AS cidr, host(gateway_ip) AS gateway_ip, dns_servers, allow_dns,
       allow_proxy, router_advertisements, managed, enlistment
FROM subnet ORDER BY id;

-- name: network.picture.ranges
-- All IP ranges.
SELECT id, subnet_id, type, host(start_ip) AS start_ip, host(end_ip) AS end_ip, comment FROM ip_range
ORDER BY ip_range.start_ip;

-- name: network.picture.routes
-- All static routes.
SELECT id, source_id, destination_id, host(gateway_ip) AS gateway_ip, metric FROM static_route ORDER BY id;

-- name: network.picture.rack_addresses
-- Addresses of enrolled racks.
SELECT host(rack_interface.address) AS address, rack.hostname, rack.system_id
FROM rack_interface JOIN rack ON rack.id = rack_interface.rack_id
WHERE rack.revoked_at IS NULL;

-- name: network.picture.rack_id
-- An enrolled rack by system_id or hostname.
SELECT id FROM rack WHERE revoked_at IS NULL AND (system_id = %(name)s OR hostname = %(name)s);

-- name: network.picture.add_space
-- A new space.
INSERT INTO space (name, description) VALUES (%(name)s, %(description)s) RETURNING id;

-- name: network.picture.update_space
-- Change a space.
UPDATE space SET name = %(name)s, description = %(description)s WHERE id = %(id)s;

-- name: network.picture.delete_space
-- Remove a space; its VLANs have none then.
DELETE FROM space WHERE id = %(id)s;

-- name: network.picture.add_fabric
-- A new fabric.
INSERT INTO fabric (name, description, class_type) VALUES (%(name)s, %(description)s, %(class_type)s) RETURNING id;

-- name: network.picture.update_fabric
-- Change a fabric.
UPDATE fabric SET name = %(name)s, description = %(description)s, class_type = %(class_type)s WHERE id = %(id)s;

-- name: network.picture.delete_fabric
-- Remove a fabric.
DELETE FROM fabric WHERE id = %(id)s;

-- name: network.picture.add_vlan
-- A new VLAN.
INSERT INTO vlan (fabric_id, vid, name, description, mtu, dhcp_on, primary_rack_id, secondary_rack_id, relay_vlan_id,
                  space_id)
VALUES (%(fabric_id)s, %(vid)s, %(name)s, %(description)s, %(mtu)s, %(dhcp_on)s, %(primary_rack_id)s,
        %(secondary_rack_id)s, %(relay_vlan_id)s, %(space_id)s)
RETURNING id;

-- name: network.picture.update_vlan
-- Change a VLAN.
UPDATE vlan
SET fabric_id = %(fabric_id)s, vid = %(vid)s, name = %(name)s, description = %(description)s, mtu = %(mtu)s,
    dhcp_on = %(dhcp_on)s, primary_rack_id = %(primary_rack_id)s, secondary_rack_id = %(secondary_rack_id)s,
    relay_vlan_id = %(relay_vlan_id)s, space_id = %(space_id)s
WHERE id = %(id)s;

-- name: network.picture.delete_vlan
-- Remove a VLAN.
DELETE FROM vlan WHERE id = %(id)s;

-- name: network.picture.add_subnet
-- A new subnet.
INSERT INTO subnet (name, description, vlan_id, cidr, gateway_ip, dns_servers, allow_dns, allow_proxy,
                    router_advertisements, managed, enlistment)
VALUES (%(name)s, %(description)s, %(vlan_id)s, %(cidr)s, %(gateway_ip)s, %(dns_servers)s::inet[], %(allow_dns)s,
        %(allow_proxy)s, %(router_advertisements)s, %(managed)s, %(enlistment)s)
RETURNING id;

-- name: network.picture.update_subnet
-- Change a subnet.
UPDATE subnet
SET name = %(name)s, description = %(description)s, vlan_id = %(vlan_id)s, cidr = %(cidr)s,
    gateway_ip = %(gateway_ip)s, dns_servers = %(dns_servers)s::inet[], allow_dns = %(allow_dns)s,
    allow_proxy = %(allow_proxy)s, router_advertisements = %(router_advertisements)s, managed = %(managed)s,
    enlistment = %(enlistment)s
WHERE id = %(id)s;

-- name: network.picture.delete_subnet
-- Remove a subnet with its ranges, and the routes from it and to it.
DELETE FROM subnet WHERE id = %(id)s;

-- name: network.picture.add_route
-- A new static route.
INSERT INTO static_route (source_id, destination_id, gateway_ip, metric)
VALUES (%(source_id)s, %(destination_id)s, %(gateway_ip)s, %(metric)s)
RETURNING id;

-- name: network.picture.update_route
-- Change a static route.
UPDATE static_route
SET source_id = %(source_id)s, destination_id = %(destination_id)s, gateway_ip = %(gateway_ip)s, metric = %(metric)s
WHERE id = %(id)s;

-- name: network.picture.delete_route
-- Remove a static route.
DELETE FROM static_route WHERE id = %(id)s;

-- name: network.picture.add_range
-- A new IP range.
INSERT INTO ip_range (subnet_id, type, start_ip, end_ip, comment)
VALUES (%(subnet_id)s, %(type)s, %(start_ip)s, %(end_ip)s, %(comment)s)
RETURNING id;

-- name: network.picture.update_range
-- Change an IP range.
UPDATE ip_range
SET subnet_id = %(subnet_id)s, type = %(type)s, start_ip = %(start_ip)s, end_ip = %(end_ip)s, comment = %(comment)s
WHERE id = %(id)s;

-- name: network.picture.delete_range
-- Remove an IP range.
DELETE FROM ip_range WHERE id = %(id)s;
