-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.events.select
-- Events that match every given filter, newest first.
SELECT event.id, event.machine_id, event.rack_id, event.level, event.type, event.description, event.username,
       event.created_at, coalesce(machine.system_id, rack.system_id) AS system_id,
       coalesce(machine.hostname, rack.hostname) AS hostname
FROM event
LEFT JOIN machine ON machine.id = event.machine_id
LEFT JOIN rack ON rack.id = event.rack_id
WHERE event.level >= %(level)s
  AND (%(before)s::bigint IS NULL OR event.id < %(before)s)
  AND (%(after)s::bigint IS NULL OR event.id > %(after)s)
  AND (%(system_ids)s::text[] IS NULL OR coalesce(machine.system_id, rack.system_id) = ANY (%(system_ids)s))
  AND (%(hostnames)s::text[] IS NULL OR coalesce(machine.hostname, rack.hostname) = ANY (%(hostnames)s))
  AND (%(usernames)s::text[] IS NULL OR event.username = ANY (%(usernames)s))
  AND (%(macs)s::macaddr[] IS NULL OR event.machine_id IN (
        SELECT machine_id FROM machine_interface WHERE mac = ANY (%(macs)s::macaddr[])))
ORDER BY event.id DESC
LIMIT %(limit)s;

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
