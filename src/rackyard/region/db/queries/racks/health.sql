-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.health.daemons
-- What the daemons of a rack run on, beside what it is to run on.
SELECT rack.alive, rack.desired_generation AS wanted, rack_daemon.name, rack_daemon.generation, rack_daemon.ok,
       rack_daemon.message
FROM rack LEFT JOIN rack_daemon ON rack_daemon.rack_id = rack.id
WHERE rack.hostname = %(hostname)s AND rack.revoked_at IS NULL ORDER BY rack_daemon.name;

-- name: racks.health.services
-- Services of a rack that do not run, as it sees them.
SELECT rack_service.name, rack_service.state, rack_service.info
FROM rack_service JOIN rack ON rack.id = rack_service.rack_id
WHERE rack.hostname = %(hostname)s AND rack.revoked_at IS NULL AND rack_service.state NOT IN ('running', 'off')
ORDER BY rack_service.name;

-- name: racks.health.all_daemons
-- The same of all enrolled racks.
SELECT rack.system_id, rack.hostname, rack.alive, rack.last_seen_at, rack.desired_generation AS wanted,
       rack_daemon.name, rack_daemon.generation, rack_daemon.ok, rack_daemon.message,
       rack_daemon.ok AND rack_daemon.generation = rack.desired_generation AS as_wanted
FROM rack LEFT JOIN rack_daemon ON rack_daemon.rack_id = rack.id
WHERE rack.revoked_at IS NULL ORDER BY rack.hostname, rack_daemon.name;
