-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.tags.all
-- Every tag by name.
SELECT id, name, comment, kernel_opts, definition, definition_fault FROM tag ORDER BY name COLLATE "C";

-- name: machines.tags.find
-- One tag.
SELECT id, name, comment, kernel_opts, definition, definition_fault FROM tag WHERE name = %(name)s;

-- name: machines.tags.lock
-- One tag, locked: what it is called and what it is on changes one after the other. Lock no machine before.
SELECT id, name, comment, kernel_opts, definition, definition_fault FROM tag WHERE name = %(name)s FOR UPDATE;

-- name: machines.tags.unknown
-- Which of these system_ids nothing has.
SELECT DISTINCT given.system_id FROM unnest(%(system_ids)s::text[]) AS given (system_id)
WHERE NOT EXISTS (SELECT 1 FROM machine WHERE machine.system_id = given.system_id)
  AND NOT EXISTS (SELECT 1 FROM device WHERE device.system_id = given.system_id)
  AND NOT EXISTS (SELECT 1 FROM rack WHERE rack.system_id = given.system_id AND rack.revoked_at IS NULL)
  AND NOT EXISTS (SELECT 1 FROM region WHERE region.system_id = given.system_id) ORDER BY given.system_id;

-- name: machines.tags.add
-- A new tag.
INSERT INTO tag (name, comment, kernel_opts) VALUES (%(name)s, %(comment)s, %(kernel_opts)s);

-- name: machines.tags.update
-- What a tag is called and says.
UPDATE tag SET name = %(name)s, comment = %(comment)s, kernel_opts = %(kernel_opts)s WHERE id = %(id)s;

-- name: machines.tags.delete
-- A tag goes, and is on no machine any more.
DELETE FROM tag WHERE id = %(id)s;

-- name: machines.tags.put_on
-- Machines get a tag; each that did not have it has an event.
WITH tagged AS (
    INSERT INTO machine_tag (tag_id, machine_id)
    SELECT %(id)s, machine.id FROM machine WHERE machine.system_id = ANY (%(system_ids)s::text[]) ORDER BY machine.id
    ON CONFLICT DO NOTHING
    RETURNING machine_id
)
INSERT INTO event (machine_id, level, type, description, username, created_at)
SELECT machine_id, 20, 'NODE_TAG_ADDED', %(description)s, %(username)s, %(now)s FROM tagged;

-- name: machines.tags.take_off
-- Machines lose a tag; each that had it has an event.
WITH bare AS (
    DELETE FROM machine_tag USING machine
    WHERE machine_tag.tag_id = %(id)s AND machine.id = machine_tag.machine_id
      AND machine.system_id = ANY (%(system_ids)s::text[])
    RETURNING machine_tag.machine_id
)
INSERT INTO event (machine_id, level, type, description, username, created_at)
SELECT machine_id, 20, 'NODE_TAG_REMOVED', %(description)s, %(username)s, %(now)s FROM bare;

-- name: machines.tags.put_on_devices
-- Devices get a tag.
INSERT INTO device_tag (tag_id, device_id)
SELECT %(id)s, device.id FROM device WHERE device.system_id = ANY (%(system_ids)s::text[]) ORDER BY device.id
ON CONFLICT DO NOTHING;

-- name: machines.tags.take_off_devices
-- Devices lose a tag.
DELETE FROM device_tag USING device
WHERE device_tag.tag_id = %(id)s AND device.id = device_tag.device_id
  AND device.system_id = ANY (%(system_ids)s::text[]);

-- name: machines.tags.put_on_racks
-- Racks get a tag.
INSERT INTO rack_tag (tag_id, rack_id)
SELECT %(id)s, rack.id FROM rack WHERE rack.system_id = ANY (%(system_ids)s::text[]) AND rack.revoked_at IS NULL ORDER BY rack.id
ON CONFLICT DO NOTHING;

-- name: machines.tags.take_off_racks
-- Racks lose a tag.
DELETE FROM rack_tag USING rack
WHERE rack_tag.tag_id = %(id)s AND rack.id = rack_tag.rack_id AND rack.system_id = ANY (%(system_ids)s::text[]);

-- name: machines.tags.put_on_regions
-- Regions get a tag.
INSERT INTO region_tag (tag_id, region_id)
SELECT %(id)s, region.id FROM region WHERE region.system_id = ANY (%(system_ids)s::text[]) ORDER BY region.id
ON CONFLICT DO NOTHING;

-- name: machines.tags.take_off_regions
-- Regions lose a tag.
DELETE FROM region_tag USING region
WHERE region_tag.tag_id = %(id)s AND region.id = region_tag.region_id AND region.system_id = ANY (%(system_ids)s::text[]);

-- name: machines.tags.kernel_opts
-- What the tags of a machine add to its kernel line, by the tags' names.
SELECT tag.kernel_opts FROM machine_tag JOIN tag ON tag.id = machine_tag.tag_id
WHERE machine_tag.machine_id = %(machine_id)s AND tag.kernel_opts <> '' ORDER BY tag.name COLLATE "C";
