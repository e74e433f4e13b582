-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: operations.records.add
-- A new operation; a machine has at most one that runs.
INSERT INTO operation (machine_id, kind, epoch, requested_by, requested_at, patience_s, progress_at, deadline_at,
                       ends_at, limits)
VALUES (%(machine_id)s, %(kind)s, %(epoch)s, %(username)s, %(now)s, %(patience_s)s, %(now)s, %(deadline_at)s,
        %(ends_at)s, %(limits)s)
RETURNING id;

-- name: operations.records.read
-- One operation.
SELECT id, machine_id, kind, epoch, requested_by, requested_at, patience_s, progress_at, deadline_at, ends_at, limits,
       ended_at, outcome
FROM operation WHERE id = %(id)s;

-- name: operations.records.end
-- It is over.
UPDATE operation SET ended_at = %(now)s, outcome = %(outcome)s WHERE id = %(id)s AND outcome = 'running';

-- name: operations.records.progress
-- Something happened in a boot: its operation's deadline is that much further away, but never after its end.
UPDATE operation
SET progress_at = greatest(operation.progress_at, %(now)s),
    deadline_at = least(operation.ends_at, greatest(operation.progress_at, %(now)s)
                        + make_interval(secs => coalesce(%(patience_s)s, operation.patience_s)))
FROM boot WHERE boot.id = %(boot_id)s AND operation.id = boot.operation_id AND operation.outcome = 'running';

-- name: operations.records.hurry
-- Silence: the deadline comes closer, unless it is closer already.
UPDATE operation SET deadline_at = least(deadline_at, %(deadline_at)s) WHERE id = %(id)s AND outcome = 'running';
