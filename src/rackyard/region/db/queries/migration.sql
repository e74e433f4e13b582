-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: migration.lock
-- Only one migration at a time, on any host; released with the transaction.
SELECT pg_advisory_xact_lock(hashtext('rackyard migration'));

-- name: migration.table_exists
-- Whether this database was ever migrated.
SELECT to_regclass('schema_migration') IS NOT NULL AS present;

-- name: migration.applied
-- Versions that this database has.
SELECT version FROM schema_migration;

-- name: migration.record
-- Remember an applied migration.
INSERT INTO schema_migration (version) VALUES (%(version)s);
