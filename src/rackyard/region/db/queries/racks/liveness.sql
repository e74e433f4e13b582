-- SPDX-License-Identifier: GPL-3.0-or-later
-- All by PostgreSQL's clock, which all regions share. Rows are locked in one order, whoever writes several of them.

-- name: racks.liveness.seen
-- These racks speak or wait for an answer; written when that is news: of one that was dead, doubted, or seen too long
-- ago. Which of them were dead.
UPDATE rack SET last_seen_at = now(), alive = true
FROM (SELECT id, alive FROM rack
      WHERE id = ANY (%(rack_ids)s) AND revoked_at IS NULL
        AND (NOT alive OR last_seen_at IS NULL OR last_seen_at < now() - make_interval(secs => %(fresh_s)s)
             OR hung_up_at > last_seen_at)
      ORDER BY id FOR NO KEY UPDATE) AS before
WHERE before.id = rack.id
RETURNING rack.id, NOT before.alive AS again;

-- name: racks.liveness.hung_up
-- These racks wait no longer where they waited.
UPDATE rack SET hung_up_at = now()
FROM (SELECT id FROM rack WHERE id = ANY (%(rack_ids)s) ORDER BY id FOR NO KEY UPDATE) AS gone
WHERE gone.id = rack.id;

-- name: racks.liveness.any_dead
-- Whether some rack counts as alive that was silent for so many seconds, or hung up so many seconds ago and has not been
-- heard of since.
SELECT id FROM rack
WHERE alive AND (last_seen_at IS NULL OR last_seen_at < now() - make_interval(secs => %(silence_s)s)
    OR (hung_up_at > last_seen_at AND hung_up_at < now() - make_interval(secs => %(away_s)s)))
LIMIT 1;

-- name: racks.liveness.bury
-- They are dead; their names leave the DNS by the trigger's notice.
UPDATE rack SET alive = false
FROM (SELECT id FROM rack
      WHERE alive AND (last_seen_at IS NULL OR last_seen_at < now() - make_interval(secs => %(silence_s)s)
          OR (hung_up_at > last_seen_at AND hung_up_at < now() - make_interval(secs => %(away_s)s)))
      ORDER BY id FOR NO KEY UPDATE) AS dead
WHERE dead.id = rack.id
RETURNING rack.id, hostname, greatest(last_seen_at, hung_up_at) AS heard_until;
