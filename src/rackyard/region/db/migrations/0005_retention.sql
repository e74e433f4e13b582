-- SPDX-License-Identifier: GPL-3.0-or-later
-- no transaction
-- Indexes of large tables are made while these stay in use. Each paragraph may run again after a failure, which leaves
-- an invalid index behind: hence the DROPs.

-- The last time that a rack reached a machine's BMC, so that the choice of a rack reads no history of jobs.
CREATE TABLE IF NOT EXISTS power_contact (
    machine_id   bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    rack_id      bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    succeeded_at timestamptz NOT NULL,
    PRIMARY KEY (machine_id, rack_id)
);

-- The transaction that wrote an event: whoever follows the log must not overtake one that commits later.
ALTER TABLE event ADD COLUMN IF NOT EXISTS written_by xid8;

ALTER TABLE event ALTER COLUMN written_by SET DEFAULT pg_current_xact_id();

DROP INDEX CONCURRENTLY IF EXISTS job_boot;

CREATE INDEX CONCURRENTLY job_boot ON job (boot_id, id) WHERE boot_id IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS job_finished_query;

CREATE INDEX CONCURRENTLY job_finished_query ON job (finished_at) WHERE kind = 'power_query';

DROP INDEX CONCURRENTLY IF EXISTS job_finished_change;

CREATE INDEX CONCURRENTLY job_finished_change ON job (finished_at) WHERE kind <> 'power_query';

DROP INDEX CONCURRENTLY IF EXISTS machine_boot;

CREATE INDEX CONCURRENTLY machine_boot ON machine (boot_id) WHERE boot_id IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS machine_operation;

CREATE INDEX CONCURRENTLY machine_operation ON machine (operation_id) WHERE operation_id IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS boot_running;

CREATE INDEX CONCURRENTLY boot_running ON boot (id) WHERE outcome = 'running';

DROP INDEX CONCURRENTLY IF EXISTS event_created_at;

CREATE INDEX CONCURRENTLY event_created_at ON event (created_at);

DROP INDEX CONCURRENTLY IF EXISTS event_rack;

CREATE INDEX CONCURRENTLY event_rack ON event (rack_id, id DESC) WHERE machine_id IS NULL;

DROP INDEX CONCURRENTLY IF EXISTS script_result_with_output;

CREATE INDEX CONCURRENTLY script_result_with_output ON script_result (machine_id, boot_id DESC)
    WHERE octet_length(stdout) + octet_length(stderr) + octet_length(output) + octet_length(result) > 0;

-- Boots from before the rack was written down when it was chosen.
UPDATE boot SET rack_id = (SELECT job.rack_id FROM job WHERE job.boot_id = boot.id ORDER BY job.id LIMIT 1)
WHERE rack_id IS NULL AND EXISTS (SELECT 1 FROM job WHERE job.boot_id = boot.id);
