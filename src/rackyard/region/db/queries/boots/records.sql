-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: boots.records.add
-- A new boot with credentials of its own.
INSERT INTO boot (boot_id, machine_id, operation_id, epoch, purpose, requested_by, requested_at, consumer_key,
                  token_key, token_secret_sha256, token_secret, image_id, rack_id)
VALUES (%(boot_id)s, %(machine_id)s, %(operation_id)s, %(epoch)s, %(purpose)s, %(username)s, %(now)s,
        %(consumer_key)s, %(token_key)s, %(token_secret_sha256)s, %(token_secret)s, %(image_id)s, %(rack_id)s)
RETURNING id;

-- name: boots.records.end
-- The boot is over: its credentials die with it.
UPDATE boot SET ended_at = %(now)s, outcome = %(outcome)s WHERE id = %(id)s AND ended_at IS NULL;

-- name: boots.records.outcome
-- How a boot stands.
SELECT outcome FROM boot WHERE id = %(id)s;

-- name: boots.records.answered
-- Which rack serves the boot, and at which address the machine is, if that is known.
UPDATE boot SET rack_id = %(rack_id)s, client_ip = coalesce(%(client_ip)s, client_ip)
WHERE id = %(id)s
  AND (rack_id, client_ip) IS DISTINCT FROM (%(rack_id)s, coalesce(%(client_ip)s, client_ip));

-- name: boots.records.power_rack
-- Another rack is to switch the machine on; not if the machine is known to be at a rack already.
UPDATE boot SET rack_id = %(rack_id)s
WHERE id = %(id)s AND client_ip IS NULL AND rack_id IS DISTINCT FROM %(rack_id)s;

-- name: boots.records.latest
-- The machine and its latest boot, for the timeline.
SELECT machine.system_id, machine.hostname, machine.boot_mac::text AS boot_mac,
       (SELECT bmc.address FROM bmc WHERE bmc.id = machine.bmc_id) AS power_address, machine.status_message,
       boot.id, boot.boot_id, boot.purpose, boot.outcome, boot.requested_at, boot.ended_at,
       operation.limits, operation.progress_at, (SELECT rack.hostname FROM rack WHERE rack.id = boot.rack_id) AS rack
FROM machine LEFT JOIN LATERAL (
    SELECT * FROM boot WHERE boot.machine_id = machine.id ORDER BY boot.id DESC LIMIT 1
) AS boot ON true LEFT JOIN operation ON operation.id = boot.operation_id
WHERE machine.system_id = %(system_id)s;

-- name: boots.records.running
-- Every boot that still runs, with its machine, for deadlines and overdue steps.
SELECT machine.id AS machine_id, machine.system_id, machine.hostname, machine.status,
       machine.boot_mac::text AS boot_mac, boot.id, boot.boot_id,
       (SELECT bmc.address FROM bmc WHERE bmc.id = machine.bmc_id) AS power_address,
       operation.limits, operation.progress_at, (SELECT rack.hostname FROM rack WHERE rack.id = boot.rack_id) AS rack
FROM boot JOIN machine ON machine.boot_id = boot.id JOIN operation ON operation.id = boot.operation_id
WHERE boot.outcome = 'running';

-- name: boots.records.of_mac
-- The machine with that MAC and its running boot, if it has one.
SELECT machine.id AS machine_id, machine.system_id, machine.hostname, machine.status, machine.architecture,
       boot.id, boot.boot_id, boot.purpose, image.manifest
FROM machine_interface
JOIN machine ON machine.id = machine_interface.machine_id
LEFT JOIN boot ON boot.id = machine.boot_id AND boot.outcome = 'running'
LEFT JOIN image ON image.id = boot.image_id
WHERE machine_interface.mac = %(mac)s::macaddr;

-- name: boots.records.at
-- The boot of the machine with that MAC that was under way at a moment; two seconds for clocks that differ.
SELECT machine.id AS machine_id, machine.system_id, machine.hostname, boot.id, boot.boot_id
FROM machine_interface
JOIN machine ON machine.id = machine_interface.machine_id
JOIN boot ON boot.machine_id = machine.id
WHERE machine_interface.mac = %(mac)s::macaddr
  AND boot.requested_at <= %(at)s + interval '2 seconds'
  AND (boot.ended_at IS NULL OR boot.ended_at >= %(at)s - interval '2 seconds')
ORDER BY boot.id DESC LIMIT 1;

-- name: boots.records.by_public_id
-- A boot by the id on its kernel line, with its machine.
SELECT boot.id, boot.boot_id, boot.outcome, boot.ended_at, boot.consumer_key, boot.token_key, boot.token_secret,
       operation.ends_at AS credentials_expire_at, machine.id AS machine_id, machine.system_id, machine.hostname, machine.boot_id AS current_id
FROM boot JOIN machine ON machine.id = boot.machine_id JOIN operation ON operation.id = boot.operation_id
WHERE boot.boot_id = %(boot_id)s;

-- name: boots.records.by_token
-- A boot by its OAuth token, with its machine.
SELECT boot.id, boot.boot_id, boot.outcome, boot.ended_at, boot.consumer_key, boot.token_key,
       boot.token_secret_sha256, operation.ends_at AS credentials_expire_at, boot.requested_at AS started_at,
       machine.id AS machine_id, machine.system_id, machine.hostname, machine.status
FROM boot JOIN machine ON machine.id = boot.machine_id JOIN operation ON operation.id = boot.operation_id
WHERE boot.token_key = %(token_key)s;

-- name: boots.records.rack_of
-- The rack that serves a boot, or that was chosen to switch it on.
SELECT rack.hostname AS rack FROM boot JOIN rack ON rack.id = boot.rack_id
WHERE boot.id = %(boot_id)s;

-- name: boots.records.at_rack
-- Boots under way whose machines last held addresses in these networks; the newest lease first.
SELECT boot.id, boot.boot_id, operation.ends_at, array_agg(host(lease.ip) ORDER BY lease.at DESC) AS addresses,
       ARRAY(SELECT own.mac::text FROM machine_interface AS own
             WHERE own.machine_id = machine.id AND own.mac IS NOT NULL ORDER BY own.mac)
       AS macs
FROM boot
JOIN operation ON operation.id = boot.operation_id
JOIN machine ON machine.boot_id = boot.id
JOIN machine_interface ON machine_interface.machine_id = machine.id
JOIN lease ON lease.mac = machine_interface.mac
WHERE boot.outcome = 'running' AND operation.ends_at > %(now)s AND lease.ip <<= ANY (%(networks)s::inet[])
  AND (%(boot_id)s::text IS NULL OR boot.boot_id = %(boot_id)s::text)
GROUP BY boot.id, boot.boot_id, operation.ends_at, machine.id ORDER BY boot.id LIMIT %(limit)s;

-- name: boots.records.macs
-- Ethernet addresses of all machines whose boot is under way: those do not boot their disks.
SELECT ARRAY(
    SELECT machine_interface.mac::text FROM boot
    JOIN machine ON machine.boot_id = boot.id
    JOIN machine_interface ON machine_interface.machine_id = machine.id
    WHERE boot.outcome = 'running' AND machine_interface.mac IS NOT NULL ORDER BY machine_interface.mac
) AS macs;
