-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: operations.signals.add_script
-- A script that a boot will run.
INSERT INTO script_result (boot_id, machine_id, name, version_id)
VALUES (%(boot_id)s, %(machine_id)s, %(name)s, %(version_id)s);

-- name: operations.signals.ids
-- The script results of a boot by name, as they were when it began; with what an uploaded script is.
SELECT script_result.id, script_result.name, script_version.metadata, script_version.content
FROM script_result LEFT JOIN script_version ON script_version.id = script_result.version_id
WHERE script_result.boot_id = %(boot_id)s AND script_result.instance = 0 ORDER BY script_result.name;

-- name: operations.signals.instance
-- A script runs for one more device; its row is made when it is first heard of. Nothing when the boot has no such script.
INSERT INTO script_result (boot_id, machine_id, name, version_id, instance, parameters)
SELECT boot_id, machine_id, name, version_id, %(instance)s, %(parameters)s::jsonb FROM script_result
WHERE id = %(id)s AND boot_id = %(boot_id)s
ON CONFLICT (boot_id, name, instance)
DO UPDATE SET parameters = coalesce(nullif(excluded.parameters, '{}'), script_result.parameters)
RETURNING id;

-- name: operations.signals.started
-- A script began; zero rows when the boot has no such script.
UPDATE script_result SET status = 1, started_at = coalesce(started_at, %(now)s)
WHERE id = %(id)s AND boot_id = %(boot_id)s AND status IN (0, 1);

-- name: operations.signals.exists
-- Whether that script result belongs to that boot.
SELECT name, status, version_id IS NOT NULL AS uploaded FROM script_result WHERE id = %(id)s AND boot_id = %(boot_id)s;

-- name: operations.signals.finished
-- A script ended, with everything it wrote.
UPDATE script_result
SET status = %(status)s, exit_status = %(exit_status)s, runtime_s = %(runtime_s)s, ended_at = %(now)s,
    started_at = coalesce(started_at, %(now)s), stdout = %(stdout)s, stderr = %(stderr)s, output = %(output)s,
    result = %(result)s
WHERE id = %(id)s AND boot_id = %(boot_id)s;

-- name: operations.signals.of_boot
-- What the scripts of a boot reported.
SELECT name, status, exit_status, stdout, result FROM script_result WHERE boot_id = %(boot_id)s ORDER BY name;

-- name: operations.signals.abort_open
-- The boot is over: what still ran will not report.
UPDATE script_result SET status = 5, ended_at = %(now)s WHERE boot_id = %(boot_id)s AND status IN (0, 1);
