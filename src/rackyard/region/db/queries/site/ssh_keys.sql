-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.ssh_keys.of_account
-- The SSH keys of an account, oldest first.
SELECT id, key, source FROM ssh_key WHERE account_id = %(account_id)s ORDER BY id;

-- name: site.ssh_keys.find
-- One SSH key of an account.
SELECT id, key, source FROM ssh_key WHERE account_id = %(account_id)s AND id = %(key_id)s;

-- name: site.ssh_keys.add
-- One more SSH key of an account.
INSERT INTO ssh_key (account_id, key, key_sha256, created_at)
VALUES (%(account_id)s, %(key)s, %(key_sha256)s, %(now)s)
RETURNING id, key, source;

-- name: site.ssh_keys.delete
-- Remove an SSH key of an account.
DELETE FROM ssh_key WHERE account_id = %(account_id)s AND id = %(key_id)s RETURNING id, key, source;

-- name: site.ssh_keys.digests
-- What the SSH keys of an account are known by.
SELECT id, key_sha256 FROM ssh_key WHERE account_id = %(account_id)s;

-- name: site.ssh_keys.add_imported
-- One more SSH key of an account, unless it is there.
INSERT INTO ssh_key (account_id, key, key_sha256, created_at, source)
VALUES (%(account_id)s, %(key)s, %(key_sha256)s, %(now)s, %(source)s) ON CONFLICT ON CONSTRAINT ssh_key_once DO NOTHING;
