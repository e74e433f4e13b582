-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.files.of_account
-- The files of an account by name, without what is in them.
SELECT name, key, length(content) AS size_bytes FROM stored_file WHERE account_id = %(account_id)s
ORDER BY name COLLATE "C";

-- name: site.files.find
-- One file of an account with what is in it.
SELECT name, key, content FROM stored_file WHERE account_id = %(account_id)s AND name = %(name)s;

-- name: site.files.by_key
-- One file of anybody with what is in it.
SELECT name, key, content FROM stored_file WHERE key = %(key)s;

-- name: site.files.put
-- A file anew; one of the same name keeps its key.
INSERT INTO stored_file (account_id, name, key, content, updated_at)
VALUES (%(account_id)s, %(name)s, %(key)s, %(content)s, %(now)s)
ON CONFLICT ON CONSTRAINT stored_file_name_key DO UPDATE
SET content = excluded.content, updated_at = excluded.updated_at;

-- name: site.files.delete
-- A file of an account is gone.
DELETE FROM stored_file WHERE account_id = %(account_id)s AND name = %(name)s;
