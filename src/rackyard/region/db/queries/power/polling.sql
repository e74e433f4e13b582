-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: power.polling.due
-- BMCs that nobody asked since a moment. After an authentication error only new credentials change anything.
SELECT machine.id, machine.hostname, machine.bmc_id,
       (SELECT bmc.address FROM bmc WHERE bmc.id = machine.bmc_id) AS power_address
FROM machine
WHERE machine.bmc_id IS NOT NULL AND machine.power_type = ANY (%(types)s::text[]) AND machine.power_error_kind <> 'auth'
  AND machine.status <> 1 AND (machine.power_state_at IS NULL OR machine.power_state_at < %(since)s)
  AND NOT EXISTS (SELECT 1 FROM job WHERE job.machine_id = machine.id AND job.state IN ('queued', 'taken'))
ORDER BY machine.power_state_at NULLS FIRST, machine.id
LIMIT %(limit)s;

-- name: power.polling.count
-- How many BMCs there are to ask.
SELECT count(*) AS count FROM machine WHERE bmc_id IS NOT NULL AND power_type = ANY (%(types)s::text[]);
