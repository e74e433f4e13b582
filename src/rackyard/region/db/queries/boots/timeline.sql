-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: boots.timeline.record
-- Evidence for a step; the first one counts.
INSERT INTO boot_step (boot_id, step, by_whom, at, outcome, detail)
VALUES (%(boot_id)s, %(step)s, %(by_whom)s, %(at)s, %(outcome)s, %(detail)s)
ON CONFLICT (boot_id, step) DO NOTHING;

-- name: boots.timeline.amend
-- A step that was done went on.
UPDATE boot_step SET detail = left(detail || '; ' || %(words)s, %(limit)s)
WHERE boot_id = %(boot_id)s AND step = %(step)s AND outcome = 'done';

-- name: boots.timeline.outcome_of_done
-- How a step ended (NULL while it has not) of a boot that was done; nothing for another boot.
SELECT boot_step.outcome
FROM boot LEFT JOIN boot_step ON boot_step.boot_id = boot.id AND boot_step.step = %(step)s
WHERE boot.id = %(boot_id)s AND boot.outcome = 'done';

-- name: boots.timeline.mend
-- A step that had failed was done after all.
UPDATE boot_step SET outcome = 'done', detail = left(detail || '; ' || %(words)s, %(limit)s)
WHERE boot_id = %(boot_id)s AND step = %(step)s AND outcome = 'failed';

-- name: boots.timeline.steps
-- The recorded steps of a boot.
SELECT step, by_whom, at, outcome, detail FROM boot_step WHERE boot_id = %(boot_id)s ORDER BY step;

-- name: boots.timeline.pace
-- How long each step took in the latest boots of an image for one purpose that were done, from the step just before it.
WITH recent AS (
    SELECT id FROM boot WHERE image_id = %(image_id)s AND purpose = %(purpose)s AND outcome = 'done' ORDER BY id DESC LIMIT %(recent)s
), took AS (
    SELECT step, lag(step) OVER boot AS before, extract(epoch FROM at - lag(at) OVER boot)::double precision AS seconds
    FROM boot_step WHERE boot_id IN (SELECT id FROM recent) AND outcome = 'done'
    WINDOW boot AS (PARTITION BY boot_id ORDER BY step)
)
SELECT step, count(*) AS boots, percentile_cont(0.5) WITHIN GROUP (ORDER BY seconds) AS median_s,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY seconds) - percentile_cont(0.1) WITHIN GROUP (ORDER BY seconds) AS spread_s
FROM took WHERE before = step - 1 GROUP BY step;
