-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.retention.events
-- Old events, a batch.
DELETE FROM event WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM event WHERE created_at < %(before)s ORDER BY created_at LIMIT %(limit)s));

-- name: site.retention.queries
-- Answered questions to BMCs, a batch: their answer is the machine's power state.
DELETE FROM job WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM job WHERE kind = 'power_query' AND finished_at < %(before)s ORDER BY finished_at LIMIT %(limit)s));

-- name: site.retention.probes
-- Answered probes, a batch: who reached a BMC is remembered elsewhere.
DELETE FROM job WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM job WHERE kind = 'power_probe' AND finished_at < %(before)s ORDER BY finished_at LIMIT %(limit)s));

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

-- name: site.retention.tokens
-- Enrolment tokens that expired long ago, a batch.
DELETE FROM enroll_token WHERE id IN (
    SELECT id FROM enroll_token WHERE expires_at < %(before)s LIMIT %(limit)s);

-- name: site.retention.sizes
-- How many rows these tables hold (estimated where there are many), and how many bytes with their indexes.
SELECT 'event' AS name, pg_total_relation_size(oid) AS size_bytes,
       CASE WHEN reltuples < 100000 THEN (SELECT count(*) FROM event) ELSE reltuples::bigint END AS rows
FROM pg_class WHERE oid = 'event'::regclass
UNION ALL
SELECT 'job', pg_total_relation_size(oid),
       CASE WHEN reltuples < 100000 THEN (SELECT count(*) FROM job) ELSE reltuples::bigint END
FROM pg_class WHERE oid = 'job'::regclass
UNION ALL
SELECT 'boot', pg_total_relation_size(oid),
       CASE WHEN reltuples < 100000 THEN (SELECT count(*) FROM boot) ELSE reltuples::bigint END
FROM pg_class WHERE oid = 'boot'::regclass
UNION ALL
SELECT 'script_result', pg_total_relation_size(oid),
       CASE WHEN reltuples < 100000 THEN (SELECT count(*) FROM script_result) ELSE reltuples::bigint END
FROM pg_class WHERE oid = 'script_result'::regclass
UNION ALL
SELECT 'lease', pg_total_relation_size(oid),
       CASE WHEN reltuples < 100000 THEN (SELECT count(*) FROM lease) ELSE reltuples::bigint END
FROM pg_class WHERE oid = 'lease'::regclass
UNION ALL
SELECT 'receipt', pg_total_relation_size(oid),
       CASE WHEN reltuples < 100000 THEN (SELECT count(*) FROM receipt) ELSE reltuples::bigint END
FROM pg_class WHERE oid = 'receipt'::regclass;
