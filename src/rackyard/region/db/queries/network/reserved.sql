-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: network.reserved.all
-- Addresses that people have reserved, with whose they are, in order: all, or of an account or subnet, or one.
SELECT reserved_address.id, host(reserved_address.ip) AS ip, reserved_address.subnet_id, reserved_address.created_at,
       reserved_address.hostname, coalesce(reserved_address.domain_id, 0) AS domain_id,
       reserved_address.mac::text AS mac, account.id AS account_id, account.username, account.is_admin, account.email
FROM reserved_address JOIN account ON account.id = reserved_address.account_id
WHERE (%(account_id)s::bigint IS NULL OR reserved_address.account_id = %(account_id)s)
  AND (%(subnet_id)s::bigint IS NULL OR reserved_address.subnet_id = %(subnet_id)s)
  AND (%(ip)s::inet IS NULL OR reserved_address.ip = %(ip)s)
ORDER BY reserved_address.ip;

-- name: network.reserved.names
-- What reserved addresses are called; the internal domain is 0.
SELECT coalesce(domain_id, 0) AS domain_id, hostname, host(ip) AS address FROM reserved_address
WHERE hostname IS NOT NULL ORDER BY hostname, ip;

-- name: network.reserved.namesakes
-- Who has reserved addresses of this name; the internal domain is 0.
SELECT DISTINCT account.id, account.username, account.is_admin, account.email
FROM reserved_address JOIN account ON account.id = reserved_address.account_id
WHERE reserved_address.hostname = %(hostname)s AND coalesce(reserved_address.domain_id, 0) = %(domain_id)s
ORDER BY account.username;

-- name: network.reserved.names_in
-- The names of reserved addresses in a domain.
SELECT DISTINCT hostname FROM reserved_address WHERE domain_id = %(domain_id)s ORDER BY hostname;

-- name: network.reserved.add
-- Somebody reserves an address.
INSERT INTO reserved_address (ip, subnet_id, account_id, hostname, domain_id, mac, created_at)
VALUES (%(ip)s, %(subnet_id)s, %(account_id)s, %(hostname)s, nullif(%(domain_id)s, 0), %(mac)s, %(now)s);

-- name: network.reserved.update
-- What leads to a reserved address, and to whom DHCP gives it.
UPDATE reserved_address SET hostname = %(hostname)s, domain_id = nullif(%(domain_id)s, 0), mac = %(mac)s
WHERE id = %(id)s;

-- name: network.reserved.delete
-- Release an address.
DELETE FROM reserved_address WHERE id = %(id)s;
