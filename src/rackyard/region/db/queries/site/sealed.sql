-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.sealed.bmc
-- Secrets of BMCs, from an id on: each BMC has as many as its driver wants.
SELECT bmc.id, secret.key AS name, convert_to(secret.value, 'UTF8') AS sealed
FROM (SELECT id, secrets FROM bmc WHERE id > %(after)s AND secrets <> '{}' ORDER BY id LIMIT %(limit)s FOR UPDATE) AS bmc,
     jsonb_each_text(bmc.secrets) AS secret
ORDER BY bmc.id;

-- name: site.sealed.reseal_bmc
-- The same secret, sealed anew.
UPDATE bmc SET secrets = secrets || jsonb_build_object(%(name)s::text, convert_from(%(sealed)s, 'UTF8'))
WHERE id = %(id)s;

-- name: site.sealed.boot_token
-- Secrets of boots' credentials, from an id on.
SELECT id, token_secret AS sealed FROM boot WHERE id > %(after)s ORDER BY id LIMIT %(limit)s FOR UPDATE;

-- name: site.sealed.reseal_boot_token
-- The same secret, sealed anew.
UPDATE boot SET token_secret = %(sealed)s WHERE id = %(id)s;

-- name: site.sealed.enlistment_token
-- Secrets of the credentials of machines that enlist, from an id on.
SELECT id, token_secret AS sealed FROM enlistment WHERE id > %(after)s ORDER BY id LIMIT %(limit)s FOR UPDATE;

-- name: site.sealed.reseal_enlistment_token
-- The same secret, sealed anew.
UPDATE enlistment SET token_secret = %(sealed)s WHERE id = %(id)s;
