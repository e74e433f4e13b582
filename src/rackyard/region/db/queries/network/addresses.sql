-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: network.addresses.used
-- Addresses in a network that something has, what, and MAAS's purpose; nothing else may be given one that `is_fixed`.
SELECT host(used.ip) AS ip, used.what, used.is_fixed, used.purpose FROM (
    SELECT ip, kind || ' ' || hostname || ' (' || interface || ')' AS what, true AS is_fixed, 'assigned-ip' AS purpose
    FROM host_link
    UNION ALL
    SELECT reserved_address.ip, account.username || ', who has reserved it', true, 'assigned-ip'
    FROM reserved_address JOIN account ON account.id = reserved_address.account_id
    UNION ALL
    SELECT host(rack_interface.address)::inet, 'rack ' || rack.hostname, true, 'assigned-ip'
    FROM rack_interface JOIN rack ON rack.id = rack_interface.rack_id WHERE rack.revoked_at IS NULL
    UNION ALL
    SELECT address, 'region ' || name, true, 'assigned-ip' FROM region_process
    UNION ALL
    SELECT gateway_ip, 'the gateway of subnet ' || name, true, 'gateway-ip' FROM subnet WHERE gateway_ip IS NOT NULL
    UNION ALL
    SELECT server, 'a DNS server of subnet ' || subnet.name, true, 'dns-server'
    FROM subnet, unnest(subnet.dns_servers) AS server
    UNION ALL
    SELECT gateway_ip, 'the router of a static route', true, 'gateway-ip' FROM static_route
    UNION ALL
    -- As its driver writes it, which may be a name, or a URI.
    SELECT CASE WHEN bmc.host ~ ('^(' || octet || '\.){3}' || octet || '$') THEN bmc.host::inet END,
           'the BMC of machine ' || machine.hostname, true, 'assigned-ip'
    FROM (SELECT '(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])') AS one (octet)
    CROSS JOIN (SELECT id, regexp_replace(address, '^[a-z]+://([^:/?]+).*$', '\1') FROM bmc) AS bmc (id, host)
    JOIN machine ON machine.bmc_id = bmc.id
    UNION ALL
    SELECT lease.ip, 'whoever leases it (' || lease.mac || ')', false, 'assigned-ip' FROM lease
    WHERE lease.state = 'commit' AND (lease.expires_at IS NULL OR lease.expires_at > %(now)s)
    UNION ALL
    SELECT address, 'the DNS name ' || dns_resource.name || ' of ' || domain.name, false,
           'assigned-ip'
    FROM dns_resource JOIN domain ON domain.id = dns_resource.domain_id, unnest(dns_resource.addresses) AS address
) AS used
WHERE used.ip <<= %(cidr)s::inet
ORDER BY used.ip, used.is_fixed DESC, used.what;

-- name: network.addresses.kept_in
-- Machines and devices that have an address in a subnet by configuration, or are linked to it; machines first.
SELECT DISTINCT kind, hostname, interface, coalesce(host(host_link.ip), '') AS ip
FROM host_link WHERE subnet_id = %(subnet_id)s
ORDER BY kind DESC, hostname, interface, ip LIMIT 5;

-- name: network.addresses.listed
-- Who has which address of a subnet, by configuration, lease or reservation. Allocation types are MAAS's.
SELECT DISTINCT ON (known.ip) host(known.ip) AS ip, known.alloc_type, known.created, known.system_id, known.hostname,
       known.interface, known.node_type, (SELECT name FROM domain WHERE id = known.domain_id) AS domain,
       known.username
FROM (
    SELECT ip, CASE mode WHEN 'auto' THEN 0 ELSE 1 END AS alloc_type, created_at AS created, system_id, hostname,
           interface, node_type, domain_id, NULL AS username
    FROM host_link WHERE subnet_id = %(subnet_id)s
    UNION ALL
    SELECT lease.ip, CASE WHEN machine.id IS NULL THEN 5 ELSE 6 END, lease.at, machine.system_id, machine.hostname,
           machine_interface.name, 0, machine.domain_id, NULL
    FROM lease
    LEFT JOIN machine_interface ON machine_interface.mac = lease.mac
    LEFT JOIN machine ON machine.id = machine_interface.machine_id
    WHERE lease.subnet_id = %(subnet_id)s AND lease.state = 'commit'
          AND (lease.expires_at IS NULL OR lease.expires_at > %(now)s)
    UNION ALL
    SELECT rack_subnet.address, 1, rack.registered_at, rack.system_id, rack.hostname, rack_interface.name, 2, NULL,
           NULL
    FROM rack_subnet
    JOIN rack ON rack.id = rack_subnet.rack_id
    JOIN rack_interface ON rack_interface.rack_id = rack.id
                           AND host(rack_interface.address)::inet = rack_subnet.address
    WHERE rack_subnet.subnet_id = %(subnet_id)s AND NOT rack_subnet.relayed AND rack.revoked_at IS NULL
    UNION ALL
    SELECT reserved_address.ip, 4, reserved_address.created_at, NULL, NULL, NULL, 0, NULL, account.username
    FROM reserved_address JOIN account ON account.id = reserved_address.account_id
    WHERE reserved_address.subnet_id = %(subnet_id)s
) AS known
WHERE known.ip IS NOT NULL
ORDER BY known.ip, known.alloc_type;

-- name: network.addresses.misplaced
-- Addresses of links and of people that are not where they may be: out of their subnet, in a dynamic range, a gateway's.
SELECT host(kept.ip) AS ip, kept.whose, kept.remedy, subnet.name AS subnet, wrong.field, wrong.words
FROM (
    SELECT ip, subnet_id, 'the address of ' || kind || ' ' || hostname || ' (' || interface || ')' AS whose,
           'unlink it there first (op=unlink_subnet)' AS remedy
    FROM host_link
    UNION ALL
    SELECT ip, subnet_id, 'reserved by ' || account.username, 'release it first (POST ipaddresses/?op=release)'
    FROM reserved_address JOIN account ON account.id = reserved_address.account_id
) AS kept
JOIN subnet ON subnet.id = kept.subnet_id
CROSS JOIN LATERAL (
    SELECT 'cidr' AS field, 'would lie outside of ' || subnet.cidr AS words WHERE NOT kept.ip <<= subnet.cidr
    UNION ALL
    SELECT 'gateway_ip', 'would be the gateway of the subnet as well' WHERE kept.ip = subnet.gateway_ip
    UNION ALL
    SELECT 'start_ip', 'would be in the dynamic range ' || host(start_ip) || ' - ' || host(end_ip)
    FROM ip_range WHERE type = 'dynamic' AND inetrange(start_ip, end_ip, '[]') @> kept.ip
) AS wrong
ORDER BY kept.ip, wrong.field;
