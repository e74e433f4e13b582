-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.audit.announce
-- Whose changes follow in this transaction, for the triggers.
SELECT set_config('rackyard.deed', %(deed)s, true);

-- name: site.audit.matching
-- What a reader of the trail asked for, apart from the page.
SELECT * FROM audit
WHERE (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
  AND (%(actors)s::text[] IS NULL OR actor = ANY (%(actors)s))
  AND (%(source)s::text IS NULL OR source = %(source)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
  AND (%(object)s::text IS NULL OR object = %(object)s)
  AND (%(name)s::text IS NULL OR name = %(name)s OR object_id = %(name)s)
  AND (%(nodes)s::text[] IS NULL OR node = ANY (%(nodes)s))
  AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
  AND (%(before)s::bigint IS NULL OR id < %(before)s);

-- name: site.audit.newest
-- The newest entries before an id, if one is given.
SELECT id, at, actor, account_id, source, address, request, action, object, object_id, name, node, before, after, note,
       tries, last_at
FROM (
-- include: site.audit.matching
) AS found ORDER BY id DESC LIMIT %(limit)s;

-- name: site.audit.following
-- The first entries after an id; none that one with a smaller id might still join.
SELECT id, at, actor, account_id, source, address, request, action, object, object_id, name, node, before, after, note,
       tries, last_at
FROM (
-- include: site.audit.matching
) AS found
WHERE id > %(after)s AND (written_by IS NULL OR written_by < pg_snapshot_xmin(pg_current_snapshot()))
ORDER BY id ASC LIMIT %(limit)s;

-- name: site.audit.nodes
-- The machines and racks that some filters name, by system_id; None means any.
SELECT system_id FROM machine
WHERE (%(system_ids)s::text[] IS NULL OR system_id = ANY (%(system_ids)s))
  AND (%(hostnames)s::text[] IS NULL OR hostname = ANY (%(hostnames)s))
  AND (%(macs)s::macaddr[] IS NULL OR id IN (
        SELECT machine_id FROM machine_interface WHERE mac = ANY (%(macs)s::macaddr[])))
UNION ALL
SELECT system_id FROM rack
WHERE (%(system_ids)s::text[] IS NULL OR system_id = ANY (%(system_ids)s))
  AND (%(hostnames)s::text[] IS NULL OR hostname = ANY (%(hostnames)s)) AND %(macs)s::macaddr[] IS NULL;

-- name: site.audit.refuse
-- Something was refused. The same again is counted where it stands for a while, and beyond so many different ones
-- all others together, so that nobody fills the disk. One statement whatever it is: it takes as long for anybody.
WITH recent AS (
    SELECT id, action, actor, address, request FROM audit WHERE tries IS NOT NULL AND at > %(since)s
), room AS (
    SELECT count(*) < %(most)s AS free FROM recent
), known AS (
    SELECT coalesce(max(id) FILTER (WHERE action = %(action)s), max(id)) AS id FROM recent, room
    WHERE (action, actor, address, request) = (%(action)s, %(actor)s, %(address)s, %(request)s)
       OR (action = 'more_refused' AND NOT free)
), counted AS (
    UPDATE audit SET tries = tries + 1, last_at = %(now)s FROM known WHERE audit.id = known.id RETURNING audit.id
)
INSERT INTO audit (at, actor, account_id, source, address, request, action, note, tries, last_at)
SELECT %(now)s, CASE WHEN free THEN %(actor)s ELSE '' END, CASE WHEN free THEN %(account_id)s::bigint END, %(source)s,
       CASE WHEN free THEN %(address)s ELSE '' END, CASE WHEN free THEN %(request)s ELSE '' END,
       CASE WHEN free THEN %(action)s ELSE 'more_refused' END, CASE WHEN free THEN %(note)s ELSE '' END, 1, %(now)s
FROM room WHERE NOT EXISTS (SELECT FROM counted);
