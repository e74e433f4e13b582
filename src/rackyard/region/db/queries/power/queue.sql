-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: power.queue.add
-- A job for a rack; the trigger wakes that rack.
INSERT INTO job (rack_id, machine_id, boot_id, epoch, kind, params, created_at, expires_at)
VALUES (%(rack_id)s, %(machine_id)s, %(boot_id)s, %(epoch)s, %(kind)s, %(params)s, %(now)s, %(expires_at)s)
RETURNING id;

-- name: power.queue.take
-- Hand out the waiting jobs of a rack with the BMC to talk to; questions come last. A job of an old epoch is not handed
-- out, nor one for a machine that another rack works on: two racks at one BMC would undo each other's work.
UPDATE job
SET state = 'taken', taken_at = %(now)s, attempts = job.attempts + 1,
    expires_at = %(now)s + make_interval(secs => (%(limits)s::jsonb ->> job.kind)::integer)
FROM machine LEFT JOIN bmc ON bmc.id = machine.bmc_id
WHERE machine.id = job.machine_id AND job.epoch = machine.epoch
  AND job.id IN (SELECT id FROM job AS waiting
                 WHERE waiting.rack_id = %(rack_id)s AND waiting.state = 'queued' AND waiting.expires_at > %(now)s
                   AND NOT EXISTS (SELECT 1 FROM job AS busy
                                   WHERE busy.machine_id = waiting.machine_id AND busy.state = 'taken'
                                     AND busy.rack_id <> waiting.rack_id)
                 ORDER BY waiting.kind = 'power_query', waiting.id LIMIT %(slots)s FOR UPDATE SKIP LOCKED)
RETURNING job.id, job.kind, job.epoch, job.params, job.expires_at, machine.system_id, machine.hostname,
          machine.power_type, machine.power_parameters, bmc.address AS power_address, bmc.port AS power_port,
          coalesce(bmc.parameters, '{}') AS bmc_parameters, coalesce(bmc.secrets, '{}') AS bmc_secrets,
          machine.firmware_type,
          (%(limits)s::jsonb ->> job.kind)::integer AS limit_s;

-- name: power.queue.give_back
-- What a rack was handed before a moment and does not hold waits for it again.
UPDATE job
SET state = 'queued', taken_at = NULL,
    expires_at = %(now)s + make_interval(secs => (%(waits)s::jsonb ->> job.kind)::integer)
WHERE rack_id = %(rack_id)s AND state = 'taken' AND taken_at < %(before)s AND NOT id = ANY (%(held)s::bigint[]);

-- name: power.queue.again
-- A job that came to nothing waits again.
UPDATE job SET state = 'queued', rack_id = %(rack_id)s, taken_at = NULL, expires_at = %(expires_at)s
WHERE id = %(id)s AND state IN ('queued', 'taken', 'lost');

-- name: power.queue.waiting
-- The waiting jobs of a rack.
SELECT job.id, job.machine_id, job.kind, rack.hostname AS rack FROM job JOIN rack ON rack.id = job.rack_id
WHERE job.rack_id = %(rack_id)s AND job.state = 'queued' ORDER BY job.id LIMIT 1000;

-- name: power.queue.move
-- A waiting job goes to another rack; the trigger wakes that one.
UPDATE job SET rack_id = %(to_rack)s
WHERE id = %(id)s AND rack_id = %(from_rack)s AND state = 'queued' AND rack_id <> %(to_rack)s;

-- name: power.queue.lock
-- A job of a rack with its machine's present epoch, both locked (machine first, as everywhere).
WITH target AS (
    SELECT machine.id FROM machine JOIN job ON job.machine_id = machine.id
    WHERE job.id = %(id)s AND job.rack_id = %(rack_id)s FOR NO KEY UPDATE OF machine
)
SELECT job.id, job.kind, job.epoch, job.state, job.boot_id, job.params, job.machine_id, job.attempts, job.expires_at
FROM job JOIN target ON target.id = job.machine_id
WHERE job.id = %(id)s AND job.rack_id = %(rack_id)s FOR UPDATE OF job;

-- name: power.queue.finish
-- The end of a job; a success is remembered for the next choice of a rack.
WITH reached AS (
    INSERT INTO power_contact (bmc_id, rack_id, succeeded_at)
    SELECT machine.bmc_id, job.rack_id, %(now)s FROM job JOIN machine ON machine.id = job.machine_id
    WHERE job.id = %(id)s AND %(state)s = 'done' AND machine.bmc_id IS NOT NULL
    ON CONFLICT (bmc_id, rack_id) DO UPDATE SET succeeded_at = excluded.succeeded_at
)
UPDATE job SET state = %(state)s, finished_at = %(now)s, result = %(result)s, error = %(error)s WHERE id = %(id)s;

-- name: power.queue.cancel_waiting
-- A new life of the machine began: what was meant for the old one is off.
UPDATE job SET state = 'cancelled', finished_at = %(now)s, error = %(reason)s
WHERE machine_id = %(machine_id)s AND state = 'queued'
RETURNING kind, boot_id;

-- name: power.queue.read
-- State and result of one job, for whoever waits for it.
SELECT job.id, job.state, job.result, job.error, rack.hostname AS rack, rack.alive AND rack.revoked_at IS NULL AS rack_lives
FROM job JOIN rack ON rack.id = job.rack_id WHERE job.id = %(id)s;

-- name: power.queue.overdue
-- Open jobs that nobody reported on in time.
SELECT job.id, job.rack_id, job.state, job.taken_at, job.created_at, rack.hostname AS rack
FROM job JOIN rack ON rack.id = job.rack_id
WHERE job.state IN ('queued', 'taken') AND job.expires_at < %(now)s
ORDER BY job.id LIMIT 100;

-- name: power.queue.lost
-- The last job of a boot that its rack never reported on, in words.
SELECT error FROM job WHERE boot_id = %(boot_id)s AND state = 'lost' ORDER BY id DESC LIMIT 1;
