-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.definitions.keep_document
-- What lshw said of a machine, in place of what it said before.
INSERT INTO machine_lshw (machine_id, document, received_at) VALUES (%(machine_id)s, %(document)s, %(now)s)
ON CONFLICT (machine_id) DO UPDATE
SET document = excluded.document, received_at = excluded.received_at, version = machine_lshw.version + 1, pending = true;

-- name: machines.definitions.document_of
-- What lshw said of a machine; no row for no machine, NULL where nothing was said.
SELECT machine_lshw.document FROM machine LEFT JOIN machine_lshw ON machine_lshw.machine_id = machine.id
WHERE machine.system_id = %(system_id)s;

-- name: machines.definitions.defined
-- The definitions that are evaluated, and where those are that are not through with all machines.
SELECT id, definition, evaluated_to FROM tag WHERE definition <> '' AND definition_fault = '' ORDER BY id;

-- name: machines.definitions.new_documents
-- Documents that came, no more of them than fit in so many bytes, but one in any case.
SELECT machine_lshw.machine_id, machine_lshw.version, machine_lshw.document
FROM (SELECT machine_id, sum(octet_length(document)) OVER (ORDER BY machine_id) AS up_to, row_number() OVER (ORDER BY machine_id) AS n
      FROM (SELECT machine_id, document FROM machine_lshw WHERE pending ORDER BY machine_id LIMIT %(limit)s) AS first) AS chosen
JOIN machine_lshw USING (machine_id)
WHERE chosen.n = 1 OR chosen.up_to <= %(bytes)s ORDER BY machine_id;

-- name: machines.definitions.next_documents
-- The same of the documents of machines after one.
SELECT machine_lshw.machine_id, machine_lshw.version, machine_lshw.document
FROM (SELECT machine_id, sum(octet_length(document)) OVER (ORDER BY machine_id) AS up_to, row_number() OVER (ORDER BY machine_id) AS n
      FROM (SELECT machine_id, document FROM machine_lshw WHERE machine_id > %(after)s ORDER BY machine_id LIMIT %(limit)s) AS first
     ) AS chosen
JOIN machine_lshw USING (machine_id)
WHERE chosen.n = 1 OR chosen.up_to <= %(bytes)s ORDER BY machine_id;

-- name: machines.definitions.lock_tags
-- Tags, locked before any machine, in the order of their rows: as everywhere where both are locked.
SELECT id, name, definition, evaluated_to FROM tag WHERE id = ANY (%(ids)s::bigint[]) ORDER BY id FOR NO KEY UPDATE;

-- name: machines.definitions.lock_machines
-- Machines that stay until the transaction ends, and that said nothing else since.
SELECT machine.id
FROM unnest(%(ids)s::bigint[], %(versions)s::bigint[]) AS seen (id, version)
JOIN machine ON machine.id = seen.id
JOIN machine_lshw ON machine_lshw.machine_id = seen.id AND machine_lshw.version = seen.version
ORDER BY machine.id FOR KEY SHARE OF machine;

-- name: machines.definitions.put_on
-- Machines get tags by their definitions; each that did not have it has an event.
WITH given AS (
    SELECT * FROM unnest(%(tag_ids)s::bigint[], %(machine_ids)s::bigint[]) AS pair (tag_id, machine_id)
), tagged AS (
    INSERT INTO machine_tag (tag_id, machine_id) SELECT tag_id, machine_id FROM given ORDER BY machine_id, tag_id
    ON CONFLICT DO NOTHING
    RETURNING tag_id, machine_id
)
INSERT INTO event (machine_id, level, type, description, username, created_at)
SELECT machine_id, 20, 'NODE_TAG_ADDED', 'tag ' || tag.name || ' was added by its definition', '', %(now)s
FROM tagged JOIN tag ON tag.id = tag_id ORDER BY machine_id, tag_id;

-- name: machines.definitions.take_off
-- Machines lose tags by their definitions; each that had it has an event.
WITH given AS (
    SELECT * FROM unnest(%(tag_ids)s::bigint[], %(machine_ids)s::bigint[]) AS pair (tag_id, machine_id)
), bare AS (
    DELETE FROM machine_tag USING given
    WHERE machine_tag.tag_id = given.tag_id AND machine_tag.machine_id = given.machine_id
    RETURNING machine_tag.tag_id, machine_tag.machine_id
)
INSERT INTO event (machine_id, level, type, description, username, created_at)
SELECT machine_id, 20, 'NODE_TAG_REMOVED', 'tag ' || tag.name || ' was removed by its definition', '', %(now)s
FROM bare JOIN tag ON tag.id = tag_id ORDER BY machine_id, tag_id;

-- name: machines.definitions.advance
-- Definitions have seen the machines up to one, NULL for all; none that was changed or is elsewhere meanwhile.
UPDATE tag SET evaluated_to = %(evaluated_to)s
WHERE id = ANY (%(ids)s::bigint[]) AND evaluated_to IS NOT DISTINCT FROM %(after)s;

-- name: machines.definitions.seen
-- All definitions have been evaluated for these documents, if nothing newer came.
UPDATE machine_lshw SET pending = false
FROM unnest(%(ids)s::bigint[], %(versions)s::bigint[]) AS seen (id, version)
WHERE machine_lshw.machine_id = seen.id AND machine_lshw.version = seen.version;

-- name: machines.definitions.give_up
-- A definition cannot be evaluated: it is not tried again before somebody changes it or asks for it.
UPDATE tag SET definition_fault = %(fault)s, evaluated_to = NULL WHERE id = %(id)s;

-- name: machines.definitions.define
-- A tag's definition, to be evaluated for all machines; of an empty one nothing is left to do.
UPDATE tag SET definition = %(definition)s, definition_fault = '',
       evaluated_to = CASE WHEN %(definition)s <> '' THEN 0 END
WHERE id = %(id)s;

-- name: machines.definitions.take_off_others
-- Machines of which lshw has said nothing lose a tag that has a definition.
WITH bare AS (
    DELETE FROM machine_tag
    WHERE tag_id = %(id)s AND NOT EXISTS (SELECT 1 FROM machine_lshw WHERE machine_lshw.machine_id = machine_tag.machine_id)
    RETURNING machine_id
)
INSERT INTO event (machine_id, level, type, description, username, created_at)
SELECT machine_id, 20, 'NODE_TAG_REMOVED', %(description)s, %(username)s, %(now)s FROM bare ORDER BY machine_id;

-- name: machines.definitions.take_off_devices
-- Devices are never commissioned, and lose a tag that has a definition.
DELETE FROM device_tag WHERE tag_id = %(id)s;
