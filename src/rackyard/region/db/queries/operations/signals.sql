-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: operations.signals.add_script
-- A script that a boot will run.
INSERT INTO script_result (boot_id, machine_id, name) VALUES (%(boot_id)s, %(machine_id)s, %(name)s);

-- name: operations.signals.ids
-- The script results of a boot by name.
SELECT id, name FROM script_result WHERE boot_id = %(boot_id)s ORDER BY name;

-- name: operations.signals.started
-- A script began; zero rows when the boot has no such script.
UPDATE script_result SET status = 1, started_at = coalesce(started_at, %(now)s)
WHERE id = %(id)s AND boot_id = %(boot_id)s AND status IN (0, 1);

-- name: operations.signals.exists
-- Whether that script result belongs to that boot.
SELECT name, status FROM script_result WHERE id = %(id)s AND boot_id = %(boot_id)s;

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
