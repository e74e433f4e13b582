-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: power.bmcs.of_machines
-- How some machines are powered.
SELECT machine.id AS machine_id, machine.power_type AS type, machine.power_parameters AS own, machine.bmc_id,
       bmc.address, bmc.port, coalesce(bmc.parameters, '{}') AS parameters,
       coalesce(bmc.secrets <> '{}', false) AS has_secrets
FROM machine LEFT JOIN bmc ON bmc.id = machine.bmc_id
WHERE machine.id = ANY (%(machine_ids)s::bigint[]);

-- name: power.bmcs.owner
-- The machine that has this slot of the BMC at a place.
SELECT machine.system_id, machine.hostname FROM bmc JOIN machine ON machine.bmc_id = bmc.id
WHERE bmc.type = %(type)s AND bmc.address = %(address)s AND bmc.port IS NOT DISTINCT FROM %(port)s::integer
  AND machine.bmc_slot = %(slot)s;

-- name: power.bmcs.store
-- The BMC at a place, with its settings; what is not given stays, and the secrets of another place of the same BMC
-- come along. Locked until the transaction ends.
INSERT INTO bmc (type, address, port, parameters, secrets)
VALUES (%(type)s, %(address)s, %(port)s, %(parameters)s,
        coalesce((SELECT bmc.secrets FROM bmc WHERE bmc.id = %(same_as)s), '{}') || %(secrets)s::jsonb)
ON CONFLICT ON CONSTRAINT bmc_place_key
DO UPDATE SET parameters = bmc.parameters || excluded.parameters, secrets = bmc.secrets || %(secrets)s::jsonb
RETURNING id;

-- name: power.bmcs.attach
-- How a machine is powered, and which BMC it is behind, if any.
UPDATE machine
SET power_type = %(type)s, bmc_id = %(bmc_id)s, bmc_slot = %(slot)s, power_parameters = %(parameters)s
WHERE id = %(machine_id)s;

-- name: power.bmcs.lock
-- A BMC, locked: whoever puts a machine behind it now waits.
SELECT id FROM bmc WHERE id = %(id)s FOR UPDATE;

-- name: power.bmcs.drop_unused
-- No machine is behind it any more. It is locked before, so that this statement sees the latest machine.
DELETE FROM bmc WHERE id = %(id)s AND NOT EXISTS (SELECT FROM machine WHERE machine.bmc_id = bmc.id);

-- name: power.bmcs.forget_power_error
-- New power settings: the BMC may be asked again.
UPDATE machine
SET power_state = 'unknown', power_state_at = NULL, power_error = '', power_error_kind = ''
WHERE id = %(machine_id)s AND power_error_kind <> '';
