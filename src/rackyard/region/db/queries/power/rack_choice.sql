-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: power.rack_choice.candidates
-- Every unrevoked rack with what the choice of a rack for a BMC weighs.
SELECT rack.id, rack.hostname, rack.alive,
       (SELECT coalesce(json_agg(json_build_array(name, address::text) ORDER BY name, address), '[]')
        FROM rack_interface WHERE rack_interface.rack_id = rack.id) AS interfaces,
       (SELECT count(*) FROM job WHERE job.rack_id = rack.id AND job.state IN ('queued', 'taken')) AS open_jobs,
       EXISTS (SELECT 1 FROM job WHERE job.rack_id = rack.id AND job.machine_id = %(machine_id)s AND job.state = 'taken') AS holds,
       (SELECT max(finished_at) FROM job
        JOIN machine ON machine.id = job.machine_id
        WHERE job.rack_id = rack.id AND job.state = 'done' AND machine.power_address = %(bmc)s::inet) AS last_success_at
FROM rack WHERE rack.revoked_at IS NULL ORDER BY rack.hostname;
