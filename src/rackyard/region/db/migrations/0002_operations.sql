-- SPDX-License-Identifier: GPL-3.0-or-later
-- Operations: what a machine goes through, with a deadline that progress moves. Jobs may be handed out again.

-- Kinds are the registry's (services/operations): commission now; enlist, test, deploy, release, erase, rescue later.
CREATE TABLE operation (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine_id   bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    kind         text NOT NULL,
    epoch        integer NOT NULL,
    requested_by text NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL,
    patience_s   integer NOT NULL,              -- how long nothing may happen
    progress_at  timestamptz NOT NULL,          -- when something last did
    deadline_at  timestamptz NOT NULL,          -- progress moves it, silence brings it closer
    ends_at      timestamptz NOT NULL,          -- whatever the machine says, it has ended by then
    -- Step → seconds after which it is overdue, from the site's own earlier boots; the constants count for the rest.
    limits       jsonb NOT NULL DEFAULT '{}',
    ended_at     timestamptz,
    outcome      text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'done', 'failed', 'aborted'))
);
CREATE INDEX operation_machine ON operation (machine_id, id DESC);
CREATE INDEX operation_deadline ON operation (deadline_at) WHERE outcome = 'running';
CREATE UNIQUE INDEX operation_one_per_machine ON operation (machine_id) WHERE outcome = 'running';

ALTER TABLE machine ADD COLUMN operation_id bigint;
ALTER TABLE machine ADD CONSTRAINT machine_operation_fkey
    FOREIGN KEY (operation_id) REFERENCES operation ON DELETE SET NULL;

-- When a worker last led the site, and since when one has: the time in which none did does not count.
CREATE TABLE leadership (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    since      timestamptz NOT NULL,
    beat_at    timestamptz NOT NULL
);

-- Earlier commissionings keep their place in the history; what runs goes on with the deadline that it has.
INSERT INTO operation (machine_id, kind, epoch, requested_by, requested_at, patience_s, progress_at, deadline_at,
                       ends_at, ended_at, outcome)
SELECT boot.machine_id, 'commission', boot.epoch, boot.requested_by, boot.requested_at, 1200, boot.requested_at,
       boot.credentials_expire_at, boot.credentials_expire_at, boot.ended_at, boot.outcome
FROM boot ORDER BY boot.id;
ALTER TABLE boot ADD COLUMN operation_id bigint REFERENCES operation ON DELETE CASCADE;
UPDATE boot SET operation_id = operation.id
FROM operation WHERE operation.machine_id = boot.machine_id AND operation.epoch = boot.epoch;
ALTER TABLE boot ALTER COLUMN operation_id SET NOT NULL;
ALTER TABLE boot ALTER COLUMN purpose DROP DEFAULT;
-- Credentials live as long as their operation.
ALTER TABLE boot DROP COLUMN credentials_expire_at;
UPDATE machine SET operation_id = boot.operation_id FROM boot WHERE boot.id = machine.boot_id;
DROP INDEX machine_deadline;
ALTER TABLE machine DROP COLUMN deadline_at;
CREATE INDEX boot_operation ON boot (operation_id);
CREATE INDEX boot_image ON boot (image_id, id DESC) WHERE outcome = 'done';

ALTER TABLE job DROP CONSTRAINT job_state_check;
ALTER TABLE job ADD CONSTRAINT job_state_check
    CHECK (state IN ('queued', 'taken', 'lost', 'done', 'failed', 'cancelled', 'stale'));
ALTER TABLE job ADD COLUMN attempts integer NOT NULL DEFAULT 0;
CREATE INDEX job_open_machine ON job (machine_id) WHERE state IN ('queued', 'taken');

-- A job wakes its rack when it appears or is moved there, and whoever waits for the machine when it changes. One that
-- ends wakes the racks whose jobs for the same machine had to wait for it.
CREATE OR REPLACE FUNCTION notify_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'queued' THEN
        PERFORM pg_notify('rackyard_jobs', (SELECT system_id FROM rack WHERE id = NEW.rack_id));
    ELSIF NEW.state <> 'taken' THEN
        PERFORM pg_notify('rackyard_jobs', rack.system_id) FROM rack
        WHERE rack.id IN (SELECT rack_id FROM job WHERE machine_id = NEW.machine_id AND state = 'queued');
    END IF;
    PERFORM pg_notify('rackyard_machines', (SELECT system_id FROM machine WHERE id = NEW.machine_id));
    RETURN NULL;
END $$;

DROP TRIGGER job_changed ON job;
CREATE TRIGGER job_changed AFTER INSERT OR UPDATE OF state, rack_id ON job
    FOR EACH ROW EXECUTE FUNCTION notify_job();
