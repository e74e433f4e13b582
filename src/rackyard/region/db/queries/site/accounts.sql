-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.accounts.find
-- The account of this name.
SELECT id, username, is_admin FROM account WHERE username = %(username)s;

-- name: site.accounts.add
-- A new account.
INSERT INTO account (username, is_admin, created_at) VALUES (%(username)s, %(is_admin)s, %(now)s)
RETURNING id, username, is_admin;

-- name: site.accounts.add_key
-- A new API key.
INSERT INTO api_key (account_id, name, consumer_key, token_key, token_secret_sha256, created_at)
VALUES (%(account_id)s, %(name)s, %(consumer_key)s, %(token_key)s, %(token_secret_sha256)s, %(now)s);

-- name: site.accounts.key_owner
-- Whose API key this is.
SELECT account.id, account.username, account.is_admin, api_key.consumer_key, api_key.token_secret_sha256
FROM api_key JOIN account ON account.id = api_key.account_id
WHERE api_key.token_key = %(token_key)s;

-- name: site.accounts.keys
-- API keys without their secrets, of one account or of all.
SELECT account.username, api_key.name, api_key.consumer_key, api_key.token_key, api_key.created_at
FROM api_key JOIN account ON account.id = api_key.account_id
WHERE %(username)s::text IS NULL OR account.username = %(username)s
ORDER BY account.username, api_key.id;

-- name: site.accounts.delete_key
-- Remove an API key, of one account if one is named.
DELETE FROM api_key USING account
WHERE account.id = api_key.account_id AND api_key.token_key = %(token_key)s
  AND (%(username)s::text IS NULL OR account.username = %(username)s)
RETURNING account.username, api_key.name, api_key.consumer_key, api_key.token_key, api_key.created_at;
