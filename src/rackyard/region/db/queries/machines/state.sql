-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.state.lock
-- What the rules of commissioning and power look at, locked until the transaction ends; events may still refer to it.
SELECT id, system_id, hostname, architecture, status, status_message, previous_status, epoch, power_state,
       power_error_kind, power_type, host(power_address) AS power_address, operation_id, boot_id,
       boot_mac::text AS boot_mac, commissioned_at
FROM machine WHERE system_id = %(system_id)s FOR NO KEY UPDATE;

-- name: machines.state.lock_by_id
-- The same by the row's id.
SELECT id, system_id, hostname, architecture, status, status_message, previous_status, epoch, power_state,
       power_error_kind, power_type, host(power_address) AS power_address, operation_id, boot_id,
       boot_mac::text AS boot_mac, commissioned_at
FROM machine WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: machines.state.set_status
-- A new status; the one before is remembered when it really changes.
UPDATE machine
SET previous_status = CASE WHEN status <> %(status)s THEN status ELSE previous_status END,
    status_changed_at = CASE WHEN status <> %(status)s THEN %(now)s ELSE status_changed_at END,
    status = %(status)s, status_message = %(message)s, updated_at = %(now)s, epoch = epoch + %(epochs)s
WHERE id = %(id)s
RETURNING epoch;

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
