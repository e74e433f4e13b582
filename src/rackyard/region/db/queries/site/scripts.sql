-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.scripts.lock
-- One change of scripts at a time; readers are not held up.
LOCK TABLE script IN SHARE ROW EXCLUSIVE MODE;

-- name: site.scripts.all
-- All uploaded scripts by name, each with the id and the size of what it is now.
SELECT script.id, script.metadata, script.sha256, version.id AS version_id, version.size_bytes
FROM script CROSS JOIN LATERAL (
    SELECT id, octet_length(content) AS size_bytes FROM script_version WHERE script_id = script.id
    ORDER BY id DESC LIMIT 1
) AS version ORDER BY script.name;

-- name: site.scripts.history
-- What scripts have been, the newest first.
SELECT id, script_id, comment, created_at FROM script_version ORDER BY id DESC;

-- name: site.scripts.version
-- What a script was.
SELECT metadata, content FROM script_version WHERE id = %(id)s;

-- name: site.scripts.add
-- A new script.
INSERT INTO script (name, metadata, sha256) VALUES (%(name)s, %(metadata)s::jsonb, %(sha256)s) RETURNING id;

-- name: site.scripts.update
-- What it is now.
UPDATE script SET name = %(name)s, metadata = %(metadata)s::jsonb, sha256 = %(sha256)s WHERE id = %(id)s;

-- name: site.scripts.add_version
-- What a script is from now on.
INSERT INTO script_version (script_id, metadata, content, comment, created_at)
VALUES (%(id)s, %(metadata)s::jsonb, %(content)s, %(comment)s, %(now)s);

-- name: site.scripts.drop_versions
-- Forget what a script was long ago, unless a machine is about to run it.
DELETE FROM script_version WHERE script_id = %(id)s
    AND id NOT IN (SELECT id FROM script_version WHERE script_id = %(id)s ORDER BY id DESC LIMIT %(keep)s)
    AND NOT EXISTS (SELECT 1 FROM script_result WHERE version_id = script_version.id AND status IN (0, 1));

-- name: site.scripts.machines
-- The machines that are about to run a script.
SELECT DISTINCT machine.hostname FROM script_result JOIN machine ON machine.id = script_result.machine_id
JOIN script_version ON script_version.id = script_result.version_id
WHERE script_version.script_id = %(id)s AND script_result.status IN (0, 1) ORDER BY machine.hostname;

-- name: site.scripts.delete
-- Remove a script with its history.
DELETE FROM script WHERE id = %(id)s;
