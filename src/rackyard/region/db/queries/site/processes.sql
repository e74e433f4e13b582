-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.processes.addresses
-- Addresses and ports of region processes that live (heartbeat within 90 s).
SELECT name, host(address) AS address, port FROM region_process
WHERE heartbeat_at > now() - interval '90 seconds' ORDER BY name, port;

-- name: site.processes.beat
-- This region process lives, by PostgreSQL's clock, which all regions share.
INSERT INTO region_process (name, pid, address, port, heartbeat_at)
VALUES (%(name)s, %(pid)s, %(address)s, %(port)s, now())
ON CONFLICT (name, port) DO UPDATE
SET pid = excluded.pid, address = excluded.address, heartbeat_at = excluded.heartbeat_at;

-- name: site.processes.lead
-- Try to become the one worker that does what must be done once; held as long as the connection lives.
SELECT pg_try_advisory_lock(hashtext('rackyard worker')) AS leading;

-- name: site.processes.delete_old
-- Region processes that have not beaten for a day.
DELETE FROM region_process WHERE heartbeat_at < now() - interval '1 day';
