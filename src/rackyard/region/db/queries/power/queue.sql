-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: power.queue.add
-- A job for a rack, or for one that is yet to be found; the trigger wakes the rack.
INSERT INTO job (rack_id, machine_id, boot_id, epoch, kind, params, created_at, expires_at)
VALUES (%(rack_id)s, %(machine_id)s, %(boot_id)s, %(epoch)s, %(kind)s, %(params)s, %(now)s, %(expires_at)s)
RETURNING id;

-- name: power.queue.probe
-- Racks are to find out whether the BMC of a machine answers there, unless they are about to.
INSERT INTO job (rack_id, machine_id, epoch, kind, created_at, expires_at)
SELECT rack_id, %(machine_id)s, %(epoch)s, 'power_probe', %(now)s, %(expires_at)s
FROM unnest(%(rack_ids)s::bigint[]) AS rack_id
WHERE NOT EXISTS (SELECT 1 FROM job WHERE job.machine_id = %(machine_id)s AND job.epoch = %(epoch)s
                  AND job.rack_id = rack_id.rack_id AND job.kind = 'power_probe' AND job.state IN ('queued', 'taken'));

-- name: power.queue.hold_bmcs
-- The BMCs of what a rack could take now, locked: two racks that ask at the same moment would not see each other take.
SELECT bmc.id FROM bmc WHERE bmc.id IN (
    SELECT own.bmc_id FROM job AS waiting JOIN machine AS own ON own.id = waiting.machine_id
    WHERE waiting.rack_id = %(rack_id)s AND waiting.state = 'queued' AND waiting.expires_at > %(now)s
      AND (waiting.kind <> 'power_on' OR NOT EXISTS (SELECT FROM rack WHERE id = %(rack_id)s AND drained_until > now()))
      AND (waiting.kind = 'power_probe' OR NOT EXISTS (
          SELECT 1 FROM job AS busy JOIN machine AS beside ON beside.id = busy.machine_id
          WHERE busy.state = 'taken' AND busy.rack_id <> waiting.rack_id AND busy.kind <> 'power_probe'
            AND beside.bmc_id = own.bmc_id))
    ORDER BY waiting.kind = 'power_query', waiting.id LIMIT %(slots)s)
ORDER BY bmc.id FOR NO KEY UPDATE;

-- name: power.queue.take
-- Hand out the waiting jobs of a rack with the BMC to talk to, of the BMCs that are held; questions come last. A job of
-- an old epoch is not handed out, nor one for a BMC that another rack works on, whichever machine behind it is meant:
-- two racks at one BMC would undo each other's work. A probe does nothing there.
-- While the rack is drained nothing is switched on, since it might boot from that very rack.
UPDATE job
SET state = 'taken', taken_at = %(now)s, attempts = job.attempts + 1,
    expires_at = %(now)s + make_interval(secs => (%(limits)s::jsonb ->> job.kind)::integer)
FROM machine LEFT JOIN bmc ON bmc.id = machine.bmc_id
WHERE machine.id = job.machine_id AND job.epoch = machine.epoch
  AND job.id IN (SELECT waiting.id FROM job AS waiting JOIN machine AS own ON own.id = waiting.machine_id
                 WHERE waiting.rack_id = %(rack_id)s AND waiting.state = 'queued' AND waiting.expires_at > %(now)s
                   AND (own.bmc_id IS NULL OR own.bmc_id = ANY (%(bmc_ids)s::bigint[]))
                   AND (waiting.kind <> 'power_on'
                        OR NOT EXISTS (SELECT FROM rack WHERE id = %(rack_id)s AND drained_until > now()))
                   AND (waiting.kind = 'power_probe' OR NOT EXISTS (
                       SELECT 1 FROM job AS busy JOIN machine AS beside ON beside.id = busy.machine_id
                       WHERE busy.state = 'taken' AND busy.rack_id <> waiting.rack_id AND busy.kind <> 'power_probe'
                         AND beside.bmc_id = own.bmc_id))
                 ORDER BY waiting.kind = 'power_query', waiting.id LIMIT %(slots)s FOR UPDATE OF waiting SKIP LOCKED)
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
-- The waiting jobs of a rack that another one may do.
SELECT job.id, job.machine_id, job.boot_id, job.kind, job.params, job.tried, job.state, job.attempts,
       rack.hostname AS rack
FROM job JOIN rack ON rack.id = job.rack_id
WHERE job.rack_id = %(rack_id)s AND job.state = 'queued' AND job.kind <> 'power_probe' ORDER BY job.id LIMIT 1000;

-- name: power.queue.move
-- A waiting job goes to another rack; the trigger wakes that one.
UPDATE job SET rack_id = %(to_rack)s, params = %(params)s, attempts = 0
WHERE id = %(id)s AND rack_id = %(from_rack)s AND state = 'queued' AND rack_id <> %(to_rack)s;

-- name: power.queue.pass_on
-- A job at which racks have failed waits for the next one, or for one that is yet to be found.
UPDATE job SET state = 'queued', rack_id = %(rack_id)s, tried = to_jsonb(%(tried)s::jsonb[]), params = %(params)s, attempts = 0,
               taken_at = NULL, expires_at = %(expires_at)s
WHERE id = %(id)s;

-- name: power.queue.homeless
-- The orders for a machine that wait for a rack to be found.
SELECT id, kind, epoch, boot_id, params, tried FROM job
WHERE machine_id = %(machine_id)s AND epoch = %(epoch)s AND state = 'queued' AND rack_id IS NULL ORDER BY id FOR UPDATE;

-- name: power.queue.open_probes
-- How many racks have not said yet whether the BMC of a machine answers there.
SELECT count(*) AS count FROM job
WHERE machine_id = %(machine_id)s AND epoch = %(epoch)s AND kind = 'power_probe' AND state IN ('queued', 'taken');

-- name: power.queue.call_off_probes
-- A rack was found: those that have not begun to look need not.
UPDATE job SET state = 'cancelled', finished_at = %(now)s, error = %(reason)s
WHERE machine_id = %(machine_id)s AND kind = 'power_probe' AND state = 'queued';

-- name: power.queue.lock
-- A job of a rack (or of none yet) with its machine's present epoch, both locked (machine first, as everywhere).
WITH target AS (
    SELECT machine.id FROM machine JOIN job ON job.machine_id = machine.id
    WHERE job.id = %(id)s AND job.rack_id IS NOT DISTINCT FROM %(rack_id)s FOR NO KEY UPDATE OF machine
)
SELECT job.id, job.kind, job.epoch, job.state, job.boot_id, job.params, job.machine_id, job.attempts, job.expires_at,
       job.tried
FROM job JOIN target ON target.id = job.machine_id
WHERE job.id = %(id)s AND job.rack_id IS NOT DISTINCT FROM %(rack_id)s FOR UPDATE OF job;

-- name: power.queue.passed_on
-- A job that a rack failed at and that went on without it.
SELECT job.kind, job.machine_id, machine.hostname, (SELECT rack.hostname FROM rack WHERE rack.id = job.rack_id) AS rack
FROM job JOIN machine ON machine.id = job.machine_id
WHERE job.id = %(id)s AND job.tried @> jsonb_build_array(jsonb_build_object('rack_id', %(rack_id)s::bigint));

-- name: power.queue.finish
-- The end of a job; a success is remembered for the next choice of a rack.
WITH reached AS (
    INSERT INTO power_contact (bmc_id, rack_id, succeeded_at)
    SELECT machine.bmc_id, job.rack_id, %(now)s FROM job JOIN machine ON machine.id = job.machine_id
    WHERE job.id = %(id)s AND %(state)s = 'done' AND machine.bmc_id IS NOT NULL
    ON CONFLICT (bmc_id, rack_id) DO UPDATE SET succeeded_at = excluded.succeeded_at
)
UPDATE job SET state = %(state)s, finished_at = %(now)s, result = %(result)s, error = %(error)s WHERE id = %(id)s;

-- name: power.queue.note_tried
-- The racks that failed at an order which waits for one to be found.
UPDATE job SET tried = to_jsonb(%(tried)s::jsonb[]) WHERE id = %(id)s;

-- name: power.queue.cancel_waiting
-- A new life of the machine began: what was meant for the old one is off.
UPDATE job SET state = 'cancelled', finished_at = %(now)s, error = %(reason)s
WHERE machine_id = %(machine_id)s AND state = 'queued'
RETURNING kind, boot_id;

-- name: power.queue.read
-- State and result of one job, for whoever waits for it.
SELECT job.id, job.state, job.result, job.error, rack.hostname AS rack, rack.alive AND rack.revoked_at IS NULL AS rack_lives
FROM job LEFT JOIN rack ON rack.id = job.rack_id WHERE job.id = %(id)s;

-- name: power.queue.overdue
-- Open jobs that nobody reported on in time.
SELECT job.id, job.rack_id, job.state, job.taken_at, job.created_at, rack.hostname AS rack
FROM job LEFT JOIN rack ON rack.id = job.rack_id
WHERE job.state IN ('queued', 'taken') AND job.expires_at < %(now)s
ORDER BY job.id LIMIT 100;

-- name: power.queue.lost
-- The last job of a boot that its rack never reported on, in words.
SELECT error FROM job WHERE boot_id = %(boot_id)s AND state = 'lost' ORDER BY id DESC LIMIT 1;
