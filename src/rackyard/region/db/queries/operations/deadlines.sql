-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: operations.deadlines.past
-- Operations that should have ended. A machine whose racks are all silent may be at work: they keep what it says, so it
-- is waited for until its operation ends anyway.
SELECT operation.id, operation.machine_id FROM operation
WHERE operation.outcome = 'running' AND operation.deadline_at < %(now)s
  AND (operation.ends_at < %(now)s OR NOT EXISTS (
      SELECT FROM boot JOIN subnet ON subnet.cidr >>= boot.client_ip CROSS JOIN LATERAL (
          SELECT bool_or(rack.alive) AS heard
          FROM rack JOIN rack_subnet ON rack_subnet.rack_id = rack.id
          WHERE rack.revoked_at IS NULL AND rack_subnet.subnet_id = subnet.id
      ) AS racks
      WHERE boot.operation_id = operation.id AND boot.outcome = 'running' AND NOT racks.heard))
ORDER BY operation.deadline_at LIMIT 100;

-- name: operations.deadlines.give_time_behind_rack
-- A rack is back: what the machines in its subnets said meanwhile is on its way.
UPDATE operation SET deadline_at = least(ends_at, greatest(deadline_at, %(until)s))
FROM boot
WHERE boot.operation_id = operation.id AND boot.outcome = 'running' AND operation.outcome = 'running'
  AND EXISTS (SELECT FROM rack_subnet JOIN subnet ON subnet.id = rack_subnet.subnet_id
              WHERE rack_subnet.rack_id = %(rack_id)s AND boot.client_ip <<= subnet.cidr);

-- name: operations.deadlines.beat
-- A worker leads the site; since when somebody last did. `since` starts anew after a gap, and where PostgreSQL's clock was put back.
INSERT INTO leadership AS held (since, beat_at) VALUES (%(now)s, %(now)s)
ON CONFLICT (only_one) DO UPDATE
SET beat_at = excluded.beat_at,
    since = CASE WHEN abs(extract(epoch FROM %(now)s - held.beat_at)) > %(gap_s)s THEN excluded.since ELSE held.since END
RETURNING since;

-- name: operations.deadlines.last_beat
-- When a worker last led the site, locked for the next beat.
SELECT since, beat_at FROM leadership FOR UPDATE;

-- name: operations.deadlines.watched
-- The same for whoever only looks.
SELECT since, beat_at FROM leadership;

-- name: operations.deadlines.give_operations_time
-- Running operations get the time back in which nobody listened.
UPDATE operation
SET deadline_at = deadline_at + make_interval(secs => %(seconds)s),
    ends_at = ends_at + make_interval(secs => %(seconds)s),
    progress_at = progress_at + make_interval(secs => %(seconds)s)
WHERE outcome = 'running';

-- name: operations.deadlines.give_jobs_time
-- So do open jobs.
UPDATE job SET expires_at = expires_at + make_interval(secs => %(seconds)s) WHERE state IN ('queued', 'taken');
