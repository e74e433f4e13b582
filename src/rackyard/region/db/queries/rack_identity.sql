-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: rack_identity.add_token
-- A new enrolment token; only the hash of its secret is kept.
INSERT INTO enroll_token (name, secret_sha256, created_at, expires_at)
VALUES (%(name)s, %(secret_sha256)s, %(now)s, %(expires_at)s)
RETURNING id;

-- name: rack_identity.lock_token
-- The token with this secret, locked so that two racks cannot both use it.
SELECT id, name, expires_at, used_at,
       (SELECT hostname FROM rack WHERE rack.id = enroll_token.used_by_rack_id) AS used_by
FROM enroll_token WHERE secret_sha256 = %(secret_sha256)s FOR UPDATE;

-- name: rack_identity.use_token
-- The token is spent.
UPDATE enroll_token SET used_at = %(now)s, used_by_rack_id = %(rack_id)s WHERE id = %(id)s;

-- name: rack_identity.lock_by_hostname
-- The rack of that name, locked.
SELECT id, system_id, hostname, revoked_at FROM rack WHERE hostname = %(hostname)s FOR UPDATE;

-- name: rack_identity.create
-- A rack without a certificate yet.
INSERT INTO rack (system_id, hostname, version) VALUES (%(system_id)s, %(hostname)s, %(version)s)
RETURNING id, system_id, hostname, revoked_at;

-- name: rack_identity.set_certificate
-- Enrolment: this certificate and no other is the rack's; a revocation is forgiven by whoever made the token.
UPDATE rack SET cert_sha256 = decode(%(sha256)s, 'hex'), previous_cert_sha256 = NULL, cert_serial = %(serial)s,
       cert_not_after = %(not_after)s, revoked_at = NULL, version = %(version)s
WHERE id = %(rack_id)s;

-- name: rack_identity.renew_certificate
-- Renewal: the certificate that asked stays good beside the new one.
UPDATE rack SET previous_cert_sha256 = decode(%(asking_sha256)s, 'hex'), cert_sha256 = decode(%(sha256)s, 'hex'),
       cert_serial = %(serial)s, cert_not_after = %(not_after)s
WHERE id = %(rack_id)s;

-- name: rack_identity.by_certificate
-- The rack that presents this certificate.
SELECT id, system_id, hostname, revoked_at
FROM rack
WHERE cert_sha256 = decode(%(sha256)s, 'hex') OR previous_cert_sha256 = decode(%(sha256)s, 'hex');

-- name: rack_identity.is_revoked
-- Whether a rack still counts.
SELECT revoked_at FROM rack WHERE id = %(rack_id)s;

-- name: rack_identity.revoke
-- No certificate of that rack is accepted any more, and it no longer counts as alive.
UPDATE rack SET revoked_at = %(now)s, alive = false WHERE hostname = %(hostname)s AND revoked_at IS NULL
RETURNING id, system_id;

-- name: rack_identity.seen
-- The rack spoke; written at most every five seconds.
UPDATE rack SET last_seen_at = %(now)s, alive = true
WHERE id = %(rack_id)s AND revoked_at IS NULL
  AND (NOT alive OR last_seen_at IS NULL OR last_seen_at < %(now)s - interval '5 seconds');

-- name: rack_identity.registered
-- The rack's agent started, with this version.
UPDATE rack SET registered_at = %(now)s, last_seen_at = %(now)s, alive = true, version = %(version)s
WHERE id = %(rack_id)s;

-- name: rack_identity.put_interface
-- One address of a rack, as it reports it.
INSERT INTO rack_interface (rack_id, name, mac, address)
VALUES (%(rack_id)s, %(name)s, %(mac)s, %(address)s)
ON CONFLICT (rack_id, name, address) DO UPDATE SET mac = excluded.mac
WHERE rack_interface.mac IS DISTINCT FROM excluded.mac;

-- name: rack_identity.drop_other_interfaces
-- Forget addresses that the rack no longer reports (`keep` holds "name address" texts).
DELETE FROM rack_interface
WHERE rack_id = %(rack_id)s AND NOT (name || ' ' || address::text = ANY (%(keep)s));

-- name: rack_identity.by_address
-- The unrevoked rack that owns this address, if any.
SELECT rack.id, rack.system_id, rack.hostname
FROM rack_interface JOIN rack ON rack.id = rack_interface.rack_id
WHERE host(rack_interface.address) = host(%(address)s::inet) AND rack.revoked_at IS NULL
ORDER BY rack.alive DESC, rack.id
LIMIT 1;

-- name: rack_identity.candidates
-- Every unrevoked rack with what the choice of a rack for a BMC weighs.
SELECT rack.id, rack.hostname, rack.alive,
       (SELECT coalesce(json_agg(json_build_array(name, address::text) ORDER BY name, address), '[]')
        FROM rack_interface WHERE rack_interface.rack_id = rack.id) AS interfaces,
       (SELECT count(*) FROM job WHERE job.rack_id = rack.id AND job.state IN ('queued', 'taken')) AS open_jobs,
       (SELECT max(finished_at) FROM job
        JOIN machine ON machine.id = job.machine_id
        WHERE job.rack_id = rack.id AND job.state = 'done' AND machine.power_address = %(bmc)s::inet) AS last_success_at
FROM rack WHERE rack.revoked_at IS NULL ORDER BY rack.hostname;

-- name: rack_identity.put_daemon
-- What became of the desired state on one daemon of a rack.
INSERT INTO rack_daemon (rack_id, name, generation, ok, message, applied_at)
VALUES (%(rack_id)s, %(name)s, %(generation)s, %(ok)s, %(message)s, %(now)s)
ON CONFLICT (rack_id, name) DO UPDATE
SET generation = excluded.generation, ok = excluded.ok, message = excluded.message, applied_at = excluded.applied_at
WHERE rack_daemon.generation <= excluded.generation;

-- name: rack_identity.daemon_ok
-- Whether the last state of that daemon was taken, to tell news from repetition.
SELECT ok, message FROM rack_daemon WHERE rack_id = %(rack_id)s AND name = %(name)s;

-- name: rack_identity.put_service
-- What a rack sees of one of its services.
INSERT INTO rack_service (rack_id, name, state, info, updated_at)
VALUES (%(rack_id)s, %(name)s, %(state)s, %(info)s, %(now)s)
ON CONFLICT (rack_id, name) DO UPDATE
SET state = excluded.state, info = excluded.info, updated_at = excluded.updated_at;

-- name: rack_identity.take_receipt
-- Remember a delivery; zero rows when it was taken before.
INSERT INTO receipt (rack_id, key, received_at) VALUES (%(rack_id)s, %(key)s, %(now)s)
ON CONFLICT DO NOTHING;

-- name: rack_identity.region_addresses
-- Addresses and ports of region processes that live (heartbeat within 90 s).
SELECT name, host(address) AS address, port FROM region_process
WHERE heartbeat_at > %(now)s - interval '90 seconds' ORDER BY name, port;

-- name: rack_identity.beat
-- This region process lives.
INSERT INTO region_process (name, pid, address, port, heartbeat_at)
VALUES (%(name)s, %(pid)s, %(address)s, %(port)s, %(now)s)
ON CONFLICT (name, port) DO UPDATE
SET pid = excluded.pid, address = excluded.address, heartbeat_at = excluded.heartbeat_at;
