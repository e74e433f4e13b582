-- SPDX-License-Identifier: GPL-3.0-or-later
-- Racks that failed to reach a BMC are remembered beside those that did; an order may wait for a rack that is yet to be
-- found, and goes to the next rack when one fails.

ALTER TABLE power_contact ALTER COLUMN succeeded_at DROP NOT NULL;
ALTER TABLE power_contact ADD COLUMN failed_at timestamptz;
ALTER TABLE power_contact ADD COLUMN error text NOT NULL DEFAULT '';
CREATE INDEX power_contact_rack ON power_contact (rack_id);

ALTER TABLE job ALTER COLUMN rack_id DROP NOT NULL;
ALTER TABLE job ADD COLUMN tried jsonb NOT NULL DEFAULT '[]';
ALTER TABLE job DROP CONSTRAINT job_kind_check;
ALTER TABLE job ADD CONSTRAINT job_kind_check
    CHECK (kind IN ('power_on', 'power_off', 'power_query', 'power_probe'));
CREATE INDEX job_finished_probe ON job (finished_at) WHERE kind = 'power_probe';
ALTER TABLE job ADD CONSTRAINT job_rack_check CHECK (rack_id IS NOT NULL OR state <> 'taken');

-- A job wakes its rack when it appears or is moved there, and whoever waits for the machine when it changes. One that a
-- rack no longer works on wakes the racks whose jobs for the same BMC had to wait for it.
CREATE OR REPLACE FUNCTION notify_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'queued' AND NEW.rack_id IS NOT NULL THEN
        PERFORM pg_notify('rackyard_jobs', (SELECT system_id FROM rack WHERE id = NEW.rack_id));
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state = 'taken' AND NEW.state <> 'taken' THEN
        PERFORM pg_notify('rackyard_jobs', rack.system_id) FROM rack
        WHERE rack.id IN (SELECT rack_id FROM job WHERE state = 'queued' AND machine_id IN (
            SELECT NEW.machine_id UNION ALL
            SELECT beside.id FROM machine JOIN machine AS beside USING (bmc_id) WHERE machine.id = NEW.machine_id));
    END IF;
    PERFORM pg_notify('rackyard_machines', (SELECT system_id FROM machine WHERE id = NEW.machine_id));
    RETURN NULL;
END $$;
