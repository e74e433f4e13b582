-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: boots.timeline.record
-- Evidence for a step; the first one counts.
INSERT INTO boot_step (boot_id, step, by_whom, at, outcome, detail)
VALUES (%(boot_id)s, %(step)s, %(by_whom)s, %(at)s, %(outcome)s, %(detail)s)
ON CONFLICT (boot_id, step) DO NOTHING;

-- name: boots.timeline.steps
-- The recorded steps of a boot.
SELECT step, by_whom, at, outcome, detail FROM boot_step WHERE boot_id = %(boot_id)s ORDER BY step;
