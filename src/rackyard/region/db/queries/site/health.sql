-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.health.writable
-- Whether this is a server that takes changes, and no standby.
SELECT NOT pg_is_in_recovery() AS writable;

-- name: site.health.beats
-- RPC ports of a region whose worker was heard of lately.
SELECT port FROM region_process WHERE name = %(name)s AND heartbeat_at > now() - interval '90 seconds' ORDER BY port;

-- name: site.health.clock
-- What time it is for all regions.
SELECT clock_timestamp() AS now;
