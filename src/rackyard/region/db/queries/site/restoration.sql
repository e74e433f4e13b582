-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.restoration.freeze
-- One look at the database that pg_dump can share, as long as this transaction lasts; what there is to be seen in it.
SELECT pg_export_snapshot() AS snapshot, now() AS taken_at, (SELECT max(version) FROM schema_migration) AS schema,
       (SELECT count(*) FROM machine) AS machines, (SELECT count(*) FROM rack) AS racks,
       (SELECT count(*) FROM subnet) AS subnets;

-- name: site.restoration.is_there
-- Whether there are tables of a site, and the one that tells of a backup that is not fit for work yet.
SELECT to_regclass('schema_migration') IS NOT NULL AS tables, to_regclass('restoring') IS NOT NULL AS restores;

-- name: site.restoration.holdings
-- What a restore would replace that cannot be made anew.
SELECT (SELECT count(*) FROM machine) AS machines, (SELECT count(*) FROM rack) AS racks,
       (SELECT count(*) FROM subnet) AS subnets;

-- name: site.restoration.untouched
-- The archive that was restored here last, if no region has worked with it yet.
SELECT archive_sha256 FROM restoration
WHERE NOT EXISTS (SELECT FROM region_process) ORDER BY id DESC LIMIT 1;

-- name: site.restoration.sessions
-- Others that have this database open.
SELECT count(*) AS count FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid();

-- name: site.restoration.backup
-- What is being restored.
SELECT taken_at, archive_sha256 FROM restoring;

-- name: site.restoration.done
-- It is fit for work.
DELETE FROM restoring;

-- name: site.restoration.record
-- The site was restored.
INSERT INTO restoration (taken_at, restored_at, archive_sha256) VALUES (%(taken_at)s, %(now)s, %(archive_sha256)s);

-- name: site.restoration.raise_numbers
-- Every number that is given out next is higher than any that may have been: racks know jobs and declarations by
-- number, clients events. Those of what operators declare stay short.
SELECT count(setval(format('%%I.%%I', schemaname, sequencename)::regclass,
                    coalesce(last_value, 0) + CASE WHEN split_part(sequencename, '_id_seq', 1) = ANY (%(declared)s)
                                                   THEN %(short)s::bigint ELSE %(far)s::bigint END)) AS count
FROM pg_sequences WHERE schemaname = current_schema();

-- name: site.restoration.raise_epochs
-- Racks carry out no order of an epoch lower than the highest they have seen.
UPDATE machine SET epoch = epoch + %(step)s;

-- name: site.restoration.raise_generations
-- Nor does a region take a report on an older desired state than the one that it knows of.
UPDATE rack SET desired_generation = desired_generation + %(step)s;

-- name: site.restoration.running
-- The operations that were under way, each with its machine.
SELECT id, machine_id FROM operation WHERE outcome = 'running' ORDER BY machine_id;

-- name: site.restoration.end_boots
-- No boot of that time goes on, and its credentials open nothing.
UPDATE boot SET ended_at = %(now)s, outcome = 'aborted' WHERE outcome = 'running';

-- name: site.restoration.end_jobs
-- No order of that time is handed out, nor counts what a rack reports on it.
UPDATE job SET state = 'cancelled', finished_at = %(now)s, error = %(reason)s
WHERE state IN ('queued', 'taken', 'lost')
RETURNING machine_id, kind, boot_id;

-- name: site.restoration.end_tokens
-- Enrolment tokens that were not spent then may have been since.
UPDATE enroll_token SET expires_at = least(expires_at, %(taken_at)s) WHERE used_at IS NULL;

-- name: site.restoration.forget_writers
-- Transactions of this PostgreSQL begin to be counted anew: nobody waits for those of the other one.
UPDATE event SET written_by = NULL WHERE written_by IS NOT NULL;

-- name: site.restoration.forget_auditors
-- The same of the audit trail.
UPDATE audit SET written_by = NULL WHERE written_by IS NOT NULL;

-- name: site.restoration.forget_declarations
-- No rack is dead to its partner because it was at that time.
DELETE FROM dhcp_partner_down;

-- name: site.restoration.forget_pair_states
-- Nor is anything known of how dhcpds stand to each other now.
DELETE FROM dhcp_pair_state;

-- name: site.restoration.forget_processes
-- The region's processes of that time are gone, perhaps with their addresses.
DELETE FROM region_process;

-- name: site.restoration.forget_regions
-- What regions of that time said of themselves; those that live say it anew.
DELETE FROM region;

-- name: site.restoration.forget_timelines
-- Since when which server takes writes: this one has a history of its own.
DELETE FROM database_timeline;

-- name: site.restoration.forget_drains
-- A rack that was out of use for an upgrade of that time is in use.
UPDATE rack SET drained_until = NULL WHERE drained_until IS NOT NULL;
