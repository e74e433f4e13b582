-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.sealed.machine_power
-- Passwords of BMCs, from an id on.
SELECT id, power_secret AS sealed FROM machine
WHERE id > %(after)s AND power_secret IS NOT NULL ORDER BY id LIMIT %(limit)s FOR UPDATE;

-- name: site.sealed.reseal_machine_power
-- The same password, sealed anew.
UPDATE machine SET power_secret = %(sealed)s WHERE id = %(id)s;

-- name: site.sealed.boot_token
-- Secrets of boots' credentials, from an id on.
SELECT id, token_secret AS sealed FROM boot WHERE id > %(after)s ORDER BY id LIMIT %(limit)s FOR UPDATE;

-- name: site.sealed.reseal_boot_token
-- The same secret, sealed anew.
UPDATE boot SET token_secret = %(sealed)s WHERE id = %(id)s;
