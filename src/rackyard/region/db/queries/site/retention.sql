-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.retention.events
-- Old events, a batch.
DELETE FROM event WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM event WHERE created_at < %(before)s ORDER BY created_at LIMIT %(limit)s));

-- name: site.retention.audit
-- Old entries of the audit trail, a batch.
DELETE FROM audit WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM audit WHERE at < %(before)s ORDER BY at LIMIT %(limit)s));

-- name: site.retention.queries
-- Answered questions of one kind to BMCs, a batch: what they answered, a power state or who reached a BMC, is kept elsewhere.
DELETE FROM job WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM job WHERE kind = %(kind)s AND finished_at < %(before)s ORDER BY finished_at LIMIT %(limit)s));

-- name: site.retention.jobs
-- Old finished jobs that changed something, a batch.
DELETE FROM job WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM job WHERE kind <> 'power_query' AND finished_at < %(before)s ORDER BY finished_at LIMIT %(limit)s));

-- name: site.retention.boots
-- Boots beyond the newest ones of each machine, a batch; steps and script results go with them.
DELETE FROM boot WHERE outcome <> 'running' AND id IN (
    SELECT old.id FROM machine CROSS JOIN LATERAL (
        SELECT boot.id FROM boot WHERE boot.machine_id = machine.id ORDER BY boot.id DESC OFFSET %(keep)s
    ) AS old LIMIT %(limit)s);

-- name: site.retention.operations
-- Ended operations without a boot, beyond the newest ones of each machine, a batch.
DELETE FROM operation WHERE outcome <> 'running' AND id IN (
    SELECT old.id FROM machine CROSS JOIN LATERAL (
        SELECT operation.id FROM operation WHERE operation.machine_id = machine.id ORDER BY operation.id DESC
        OFFSET %(keep)s
    ) AS old WHERE NOT EXISTS (SELECT 1 FROM boot WHERE boot.operation_id = old.id) LIMIT %(limit)s);

-- name: site.retention.outputs
-- What scripts wrote in boots beyond the newest ones of each machine, a batch; how they ended stays.
UPDATE script_result SET stdout = '', stderr = '', output = '', result = ''
WHERE id IN (
    SELECT written.id FROM machine CROSS JOIN LATERAL (
        SELECT DISTINCT boot_id FROM script_result
        WHERE machine_id = machine.id
          AND octet_length(stdout) + octet_length(stderr) + octet_length(output) + octet_length(result) > 0
        ORDER BY boot_id DESC OFFSET %(keep)s
    ) AS old JOIN script_result AS written ON written.boot_id = old.boot_id
    WHERE octet_length(written.stdout) + octet_length(written.stderr) + octet_length(written.output)
              + octet_length(written.result) > 0
    LIMIT %(limit)s);

-- name: site.retention.leases
-- Leases that ended long ago, a batch.
DELETE FROM lease WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM lease
    WHERE coalesce(expires_at, at) < %(before)s AND (expires_at IS NOT NULL OR state <> 'commit') LIMIT %(limit)s));

-- name: site.retention.receipts
-- Receipts of old deliveries, a batch.
DELETE FROM receipt WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM receipt WHERE received_at < %(before)s ORDER BY received_at LIMIT %(limit)s));

-- name: site.retention.logins
-- User names that were tried long ago, a batch.
DELETE FROM login_attempt WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM login_attempt WHERE since < %(before)s ORDER BY since LIMIT %(limit)s));

-- name: site.retention.tokens
-- Enrolment tokens that expired long ago, a batch.
DELETE FROM enroll_token WHERE id IN (
    SELECT id FROM enroll_token WHERE expires_at < %(before)s LIMIT %(limit)s);

-- name: site.retention.sizes
-- How many rows these tables hold (estimated where there are many), and how many bytes with their indexes.
SELECT relname AS name, pg_total_relation_size(oid) AS size_bytes,
       CASE WHEN reltuples >= 100000 THEN reltuples::bigint ELSE CASE relname
           WHEN 'event' THEN (SELECT count(*) FROM event)
           WHEN 'audit' THEN (SELECT count(*) FROM audit)
           WHEN 'job' THEN (SELECT count(*) FROM job)
           WHEN 'boot' THEN (SELECT count(*) FROM boot)
           WHEN 'script_result' THEN (SELECT count(*) FROM script_result)
           WHEN 'lease' THEN (SELECT count(*) FROM lease)
           WHEN 'receipt' THEN (SELECT count(*) FROM receipt)
       END END AS rows
FROM pg_class WHERE oid = ANY ('{event, audit, job, boot, script_result, lease, receipt}'::regclass[]);
