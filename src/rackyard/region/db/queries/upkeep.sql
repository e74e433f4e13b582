-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: upkeep.lead
-- Try to become the one worker that does what must be done once; held as long as the connection lives.
SELECT pg_try_advisory_lock(hashtext('rackyard worker')) AS leading;

-- name: upkeep.past_deadline
-- Machines whose state should have ended.
SELECT machine.id, machine.system_id FROM machine WHERE deadline_at < %(now)s ORDER BY deadline_at LIMIT 100;

-- name: upkeep.rack_of_boot
-- The rack that serves a boot, or that got its first job.
SELECT rack.hostname AS rack FROM boot JOIN rack ON rack.id = coalesce(boot.rack_id,
    (SELECT job.rack_id FROM job WHERE job.boot_id = boot.id ORDER BY job.id LIMIT 1))
WHERE boot.id = %(boot_id)s;

-- name: upkeep.dead_racks
-- Racks that were not heard of since a moment are dead; their names leave the DNS by the trigger's notice.
UPDATE rack SET alive = false WHERE alive AND (last_seen_at IS NULL OR last_seen_at < %(since)s)
RETURNING id, hostname, last_seen_at;

-- name: upkeep.power_due
-- BMCs that nobody asked since a moment. After an authentication error only new credentials change anything.
SELECT machine.id, machine.system_id FROM machine
WHERE machine.power_type = 'ipmi' AND machine.power_address IS NOT NULL AND machine.power_error_kind <> 'auth'
  AND machine.status <> 1 AND (machine.power_state_at IS NULL OR machine.power_state_at < %(since)s)
  AND NOT EXISTS (SELECT 1 FROM job WHERE job.machine_id = machine.id AND job.state IN ('queued', 'taken'))
ORDER BY machine.power_state_at NULLS FIRST, machine.id
LIMIT %(limit)s;

-- name: upkeep.power_count
-- How many BMCs there are to ask.
SELECT count(*) AS count FROM machine WHERE power_type = 'ipmi' AND power_address IS NOT NULL;

-- name: upkeep.delete_tokens
-- Enrolment tokens that ended before a moment.
DELETE FROM enroll_token WHERE expires_at < %(before)s;

-- name: upkeep.delete_receipts
-- Receipts of deliveries before a moment.
DELETE FROM receipt WHERE received_at < %(before)s;

-- name: upkeep.delete_region_processes
-- Region processes that have not beaten since a moment.
DELETE FROM region_process WHERE heartbeat_at < %(before)s;

-- name: upkeep.delete_leases
-- Leases that ended before a moment.
DELETE FROM lease WHERE coalesce(expires_at, at) < %(before)s AND (expires_at IS NOT NULL OR state <> 'commit');
