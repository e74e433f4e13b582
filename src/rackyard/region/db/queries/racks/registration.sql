-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.registration.registered
-- The rack's agent tells about itself, again and again; the first time since it was enrolled counts as registration.
UPDATE rack SET registered_at = coalesce(registered_at, now()), last_seen_at = now(), alive = true,
       version = %(version)s
WHERE id = %(rack_id)s;

-- name: racks.registration.put_host
-- What the rack says of its host; what is as it was is not written.
UPDATE rack SET host = %(host)s WHERE id = %(rack_id)s AND host IS DISTINCT FROM %(host)s::jsonb;

-- name: racks.registration.put_interface
-- One address of a rack, as it reports it.
INSERT INTO rack_interface (rack_id, name, mac, address)
VALUES (%(rack_id)s, %(name)s, %(mac)s, %(address)s)
ON CONFLICT (rack_id, name, address) DO UPDATE SET mac = excluded.mac
WHERE rack_interface.mac IS DISTINCT FROM excluded.mac;

-- name: racks.registration.drop_other_interfaces
-- Forget addresses that the rack no longer reports (`keep` holds "name address" texts).
DELETE FROM rack_interface
WHERE rack_id = %(rack_id)s AND NOT (name || ' ' || address::text = ANY (%(keep)s));

-- name: racks.registration.served
-- The declared subnets that a rack serves.
SELECT DISTINCT subnet.cidr::text AS cidr FROM rack_subnet JOIN subnet ON subnet.id = rack_subnet.subnet_id
WHERE rack_subnet.rack_id = %(rack_id)s ORDER BY cidr;

-- name: racks.registration.addresses_for
-- The addresses at which a rack serves these clients, each with the first of the clients that it is for.
SELECT DISTINCT ON (rack_subnet.address) host(rack_subnet.address) AS address, host(client.ip) AS client
FROM unnest(%(clients)s::inet[]) WITH ORDINALITY AS client (ip, number)
JOIN subnet ON subnet.cidr >>= client.ip
JOIN rack_subnet ON rack_subnet.subnet_id = subnet.id
WHERE rack_subnet.rack_id = %(rack_id)s ORDER BY rack_subnet.address, client.number;

-- name: racks.registration.by_address
-- The unrevoked rack that owns this address, if any.
SELECT rack.id, rack.system_id, rack.hostname
FROM rack_interface JOIN rack ON rack.id = rack_interface.rack_id
WHERE host(rack_interface.address) = host(%(address)s::inet) AND rack.revoked_at IS NULL
ORDER BY rack.alive DESC, rack.id
LIMIT 1;

-- name: racks.registration.put_daemon
-- What became of the desired state on one daemon of a rack.
INSERT INTO rack_daemon (rack_id, name, generation, ok, message, applied_at)
VALUES (%(rack_id)s, %(name)s, %(generation)s, %(ok)s, %(message)s, %(now)s)
ON CONFLICT (rack_id, name) DO UPDATE
SET generation = excluded.generation, ok = excluded.ok, message = excluded.message, applied_at = excluded.applied_at
WHERE rack_daemon.generation <= excluded.generation;

-- name: racks.registration.drop_other_daemons
-- Forget daemons that the rack no longer applies: its host has become a region too, whose worker does.
DELETE FROM rack_daemon
WHERE rack_id = %(rack_id)s AND NOT (name = ANY (%(keep)s)) AND generation <= %(generation)s;

-- name: racks.registration.daemon_ok
-- Whether the last state of that daemon was taken, to tell news from repetition.
SELECT ok, message FROM rack_daemon WHERE rack_id = %(rack_id)s AND name = %(name)s;

-- name: racks.registration.put_service
-- What a rack sees of one of its services. Why it died stays known when it runs again.
INSERT INTO rack_service AS known (rack_id, name, state, info, updated_at, failure, failed_at)
VALUES (%(rack_id)s, %(name)s, %(state)s, %(info)s, %(now)s,
        CASE WHEN %(failed)s THEN %(info)s ELSE '' END, CASE WHEN %(failed)s THEN %(now)s::timestamptz END)
ON CONFLICT (rack_id, name) DO UPDATE
SET state = excluded.state, info = excluded.info, updated_at = excluded.updated_at,
    failure = coalesce(nullif(excluded.failure, ''), known.failure),
    -- Since when it is dead by failure, however often that is said.
    failed_at = CASE WHEN known.state = 'dead' AND known.info = nullif(known.failure, '') THEN known.failed_at
                     ELSE coalesce(excluded.failed_at, known.failed_at) END;

-- name: racks.registration.put_report
-- A rack's channels to regions, and what waits there for one.
INSERT INTO rack_report (rack_id, channels, reports_waiting, posts_waiting, posts_refused, updated_at)
VALUES (%(rack_id)s, %(channels)s, %(reports_waiting)s, %(posts_waiting)s, %(posts_refused)s, %(now)s)
ON CONFLICT (rack_id) DO UPDATE
SET channels = excluded.channels, reports_waiting = excluded.reports_waiting, posts_waiting = excluded.posts_waiting,
    posts_refused = excluded.posts_refused, updated_at = excluded.updated_at;
