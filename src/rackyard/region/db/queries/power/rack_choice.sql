-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: power.rack_choice.racks
-- Every unrevoked rack with its addresses and open jobs.
SELECT rack.id, rack.hostname, rack.alive, coalesce(rack.drained_until > now(), false) AS drained,
       (SELECT coalesce(json_agg(json_build_array(name, address::text) ORDER BY name, address), '[]')
        FROM rack_interface WHERE rack_interface.rack_id = rack.id) AS interfaces,
       (SELECT count(*) FROM job WHERE job.rack_id = rack.id AND job.state IN ('queued', 'taken')) AS open_jobs
FROM rack WHERE rack.revoked_at IS NULL ORDER BY rack.hostname;

-- name: power.rack_choice.contacts
-- When racks last reached some BMCs, and when and why they last did not.
SELECT bmc_id, rack_id, succeeded_at, failed_at, error FROM power_contact WHERE bmc_id = ANY (%(bmc_ids)s);

-- name: power.rack_choice.reach
-- How many BMCs each rack reached when it last tried, and how many not.
SELECT rack_id, count(*) FILTER (WHERE reached) AS reached, count(*) FILTER (WHERE NOT reached) AS unreached
FROM power_contact,
     LATERAL (SELECT succeeded_at IS NOT NULL AND (failed_at IS NULL OR succeeded_at > failed_at) AS reached) AS last
GROUP BY rack_id;

-- name: power.rack_choice.failed
-- A rack did not reach a BMC.
INSERT INTO power_contact (bmc_id, rack_id, failed_at, error) VALUES (%(bmc_id)s, %(rack_id)s, %(now)s, %(error)s)
ON CONFLICT (bmc_id, rack_id) DO UPDATE SET failed_at = excluded.failed_at, error = excluded.error;

-- name: power.rack_choice.holding
-- The racks that work on a job for any machine behind some BMCs now.
SELECT DISTINCT machine.bmc_id, job.rack_id FROM job JOIN machine ON machine.id = job.machine_id
WHERE machine.bmc_id = ANY (%(bmc_ids)s) AND job.state = 'taken' AND job.kind <> 'power_probe';
