-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: network.domains.domains
-- All domains but the internal one.
SELECT id, name, ttl, authoritative FROM domain ORDER BY id;

-- name: network.domains.told
-- The same with how many records each has, and whether it is the default one.
SELECT id, name, ttl, authoritative, record_count, is_default FROM domain_told ORDER BY id;

-- name: network.domains.default
-- The default domain, if that is not the internal one.
SELECT id, name, ttl, authoritative FROM domain WHERE is_default;

-- name: network.domains.forget_default
-- The internal domain is the default one.
UPDATE domain SET is_default = false WHERE is_default;

-- name: network.domains.make_default
-- A domain is the default one, where no other is.
UPDATE domain SET is_default = true WHERE id = %(id)s;

-- name: network.domains.resources
-- All names with their addresses, or those of one domain.
SELECT dns_resource.id, dns_resource.domain_id, domain.name AS domain, dns_resource.name, dns_resource.address_ttl,
       ARRAY(SELECT host(address) FROM unnest(dns_resource.addresses) AS address ORDER BY address) AS addresses
FROM dns_resource JOIN domain ON domain.id = dns_resource.domain_id
WHERE %(domain_id)s::bigint IS NULL OR domain.id = %(domain_id)s
ORDER BY dns_resource.id;

-- name: network.domains.records
-- All records that are no addresses, or those of one domain.
SELECT dns_record.id, dns_record.resource_id, dns_record.rrtype, dns_record.rrdata, dns_record.ttl
FROM dns_record JOIN dns_resource ON dns_resource.id = dns_record.resource_id
WHERE %(domain_id)s::bigint IS NULL OR dns_resource.domain_id = %(domain_id)s
ORDER BY dns_record.id;

-- name: network.domains.add_domain
-- A new domain.
INSERT INTO domain (name, ttl, authoritative) VALUES (%(name)s, %(ttl)s, %(authoritative)s) RETURNING id;

-- name: network.domains.update_domain
-- What an operator changed.
UPDATE domain SET name = %(name)s, ttl = %(ttl)s, authoritative = %(authoritative)s WHERE id = %(id)s;

-- name: network.domains.delete_domain
-- Remove a domain that has no names.
DELETE FROM domain WHERE id = %(id)s;

-- name: network.domains.add_resource
-- A new name.
INSERT INTO dns_resource (domain_id, name, address_ttl, addresses)
VALUES (%(domain_id)s, %(name)s, %(address_ttl)s, %(addresses)s::inet[]) RETURNING id;

-- name: network.domains.update_resource
-- What an operator changed.
UPDATE dns_resource SET domain_id = %(domain_id)s, name = %(name)s, address_ttl = %(address_ttl)s,
    addresses = %(addresses)s::inet[]
WHERE id = %(id)s;

-- name: network.domains.delete_resource
-- Remove a name with all it has.
DELETE FROM dns_resource WHERE id = %(id)s;

-- name: network.domains.add_record
-- A new record of a name.
INSERT INTO dns_record (resource_id, rrtype, rrdata, ttl) VALUES (%(resource_id)s, %(rrtype)s, %(rrdata)s, %(ttl)s)
RETURNING id;

-- name: network.domains.update_record
-- What an operator changed.
UPDATE dns_record SET rrtype = %(rrtype)s, rrdata = %(rrdata)s, ttl = %(ttl)s WHERE id = %(id)s;

-- name: network.domains.delete_record
-- Remove a record.
DELETE FROM dns_record WHERE id = %(id)s;

-- name: network.domains.wanted_serial
-- What the serial of every zone is at least, if an administrator has said so.
SELECT serial FROM dns_serial;

-- name: network.domains.known_serials
-- That, and the largest that each region's zones have.
SELECT serial FROM dns_serial UNION SELECT dns_serial FROM region WHERE dns_serial IS NOT NULL;

-- name: network.domains.set_serial
-- An administrator has said so.
INSERT INTO dns_serial (serial) VALUES (%(serial)s) ON CONFLICT (id) DO UPDATE SET serial = excluded.serial;
