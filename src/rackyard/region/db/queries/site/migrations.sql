-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.migrations.try_lock
-- Only one migration at a time, on any host; released with the transaction. Whoever waited in a statement would hold a
-- snapshot, for whose end CREATE INDEX CONCURRENTLY waits: both would wait for each other.
SELECT pg_try_advisory_xact_lock(hashtext('rackyard migration')) AS locked;

-- name: site.migrations.wait_patiently
-- A large table takes its time: the limits of ordinary requests do not hold for this transaction.
SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true);

-- name: site.migrations.wait_briefly_for_locks
-- How long this transaction waits for a lock, and makes others wait behind it.
SELECT set_config('lock_timeout', %(limit)s, true);

-- name: site.migrations.table_exists
-- Whether this database was ever migrated.
SELECT to_regclass('schema_migration') IS NOT NULL AS present;

-- name: site.migrations.applied
-- Versions that this database has.
SELECT version FROM schema_migration;

-- name: site.migrations.record
-- Remember an applied migration.
INSERT INTO schema_migration (version) VALUES (%(version)s);

-- name: site.migrations.half_restored
-- Whether a backup was loaded that is not fit for work yet.
SELECT EXISTS (SELECT FROM restoring) AS present;
