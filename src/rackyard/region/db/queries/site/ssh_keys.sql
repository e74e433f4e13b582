-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.ssh_keys.of_account
-- The SSH keys of an account, oldest first.
SELECT id, key FROM ssh_key WHERE account_id = %(account_id)s ORDER BY id;

-- name: site.ssh_keys.find
-- One SSH key of an account.
SELECT id, key FROM ssh_key WHERE account_id = %(account_id)s AND id = %(key_id)s;

-- name: site.ssh_keys.add
-- One more SSH key of an account.
INSERT INTO ssh_key (account_id, key, key_sha256, created_at)
VALUES (%(account_id)s, %(key)s, %(key_sha256)s, %(now)s)
RETURNING id, key;

-- name: site.ssh_keys.delete
-- Remove an SSH key of an account.
DELETE FROM ssh_key WHERE account_id = %(account_id)s AND id = %(key_id)s RETURNING id, key;
