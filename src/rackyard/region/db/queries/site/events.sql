-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.events.by_id
-- Some events with the names of what they happened to, newest first.
SELECT event.id, event.machine_id, event.rack_id, event.level, event.type, event.description, event.username,
       event.created_at, coalesce(machine.system_id, rack.system_id) AS system_id,
       coalesce(machine.hostname, rack.hostname) AS hostname,
       CASE WHEN machine.id IS NOT NULL THEN 'machine' WHEN rack.id IS NOT NULL THEN 'rack' END AS node_kind
FROM event
LEFT JOIN machine ON machine.id = event.machine_id
LEFT JOIN rack ON rack.id = event.rack_id
WHERE event.id = ANY (%(ids)s::bigint[])
ORDER BY event.id DESC;

-- name: site.events.newest
-- Ids of the newest events of the whole site before an id, if one is given.
SELECT id FROM event
WHERE level >= %(level)s
  AND (%(usernames)s::text[] IS NULL OR username = ANY (%(usernames)s))
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: site.events.following
-- Ids of the first events of the whole site after an id; none that one with a smaller id might still join.
SELECT id FROM event
WHERE level >= %(level)s
  AND (%(usernames)s::text[] IS NULL OR username = ANY (%(usernames)s))
  AND id > %(after)s AND (%(before)s::bigint IS NULL OR id < %(before)s)
  AND (written_by IS NULL OR written_by < pg_snapshot_xmin(pg_current_snapshot()))
ORDER BY id ASC LIMIT %(limit)s;

-- name: site.events.last_number
-- The highest number that an event or an entry of the audit trail has.
SELECT greatest((SELECT max(id) FROM event), (SELECT max(id) FROM audit), 0) AS id;

-- name: site.events.mark
-- A transaction's own number: those that began to write before have lower ones.
SELECT pg_current_xact_id()::text AS mark;

-- name: site.events.none_before
-- Whether all that began to write before a transaction have ended.
SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %(mark)s::xid8 AS ended;

-- name: site.events.newest_of
-- Ids of the newest events of some machines and racks, by their indexes.
SELECT found.id FROM unnest(%(machine_ids)s::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT event.id FROM event
    WHERE machine_id = wanted.id AND level >= %(level)s
      AND (%(usernames)s::text[] IS NULL OR username = ANY (%(usernames)s))
      AND (%(before)s::bigint IS NULL OR event.id < %(before)s)
    ORDER BY event.id DESC LIMIT %(limit)s) AS found
UNION ALL
SELECT found.id FROM unnest(%(rack_ids)s::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT event.id FROM event
    WHERE rack_id = wanted.id AND machine_id IS NULL AND level >= %(level)s
      AND (%(usernames)s::text[] IS NULL OR username = ANY (%(usernames)s))
      AND (%(before)s::bigint IS NULL OR event.id < %(before)s)
    ORDER BY event.id DESC LIMIT %(limit)s) AS found
ORDER BY id DESC LIMIT %(limit)s;

-- name: site.events.following_of
-- Ids of the first events of some machines and racks after an id.
SELECT found.id FROM unnest(%(machine_ids)s::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT event.id FROM event
    WHERE machine_id = wanted.id AND level >= %(level)s
      AND (%(usernames)s::text[] IS NULL OR username = ANY (%(usernames)s))
      AND event.id > %(after)s AND (%(before)s::bigint IS NULL OR event.id < %(before)s)
      AND (written_by IS NULL OR written_by < pg_snapshot_xmin(pg_current_snapshot()))
    ORDER BY event.id ASC LIMIT %(limit)s) AS found
UNION ALL
SELECT found.id FROM unnest(%(rack_ids)s::bigint[]) AS wanted (id) CROSS JOIN LATERAL (
    SELECT event.id FROM event
    WHERE rack_id = wanted.id AND machine_id IS NULL AND level >= %(level)s
      AND (%(usernames)s::text[] IS NULL OR username = ANY (%(usernames)s))
      AND event.id > %(after)s AND (%(before)s::bigint IS NULL OR event.id < %(before)s)
      AND (written_by IS NULL OR written_by < pg_snapshot_xmin(pg_current_snapshot()))
    ORDER BY event.id ASC LIMIT %(limit)s) AS found
ORDER BY id ASC LIMIT %(limit)s;

-- name: site.events.machines
-- The machines that some filters name; None means any.
SELECT id FROM machine
WHERE (%(system_ids)s::text[] IS NULL OR system_id = ANY (%(system_ids)s))
  AND (%(hostnames)s::text[] IS NULL OR hostname = ANY (%(hostnames)s))
  AND (%(macs)s::macaddr[] IS NULL OR id IN (
        SELECT machine_id FROM machine_interface WHERE mac = ANY (%(macs)s::macaddr[])));

-- name: site.events.racks
-- The racks that some filters name.
SELECT id FROM rack
WHERE (%(system_ids)s::text[] IS NULL OR system_id = ANY (%(system_ids)s))
  AND (%(hostnames)s::text[] IS NULL OR hostname = ANY (%(hostnames)s));

-- name: site.events.record
-- One line of the event log.
INSERT INTO event (machine_id, rack_id, level, type, description, username, created_at)
VALUES (%(machine_id)s, %(rack_id)s, %(level)s, %(type)s, %(description)s, %(username)s, %(now)s);

-- name: site.events.count_of_rack
-- How many events of one type a rack has since a moment.
SELECT count(*) AS count FROM event
WHERE rack_id = %(rack_id)s AND type = %(type)s AND created_at >= %(since)s;

-- name: site.events.count
-- How many events of one type a machine has since a moment.
SELECT count(*) AS count FROM event WHERE machine_id = %(machine_id)s AND type = %(type)s AND created_at >= %(since)s;

-- name: site.events.one_after_the_other
-- Two that would write an event that begins like this do so one after the other. A statement of its own: what the other has
-- committed is seen by the next one only.
SELECT pg_advisory_xact_lock(hashtext(%(begin)s));

-- name: site.events.is_news
-- Whether no such event of the machine began like this since a moment.
SELECT NOT EXISTS (SELECT FROM event WHERE machine_id = %(machine_id)s AND type = %(type)s
                   AND created_at >= %(since)s AND starts_with(description, %(begin)s)) AS news;

-- name: site.events.told_newest
-- Ids of the newest lines of the trail that are in the log: from before there were entries, and of no person's request.
SELECT id FROM event
WHERE level = 0 AND (%(usernames)s::text[] IS NULL OR username = ANY (%(usernames)s))
  AND (%(before)s::bigint IS NULL OR id < %(before)s)
ORDER BY id DESC LIMIT %(limit)s;

-- name: site.events.told_following
-- The first of them after an id.
SELECT id FROM event
WHERE level = 0 AND (%(usernames)s::text[] IS NULL OR username = ANY (%(usernames)s))
  AND id > %(after)s AND (%(before)s::bigint IS NULL OR id < %(before)s)
  AND (written_by IS NULL OR written_by < pg_snapshot_xmin(pg_current_snapshot()))
ORDER BY id ASC LIMIT %(limit)s;
