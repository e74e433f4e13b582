-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.groups.all_zone
-- All zones.
SELECT id, name, description FROM zone ORDER BY id;

-- name: machines.groups.all_pool
-- All resource pools.
SELECT id, name, description FROM resource_pool ORDER BY id;

-- name: machines.groups.add_zone
-- A new zone.
INSERT INTO zone (name, description) VALUES (%(name)s, %(description)s) RETURNING id, name, description;

-- name: machines.groups.add_pool
-- A new resource pool.
INSERT INTO resource_pool (name, description) VALUES (%(name)s, %(description)s) RETURNING id, name, description;

-- name: machines.groups.update_zone
-- What an operator changed.
UPDATE zone SET name = %(name)s, description = %(description)s WHERE id = %(id)s;

-- name: machines.groups.update_pool
-- What an operator changed.
UPDATE resource_pool SET name = %(name)s, description = %(description)s WHERE id = %(id)s;

-- name: machines.groups.delete_zone
-- Remove a zone.
DELETE FROM zone WHERE id = %(id)s;

-- name: machines.groups.delete_pool
-- Remove a resource pool.
DELETE FROM resource_pool WHERE id = %(id)s;

-- name: machines.groups.members_of_zone
-- Host names of the machines in a zone.
SELECT hostname FROM machine WHERE zone_id = %(id)s ORDER BY hostname;

-- name: machines.groups.members_of_pool
-- Host names of the machines in a resource pool.
SELECT hostname FROM machine WHERE pool_id = %(id)s ORDER BY hostname;

-- name: machines.groups.move_zone
-- Every machine of a zone goes to another.
UPDATE machine SET zone_id = %(to)s WHERE zone_id = %(id)s;

-- name: machines.groups.put_in_zone
-- These machines go to a zone; which of them there are.
UPDATE machine SET zone_id = %(id)s, updated_at = %(now)s WHERE system_id = ANY (%(system_ids)s)
RETURNING id, system_id, hostname, locked;

-- name: machines.groups.move_zone_of_racks
-- Every rack of a zone goes to another.
UPDATE rack SET zone_id = %(to)s WHERE zone_id = %(id)s;

-- name: machines.groups.move_zone_of_regions
-- Every region of a zone goes to another.
UPDATE region SET zone_id = %(to)s WHERE zone_id = %(id)s;

-- name: machines.groups.kinds
-- What has these system_ids beside machines, in the order of their rows.
SELECT system_id, 'device' AS kind, id FROM device WHERE system_id = ANY (%(system_ids)s::text[])
UNION ALL SELECT system_id, 'rack', id FROM rack WHERE system_id = ANY (%(system_ids)s::text[]) AND revoked_at IS NULL
UNION ALL SELECT system_id, 'region', id FROM region WHERE system_id = ANY (%(system_ids)s::text[])
ORDER BY kind, id;

-- name: machines.groups.put_device_in_zone
-- This device goes to a zone.
UPDATE device SET zone_id = %(id)s, updated_at = %(now)s WHERE system_id = %(system_id)s;

-- name: machines.groups.put_rack_in_zone
-- This rack goes to a zone.
UPDATE rack SET zone_id = %(id)s WHERE system_id = %(system_id)s AND revoked_at IS NULL;

-- name: machines.groups.put_region_in_zone
-- This region goes to a zone.
UPDATE region SET zone_id = %(id)s WHERE system_id = %(system_id)s;
