-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.users.all
-- Every account.
SELECT id, username, is_admin, email FROM account ORDER BY username;

-- name: site.users.lock
-- The account of this name. Until the transaction ends nobody changes it, and no machine becomes its own.
SELECT id, username, is_admin, email FROM account WHERE username = %(username)s FOR UPDATE;

-- name: site.users.lock_administrators
-- All administrators. Who waits for another that takes a right sees who is left.
SELECT id FROM account WHERE is_admin ORDER BY id FOR NO KEY UPDATE;

-- name: site.users.add
-- A new account of a person.
INSERT INTO account (username, is_admin, email, password_hash, created_at)
VALUES (%(username)s, %(is_admin)s, %(email)s, %(password_hash)s, %(now)s)
RETURNING id, username, is_admin, email;

-- name: site.users.change
-- Write what may change of an account.
UPDATE account SET is_admin = %(is_admin)s, email = %(email)s WHERE id = %(account_id)s
RETURNING id, username, is_admin, email;

-- name: site.users.password_hash
-- The hash of an account's password, if it has one.
SELECT password_hash FROM account WHERE username = %(username)s;

-- name: site.users.set_password_hash
-- Another password from now on.
UPDATE account SET password_hash = %(password_hash)s WHERE id = %(account_id)s;

-- name: site.users.hostnames
-- The machines and devices that an account owns.
SELECT hostname FROM machine WHERE owner_id = %(account_id)s
UNION ALL SELECT hostname FROM device WHERE owner_id = %(account_id)s ORDER BY hostname;

-- name: site.users.hand_over
-- Give all machines, devices and reserved addresses of an account to another one.
WITH machines AS (UPDATE machine SET owner_id = %(heir_id)s WHERE owner_id = %(account_id)s),
     addresses AS (UPDATE reserved_address SET account_id = %(heir_id)s WHERE account_id = %(account_id)s)
UPDATE device SET owner_id = %(heir_id)s WHERE owner_id = %(account_id)s;

-- name: site.users.delete
-- Remove an account; its keys go with it.
DELETE FROM account WHERE id = %(account_id)s;
