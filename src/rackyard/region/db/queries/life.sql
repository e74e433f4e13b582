-- SPDX-License-Identifier: GPL-3.0-or-later
-- The life of a machine: state, boots, steps, leases, reports.

-- name: life.lock_machine
-- What the rules of commissioning and power look at, locked until the transaction ends; events may still refer to it.
SELECT id, system_id, hostname, architecture, status, status_message, previous_status, epoch, power_state,
       power_error_kind, power_type, host(power_address) AS power_address, boot_id, boot_mac::text AS boot_mac,
       deadline_at, commissioned_at
FROM machine WHERE system_id = %(system_id)s FOR NO KEY UPDATE;

-- name: life.lock_machine_by_id
-- The same by the row's id.
SELECT id, system_id, hostname, architecture, status, status_message, previous_status, epoch, power_state,
       power_error_kind, power_type, host(power_address) AS power_address, boot_id, boot_mac::text AS boot_mac,
       deadline_at, commissioned_at
FROM machine WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: life.set_status
-- A new status; the one before is remembered when it really changes.
UPDATE machine
SET previous_status = CASE WHEN status <> %(status)s THEN status ELSE previous_status END,
    status = %(status)s, status_message = %(message)s, status_changed_at = %(now)s, updated_at = %(now)s,
    epoch = epoch + %(epochs)s, deadline_at = %(deadline_at)s
WHERE id = %(id)s
RETURNING epoch;

-- name: life.set_boot
-- The boot that the machine is in now.
UPDATE machine SET boot_id = %(boot_id)s WHERE id = %(id)s;

-- name: life.set_power
-- What a BMC said, or why it could not be asked.
UPDATE machine SET power_state = %(state)s, power_state_at = %(now)s, power_error = %(error)s,
       power_error_kind = %(kind)s, updated_at = %(now)s
WHERE id = %(id)s;

-- name: life.boot_interfaces
-- Name and MAC of the machine's interfaces, the one it boots from first.
SELECT mac::text AS mac, is_boot FROM machine_interface WHERE machine_id = %(id)s ORDER BY is_boot DESC, id;

-- name: life.dhcp_vlans
-- How many VLANs have DHCP on, a primary rack that lives, and a dynamic range.
SELECT count(DISTINCT vlan.id) AS serving
FROM vlan JOIN rack ON rack.id = vlan.primary_rack_id JOIN subnet ON subnet.vlan_id = vlan.id
JOIN ip_range ON ip_range.subnet_id = subnet.id AND ip_range.type = 'dynamic'
WHERE vlan.dhcp_on AND rack.alive AND subnet.managed;

-- name: life.default_image
-- The image that machines of that architecture boot.
SELECT id, name, arch, manifest FROM image WHERE arch = %(arch)s AND is_default;

-- name: life.add_boot
-- A new boot with credentials of its own.
INSERT INTO boot (boot_id, machine_id, epoch, purpose, requested_by, requested_at, consumer_key, token_key,
                  token_secret_sha256, token_secret, credentials_expire_at, image_id)
VALUES (%(boot_id)s, %(machine_id)s, %(epoch)s, 'commissioning', %(username)s, %(now)s, %(consumer_key)s,
        %(token_key)s, %(token_secret_sha256)s, %(token_secret)s, %(expires_at)s, %(image_id)s)
RETURNING id;

-- name: life.end_boot
-- The boot is over: its credentials die with it.
UPDATE boot SET ended_at = %(now)s, outcome = %(outcome)s WHERE id = %(id)s AND ended_at IS NULL;

-- name: life.boot_outcome
-- How a boot stands.
SELECT outcome FROM boot WHERE id = %(id)s;

-- name: life.boot_answered
-- Which rack serves the boot, and at which address the machine is.
UPDATE boot SET rack_id = %(rack_id)s, client_ip = %(client_ip)s WHERE id = %(id)s;

-- name: life.record_step
-- Evidence for a step; the first one counts.
INSERT INTO boot_step (boot_id, step, by_whom, at, outcome, detail)
VALUES (%(boot_id)s, %(step)s, %(by_whom)s, %(at)s, %(outcome)s, %(detail)s)
ON CONFLICT (boot_id, step) DO NOTHING;

-- name: life.steps
-- The recorded steps of a boot.
SELECT step, by_whom, at, outcome, detail FROM boot_step WHERE boot_id = %(boot_id)s ORDER BY step;

-- name: life.latest_boot
-- The machine and its latest boot, for the timeline.
SELECT machine.system_id, machine.hostname, machine.boot_mac::text AS boot_mac,
       host(machine.power_address) AS power_address, machine.status_message,
       boot.id, boot.boot_id, boot.purpose, boot.outcome, boot.requested_at, boot.ended_at,
       (SELECT rack.hostname FROM rack WHERE rack.id = coalesce(boot.rack_id,
            (SELECT job.rack_id FROM job WHERE job.boot_id = boot.id ORDER BY job.id LIMIT 1))) AS rack
FROM machine LEFT JOIN LATERAL (
    SELECT * FROM boot WHERE boot.machine_id = machine.id ORDER BY boot.id DESC LIMIT 1
) AS boot ON true
WHERE machine.system_id = %(system_id)s;

-- name: life.running_boots
-- Every boot that still runs, with its machine, for deadlines and overdue steps.
SELECT machine.id AS machine_id, machine.system_id, machine.hostname, machine.status, machine.deadline_at,
       machine.boot_mac::text AS boot_mac, host(machine.power_address) AS power_address, boot.id, boot.boot_id,
       (SELECT rack.hostname FROM rack WHERE rack.id = coalesce(boot.rack_id,
            (SELECT job.rack_id FROM job WHERE job.boot_id = boot.id ORDER BY job.id LIMIT 1))) AS rack
FROM boot JOIN machine ON machine.boot_id = boot.id
WHERE boot.outcome = 'running';

-- name: life.boot_of_mac
-- The machine with that MAC and its running boot, if it has one.
SELECT machine.id AS machine_id, machine.system_id, machine.hostname, machine.status, machine.architecture,
       boot.id, boot.boot_id, boot.purpose, image.manifest
FROM machine_interface
JOIN machine ON machine.id = machine_interface.machine_id
LEFT JOIN boot ON boot.id = machine.boot_id AND boot.outcome = 'running'
LEFT JOIN image ON image.id = boot.image_id
WHERE machine_interface.mac = %(mac)s::macaddr;

-- name: life.boot_at
-- The boot of the machine with that MAC that was under way at a moment; two seconds for clocks that differ.
SELECT machine.id AS machine_id, machine.system_id, machine.hostname, boot.id, boot.boot_id
FROM machine_interface
JOIN machine ON machine.id = machine_interface.machine_id
JOIN boot ON boot.machine_id = machine.id
WHERE machine_interface.mac = %(mac)s::macaddr
  AND boot.requested_at <= %(at)s + interval '2 seconds'
  AND (boot.ended_at IS NULL OR boot.ended_at >= %(at)s - interval '2 seconds')
ORDER BY boot.id DESC LIMIT 1;

-- name: life.lease_of_ip
-- Who holds an address.
SELECT mac::text AS mac, at FROM lease
WHERE ip = %(ip)s::inet AND state = 'commit' AND (expires_at IS NULL OR expires_at > %(now)s);

-- name: life.holder_of_ip
-- Who had an address last, be the lease over or not: for reports that arrive late.
SELECT mac::text AS mac FROM lease WHERE ip = %(ip)s::inet;

-- name: life.put_lease
-- A lease event; an older one never replaces a newer one, and an end counts only for the same MAC.
INSERT INTO lease (ip, mac, rack_id, subnet_id, state, at, expires_at)
VALUES (%(ip)s, %(mac)s, %(rack_id)s, (SELECT id FROM subnet WHERE cidr >>= %(ip)s::inet), %(state)s, %(at)s,
        %(expires_at)s)
ON CONFLICT (ip) DO UPDATE
SET mac = excluded.mac, rack_id = excluded.rack_id, subnet_id = excluded.subnet_id, state = excluded.state,
    at = excluded.at, expires_at = excluded.expires_at
WHERE lease.at <= excluded.at AND (excluded.state = 'commit' OR lease.mac = excluded.mac);

-- name: life.announce
-- Wake whoever waits for this machine.
SELECT pg_notify('rackyard_machines', %(system_id)s);

-- name: life.boot_by_public_id
-- A boot by the id on its kernel line, with its machine.
SELECT boot.id, boot.boot_id, boot.outcome, boot.ended_at, boot.consumer_key, boot.token_key, boot.token_secret,
       boot.credentials_expire_at, machine.id AS machine_id, machine.system_id, machine.hostname, machine.boot_id AS current_id
FROM boot JOIN machine ON machine.id = boot.machine_id
WHERE boot.boot_id = %(boot_id)s;

-- name: life.boot_by_token
-- A boot by its OAuth token, with its machine.
SELECT boot.id, boot.boot_id, boot.outcome, boot.ended_at, boot.consumer_key, boot.token_key,
       boot.token_secret_sha256, boot.credentials_expire_at, boot.requested_at AS started_at,
       machine.id AS machine_id, machine.system_id, machine.hostname, machine.status
FROM boot JOIN machine ON machine.id = boot.machine_id
WHERE boot.token_key = %(token_key)s;

-- name: life.machine_macs
-- The MACs of a machine.
SELECT mac::text AS mac FROM machine_interface WHERE machine_id = %(id)s;

-- name: life.subnet_of
-- The managed subnet that contains an address.
SELECT id, cidr::text AS cidr FROM subnet WHERE cidr >>= %(ip)s::inet AND managed;

-- name: life.record_event
-- One line of the event log.
INSERT INTO event (machine_id, rack_id, level, type, description, username, created_at)
VALUES (%(machine_id)s, %(rack_id)s, %(level)s, %(type)s, %(description)s, %(username)s, %(now)s);
