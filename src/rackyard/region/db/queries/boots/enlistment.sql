-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: boots.enlistment.asker
-- How machines enlist in the managed subnet of an address, whether anybody has the MAC, and whether it has the address.
SELECT subnet.id AS subnet_id, subnet.cidr::text AS cidr, subnet.enlistment AS mode,
       EXISTS (SELECT FROM machine_interface WHERE mac = %(mac)s::macaddr OR virtual_mac = %(mac)s::macaddr)
       OR EXISTS (SELECT FROM device_interface WHERE mac = %(mac)s::macaddr)
       OR EXISTS (SELECT FROM rack_interface WHERE mac = %(mac)s::macaddr) AS is_known,
       lease.mac::text AS holder
FROM subnet
LEFT JOIN lease ON lease.ip = %(ip)s::inet AND lease.state = 'commit'
                AND (lease.expires_at IS NULL OR lease.expires_at > %(now)s)
WHERE subnet.cidr >>= %(ip)s::inet AND subnet.managed AND subnet.enlistment <> 'off';

-- name: boots.enlistment.latest
-- What a MAC tried last.
SELECT boot_id, host(address) AS address, outcome, requested_at, ends_at FROM enlistment
WHERE mac = %(mac)s::macaddr ORDER BY id DESC LIMIT 1;

-- name: boots.enlistment.try_alone
-- One new enlistment at a time; whoever comes meanwhile does not wait.
SELECT pg_try_advisory_xact_lock(hashtext('rackyard enlistment')) AS alone;

-- name: boots.enlistment.tidy
-- Forget what nothing came of: what ran out or failed before a moment, and contradictions before another one.
DELETE FROM enlistment
WHERE machine_id IS NULL AND coalesce(ended_at, ends_at)
      < CASE outcome WHEN 'contradiction' THEN %(contradictions)s ELSE %(before)s::timestamptz END;

-- name: boots.enlistment.counts
-- How many boots are open in a subnet, how many of its machines nobody has accepted, and how many of all there are.
SELECT count(*) FILTER (WHERE subnet_id = %(subnet_id)s AND outcome = 'running' AND ends_at > %(now)s) AS open,
       count(*) FILTER (WHERE subnet_id = %(subnet_id)s AND machine_id IS NOT NULL) AS unaccepted,
       count(*) AS everywhere
FROM enlistment WHERE accepted_at IS NULL;

-- name: boots.enlistment.add
-- A machine may describe itself.
INSERT INTO enlistment (boot_id, mac, address, subnet_id, rack_id, commission, consumer_key, token_key,
                        token_secret_sha256, token_secret, requested_at, ends_at)
VALUES (%(boot_id)s, %(mac)s, %(address)s, %(subnet_id)s, %(rack_id)s, %(commission)s, %(consumer_key)s, %(token_key)s,
        %(token_secret_sha256)s, %(token_secret)s, %(now)s, %(ends_at)s)
RETURNING id;

-- name: boots.enlistment.add_script
-- A script that it will run.
INSERT INTO enlistment_result (enlistment_id, name) VALUES (%(enlistment_id)s, %(name)s);

-- name: boots.enlistment.image
-- What machines of an architecture boot that name no suite.
SELECT manifest FROM image WHERE arch = %(arch)s AND is_default;

-- name: boots.enlistment.by_boot
-- An enlistment by the id on its kernel line.
SELECT enlistment.id, enlistment.boot_id, enlistment.mac::text AS mac, host(enlistment.address) AS address,
       enlistment.subnet_id, enlistment.commission, enlistment.outcome, enlistment.consumer_key, enlistment.token_key,
       enlistment.token_secret_sha256, enlistment.requested_at AS started_at, enlistment.ended_at,
       enlistment.ends_at AS credentials_expire_at, subnet.cidr::text AS cidr, enlistment.token_secret
FROM enlistment JOIN subnet ON subnet.id = enlistment.subnet_id WHERE enlistment.boot_id = %(boot_id)s;

-- name: boots.enlistment.boot_of_token
-- Which boot has that OAuth token.
SELECT boot_id FROM enlistment WHERE token_key = %(token_key)s;

-- name: boots.enlistment.holder
-- Who had an address last.
SELECT mac::text AS holder FROM lease WHERE ip = %(ip)s::inet;

-- name: boots.enlistment.lock
-- One call about an enlistment at a time; how it stands.
SELECT outcome FROM enlistment WHERE id = %(id)s FOR UPDATE;

-- name: boots.enlistment.results
-- What its scripts printed.
SELECT id, name, status, stdout FROM enlistment_result WHERE enlistment_id = %(id)s ORDER BY name;

-- name: boots.enlistment.printed
-- How many bytes its scripts have printed, without one of them.
SELECT coalesce(sum(length(stdout)), 0) AS size_bytes FROM enlistment_result
WHERE enlistment_id = %(id)s AND id <> %(result_id)s;

-- name: boots.enlistment.store
-- What a script of this enlistment printed; the first word counts.
UPDATE enlistment_result SET status = %(status)s, stdout = %(stdout)s
WHERE id = %(result_id)s AND enlistment_id = %(id)s AND status = 0;

-- name: boots.enlistment.end
-- It is over, and its credentials with it.
UPDATE enlistment SET outcome = %(outcome)s, detail = %(detail)s, ended_at = %(now)s, machine_id = %(machine_id)s
WHERE id = %(id)s;

-- name: boots.enlistment.forget_results
-- What was printed is not needed any more.
DELETE FROM enlistment_result WHERE enlistment_id = %(id)s;

-- name: boots.enlistment.one_after_the_other
-- One machine is looked for, and made, at a time.
SELECT pg_advisory_xact_lock(hashtext('rackyard enlisted machine'));

-- name: boots.enlistment.lookalikes
-- Machines that have one of these MACs, this UUID, or this vendor, product and serial number; which of them, and theirs.
SELECT machine.id, machine.system_id, machine.hostname, machine.status, found.by_mac, found.by_uuid, found.by_serial,
       coalesce(machine.hardware ->> 'hardware_uuid', '') AS uuid,
       coalesce(machine.hardware ->> 'system_serial', '') AS serial
FROM machine CROSS JOIN LATERAL (SELECT
    EXISTS (SELECT FROM machine_interface WHERE machine_id = machine.id AND mac = ANY (%(macs)s::macaddr[])) AS by_mac,
    %(uuid)s <> '' AND lower(machine.hardware ->> 'hardware_uuid') IS NOT DISTINCT FROM %(uuid)s AS by_uuid,
    %(serial)s <> '' AND (machine.hardware ->> 'system_vendor', machine.hardware ->> 'system_product',
                          machine.hardware ->> 'system_serial')
        IS NOT DISTINCT FROM (%(vendor)s::text, %(product)s::text, %(serial)s::text) AS by_serial
) AS found
WHERE found.by_mac OR found.by_uuid OR found.by_serial ORDER BY machine.id;

-- name: boots.enlistment.only_claimed
-- What the machine said of itself is no commissioning.
UPDATE machine SET commissioned_at = NULL WHERE id = %(machine_id)s;

-- name: boots.enlistment.of_machine
-- Whether a machine came by enlistment, somebody has accepted it, and it is to be commissioned.
SELECT accepted_at, commission FROM enlistment WHERE machine_id = %(machine_id)s;

-- name: boots.enlistment.accept
-- Somebody vouches for the machine, if nobody has done so yet.
UPDATE enlistment SET accepted_at = %(now)s WHERE machine_id = %(machine_id)s AND accepted_at IS NULL;

-- name: boots.enlistment.queue
-- Who enlists, did so, or could not; with what the machine that came of it says of itself.
SELECT enlistment.mac::text AS mac, host(enlistment.address) AS ip_address, subnet.name AS subnet, enlistment.outcome,
       enlistment.detail, enlistment.requested_at, enlistment.ended_at, enlistment.accepted_at, machine.system_id,
       machine.hostname, coalesce(machine.hardware ->> 'system_vendor', '') AS vendor,
       coalesce(machine.hardware ->> 'system_product', '') AS product,
       coalesce(machine.hardware ->> 'system_serial', '') AS serial
FROM enlistment LEFT JOIN subnet ON subnet.id = enlistment.subnet_id
LEFT JOIN machine ON machine.id = enlistment.machine_id
ORDER BY enlistment.id;

-- name: boots.enlistment.unaccepted
-- Machines that came by enlistment and that nobody has accepted.
SELECT machine.system_id FROM enlistment JOIN machine ON machine.id = enlistment.machine_id
WHERE enlistment.accepted_at IS NULL ORDER BY machine.hostname;
