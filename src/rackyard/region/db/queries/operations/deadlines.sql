-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: operations.deadlines.past
-- Operations that should have ended.
SELECT operation.id, operation.machine_id FROM operation
WHERE operation.outcome = 'running' AND operation.deadline_at < %(now)s ORDER BY operation.deadline_at LIMIT 100;

-- name: operations.deadlines.beat
-- A worker leads the site; since when somebody last did. `since` starts anew after a gap.
INSERT INTO leadership AS held (since, beat_at) VALUES (%(now)s, %(now)s)
ON CONFLICT (only_one) DO UPDATE
SET beat_at = excluded.beat_at,
    since = CASE WHEN held.beat_at < %(now)s - make_interval(secs => %(gap_s)s) THEN excluded.since ELSE held.since END
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
