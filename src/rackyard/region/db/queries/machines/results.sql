-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.results.of_machine
-- What each script of a machine's boots did, without its words.
SELECT script_result.id, script_result.boot_id, boot.purpose, script_result.name, script_result.status, script_result.exit_status,
       script_result.started_at, script_result.ended_at, script_result.runtime_s, script_result.parameters,
       octet_length(script_result.stdout) + octet_length(script_result.stderr) + octet_length(script_result.output)
           + octet_length(script_result.result) AS output_bytes
FROM script_result JOIN machine ON machine.id = script_result.machine_id JOIN boot ON boot.id = script_result.boot_id
WHERE machine.system_id = %(system_id)s
ORDER BY script_result.boot_id DESC, script_result.name, script_result.instance;

-- name: machines.results.outputs
-- What some scripts said.
SELECT id, output, stdout, stderr, result FROM script_result WHERE id = ANY (%(ids)s);
