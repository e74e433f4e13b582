-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.state.lock
-- A machine, locked until the transaction ends; events may still refer to it.
SELECT id FROM machine WHERE system_id = %(system_id)s FOR NO KEY UPDATE;

-- name: machines.state.lock_by_id
-- The same by the row's id.
SELECT id FROM machine WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: machines.state.read
-- What the rules of commissioning and power look at. Read once the machine is locked: who waited for the lock would see
-- the BMC that the machine had before.
SELECT machine.id, machine.system_id, machine.hostname, machine.architecture, machine.status, machine.status_message,
       machine.previous_status, machine.epoch, machine.power_state, machine.power_error_kind, machine.power_type,
       machine.bmc_id, bmc.address AS power_address, machine.operation_id, machine.boot_id,
       machine.boot_mac::text AS boot_mac, machine.commissioned_at, machine.locked, machine.pool_id, machine.owner_id
FROM machine LEFT JOIN bmc ON bmc.id = machine.bmc_id WHERE machine.id = %(id)s;

-- name: machines.state.subjects
-- What decides who may do something to some machines; in the order of their rows, so that nobody waits in a circle.
SELECT system_id, hostname, status, pool_id, owner_id FROM machine
WHERE system_id = ANY (%(system_ids)s::text[]) ORDER BY id FOR NO KEY UPDATE;

-- name: machines.state.beside
-- The same of the other machines behind a machine's BMC.
SELECT system_id, hostname, status, pool_id, owner_id FROM machine
WHERE bmc_id = (SELECT bmc_id FROM machine WHERE id = %(id)s) AND id <> %(id)s ORDER BY id FOR NO KEY UPDATE;

-- name: machines.state.set_status
-- A new status; the one before is remembered when it really changes.
UPDATE machine
SET previous_status = CASE WHEN status <> %(status)s THEN status ELSE previous_status END,
    status_changed_at = CASE WHEN status <> %(status)s THEN %(now)s ELSE status_changed_at END,
    status = %(status)s, status_message = %(message)s, updated_at = %(now)s, epoch = epoch + %(epochs)s
WHERE id = %(id)s
RETURNING epoch;

-- name: machines.state.set_locked
-- Whether anybody may change the machine.
UPDATE machine SET locked = %(locked)s, updated_at = %(now)s WHERE id = %(id)s;

-- name: machines.state.set_boot
-- The operation and the boot that the machine is in now.
UPDATE machine SET operation_id = %(operation_id)s, boot_id = %(boot_id)s WHERE id = %(id)s;

-- name: machines.state.set_power
-- What a BMC said, or why it could not be asked.
UPDATE machine SET power_state = %(state)s, power_state_at = %(now)s, power_error = %(error)s,
       power_error_kind = %(kind)s, updated_at = %(now)s
WHERE id = %(id)s;

-- name: machines.state.announce
-- Wake whoever waits for this machine.
SELECT pg_notify('rackyard_machines', %(system_id)s);
