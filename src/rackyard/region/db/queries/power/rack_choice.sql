-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: power.rack_choice.racks
-- Every unrevoked rack with its addresses and open jobs.
SELECT rack.id, rack.hostname, rack.alive,
       (SELECT coalesce(json_agg(json_build_array(name, address::text) ORDER BY name, address), '[]')
        FROM rack_interface WHERE rack_interface.rack_id = rack.id) AS interfaces,
       (SELECT count(*) FROM job WHERE job.rack_id = rack.id AND job.state IN ('queued', 'taken')) AS open_jobs
FROM rack WHERE rack.revoked_at IS NULL ORDER BY rack.hostname;

-- name: power.rack_choice.contacts
-- When racks last reached some BMCs.
SELECT bmc_id, rack_id, succeeded_at FROM power_contact WHERE bmc_id = ANY (%(bmc_ids)s);

-- name: power.rack_choice.holding
-- The racks that work on a job for a machine now.
SELECT rack_id FROM job WHERE machine_id = %(machine_id)s AND state = 'taken';
