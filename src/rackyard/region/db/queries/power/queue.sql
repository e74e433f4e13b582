-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: power.queue.add
-- A job for a rack; the trigger wakes that rack.
INSERT INTO job (rack_id, machine_id, boot_id, epoch, kind, params, created_at, expires_at)
VALUES (%(rack_id)s, %(machine_id)s, %(boot_id)s, %(epoch)s, %(kind)s, %(params)s, %(now)s, %(expires_at)s)
RETURNING id;

-- name: power.queue.take
-- Hand out the waiting jobs of a rack with the BMC to talk to; a job of an old epoch is not handed out.
UPDATE job SET state = 'taken', taken_at = %(now)s
FROM machine
WHERE machine.id = job.machine_id AND job.epoch = machine.epoch
  AND job.id IN (SELECT id FROM job AS waiting
                 WHERE waiting.rack_id = %(rack_id)s AND waiting.state = 'queued' AND waiting.expires_at > %(now)s
                 ORDER BY waiting.id LIMIT 50 FOR UPDATE SKIP LOCKED)
RETURNING job.id, job.kind, job.epoch, job.params, job.expires_at, machine.system_id, machine.hostname,
          machine.power_type, host(machine.power_address) AS power_address, machine.power_port, machine.power_user,
          machine.power_secret, machine.power_options;

-- name: power.queue.lock
-- A job of a rack with its machine's present epoch, both locked (machine first, as everywhere).
WITH target AS (
    SELECT machine.id FROM machine JOIN job ON job.machine_id = machine.id
    WHERE job.id = %(id)s AND job.rack_id = %(rack_id)s FOR NO KEY UPDATE OF machine
)
SELECT job.id, job.kind, job.epoch, job.state, job.boot_id, job.params, job.machine_id
FROM job JOIN target ON target.id = job.machine_id
WHERE job.id = %(id)s AND job.rack_id = %(rack_id)s FOR UPDATE OF job;

-- name: power.queue.finish
-- The end of a job.
UPDATE job SET state = %(state)s, finished_at = %(now)s, result = %(result)s, error = %(error)s WHERE id = %(id)s;

-- name: power.queue.cancel_open
-- A new life of the machine began: what was meant for the old one is off.
UPDATE job SET state = 'cancelled', finished_at = %(now)s, error = %(reason)s
WHERE machine_id = %(machine_id)s AND state = 'queued';

-- name: power.queue.read
-- State and result of one job, for whoever waits for it.
SELECT job.id, job.state, job.result, job.error, rack.hostname AS rack
FROM job JOIN rack ON rack.id = job.rack_id WHERE job.id = %(id)s;

-- name: power.queue.overdue
-- Open jobs that nobody reported on in time.
SELECT job.id, job.rack_id, job.state, job.taken_at, job.created_at, rack.hostname AS rack
FROM job JOIN rack ON rack.id = job.rack_id
WHERE job.state IN ('queued', 'taken') AND job.expires_at < %(now)s
ORDER BY job.id LIMIT 100;

-- name: power.queue.delete_old
-- Finished jobs older than a moment.
DELETE FROM job WHERE state NOT IN ('queued', 'taken') AND finished_at < %(before)s;
