-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.view.racks
-- Enrolled racks.
SELECT rack.id, system_id, hostname, version, alive, last_seen_at, registered_at, cert_not_after, desired_generation,
       extract(epoch FROM now() - last_seen_at)::float AS last_word_s,
       extract(epoch FROM now() - desired_at)::float AS desired_s,
       (SELECT min(generation) FROM rack_daemon WHERE rack_daemon.rack_id = rack.id) AS applied_generation,
       CASE WHEN drained_until > now() THEN drained_until END AS drained_until,
       zone.id AS zone_id, zone.name AS zone_name, zone.description AS zone_description, rack.host,
       ARRAY (SELECT tag.name FROM rack_tag JOIN tag ON tag.id = rack_tag.tag_id WHERE rack_tag.rack_id = rack.id
              ORDER BY tag.name COLLATE "C") AS tag_names
FROM rack JOIN zone ON zone.id = rack.zone_id WHERE revoked_at IS NULL ORDER BY hostname;

-- name: racks.view.interfaces
-- Addresses of enrolled racks with the subnet they lie in.
SELECT rack_interface.rack_id, rack_interface.name, rack_interface.mac, rack_interface.address::text AS address,
       rack_subnet.subnet_id
FROM rack_interface
JOIN rack ON rack.id = rack_interface.rack_id AND rack.revoked_at IS NULL
LEFT JOIN rack_subnet ON rack_subnet.rack_id = rack_interface.rack_id AND NOT rack_subnet.relayed
     AND rack_subnet.address = host(rack_interface.address)::inet
ORDER BY rack_interface.rack_id, rack_interface.name, rack_interface.address;

-- name: racks.view.services
-- Services of enrolled racks; a daemon that refused its last configuration is degraded, in its checker's words.
SELECT rack.id AS rack_id, coalesce(rack_service.name, rack_daemon.name) AS name,
       CASE WHEN rack_daemon.ok IS FALSE AND coalesce(rack_service.state, 'running') IN ('running', 'unknown')
            THEN 'degraded' ELSE coalesce(rack_service.state, 'unknown') END AS state,
       CASE WHEN rack_daemon.ok IS FALSE THEN rack_daemon.message ELSE coalesce(rack_service.info, '') END AS info,
       coalesce(rack_service.failure, '') AS failure, rack_service.failed_at
FROM rack_service
FULL JOIN rack_daemon ON rack_daemon.rack_id = rack_service.rack_id AND rack_daemon.name = rack_service.name
JOIN rack ON rack.id = coalesce(rack_service.rack_id, rack_daemon.rack_id) AND rack.revoked_at IS NULL
ORDER BY rack.id, name;

-- name: racks.view.reports
-- What else the agents of enrolled racks last said of themselves. One of the release before says nothing.
SELECT rack_id, channels, reports_waiting, posts_waiting, posts_refused FROM rack_report
JOIN rack ON rack.id = rack_report.rack_id AND rack.revoked_at IS NULL;
