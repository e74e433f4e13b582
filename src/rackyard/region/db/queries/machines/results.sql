-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.results.of_machine
-- What each script of a machine's boots did, without its words.
SELECT script_result.id, script_result.boot_id, script_result.name, script_result.status, script_result.exit_status,
       script_result.started_at, script_result.ended_at, script_result.runtime_s
FROM script_result JOIN machine ON machine.id = script_result.machine_id
WHERE machine.system_id = %(system_id)s
ORDER BY script_result.boot_id DESC, script_result.name;

-- name: machines.results.of_machine_with_output
-- What each script of a machine's boots did and said.
SELECT script_result.id, script_result.boot_id, script_result.name, script_result.status, script_result.exit_status,
       script_result.started_at, script_result.ended_at, script_result.runtime_s, script_result.output,
       script_result.stdout, script_result.stderr, script_result.result
FROM script_result JOIN machine ON machine.id = script_result.machine_id
WHERE machine.system_id = %(system_id)s
ORDER BY script_result.boot_id DESC, script_result.name;
