-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.accounts.find
-- The account of this name.
SELECT id, username, is_admin, email FROM account WHERE username = %(username)s;

-- name: site.accounts.add
-- A new account.
INSERT INTO account (username, is_admin, created_at) VALUES (%(username)s, %(is_admin)s, %(now)s)
RETURNING id, username, is_admin, email;

-- name: site.accounts.add_key
-- A new API key.
INSERT INTO api_key (account_id, name, consumer_key, token_key, token_secret_sha256, created_at)
VALUES (%(account_id)s, %(name)s, %(consumer_key)s, %(token_key)s, %(token_secret_sha256)s, %(now)s);

-- name: site.accounts.key_owner
-- Whose API key this is, with the roles that the account has (as `site.rights.held`): one statement for each request.
SELECT account.id, account.username, account.is_admin, account.email, api_key.consumer_key, api_key.token_secret_sha256,
    api_key.last_used_at,
    (SELECT coalesce(jsonb_agg(jsonb_build_array(role_grant.role, role_grant.pool_id)), '[]') FROM role_grant
     WHERE role_grant.account_id = account.id
        OR role_grant.group_id IN (SELECT group_id FROM user_group_member WHERE account_id = account.id)) AS held
FROM api_key JOIN account ON account.id = api_key.account_id
WHERE api_key.token_key = %(token_key)s;

-- name: site.accounts.keys
-- API keys without their secrets, of one account or of all.
SELECT account.username, api_key.name, api_key.consumer_key, api_key.token_key, api_key.created_at,
    api_key.last_used_at
FROM api_key JOIN account ON account.id = api_key.account_id
WHERE %(username)s::text IS NULL OR account.username = %(username)s
ORDER BY account.username, api_key.id;

-- name: site.accounts.delete_key
-- Remove an API key, of one account if one is named.
DELETE FROM api_key USING account
WHERE account.id = api_key.account_id AND api_key.token_key = %(token_key)s
  AND (%(username)s::text IS NULL OR account.username = %(username)s)
RETURNING account.username, api_key.name, api_key.consumer_key, api_key.token_key, api_key.created_at,
    api_key.last_used_at;

-- name: site.accounts.wait_for_no_disk
-- What this transaction writes may be lost with the server.
SELECT set_config('synchronous_commit', 'off', true);

-- name: site.accounts.note_use
-- A key was used; nothing is done while somebody else changes its row.
UPDATE api_key SET last_used_at = %(now)s
WHERE id IN (SELECT id FROM api_key WHERE token_key = %(token_key)s FOR NO KEY UPDATE SKIP LOCKED);

-- name: site.accounts.delete_named_keys
-- Remove the API keys of an account that have this name, but the newest.
DELETE FROM api_key WHERE id IN (
    SELECT id FROM api_key WHERE account_id = %(account_id)s AND name = %(name)s
    ORDER BY created_at DESC, id DESC OFFSET %(keep)s);

-- name: site.accounts.rename_key
-- Give an API key of an account another name.
UPDATE api_key SET name = %(name)s WHERE account_id = %(account_id)s AND token_key = %(token_key)s;
