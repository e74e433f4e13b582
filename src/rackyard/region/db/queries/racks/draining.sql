-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.draining.begin
-- The rack is out of use for so many seconds.
UPDATE rack SET drained_until = now() + make_interval(secs => %(for_s)s) WHERE id = %(rack_id)s;

-- name: racks.draining.end
-- The rack is in use again; no row when it was all the time.
UPDATE rack SET drained_until = NULL WHERE id = %(rack_id)s AND drained_until IS NOT NULL RETURNING id;

-- name: racks.draining.handed_over
-- Managed subnets that the rack serves and another rack, that is alive and not drained, serves, too.
SELECT DISTINCT subnet.cidr::text AS cidr FROM subnet
JOIN rack_subnet AS own ON own.subnet_id = subnet.id AND own.rack_id = %(rack_id)s
JOIN rack_subnet AS theirs ON theirs.subnet_id = subnet.id AND theirs.rack_id <> own.rack_id
JOIN rack ON rack.id = theirs.rack_id
WHERE subnet.managed AND rack.alive AND rack.revoked_at IS NULL AND NOT coalesce(rack.drained_until > now(), false)
ORDER BY cidr;

-- name: racks.draining.dhcp_is_covered
-- Whether the rack's dhcpd may be silent: each VLAN that it answers in has a partner that is alive, in use, and in touch
-- with it.
SELECT NOT EXISTS (
    SELECT FROM vlan
    LEFT JOIN rack AS partner ON partner.revoked_at IS NULL AND partner.id =
        CASE WHEN vlan.primary_rack_id = %(rack_id)s THEN vlan.secondary_rack_id ELSE vlan.primary_rack_id END
    WHERE vlan.dhcp_on AND %(rack_id)s IN (vlan.primary_rack_id, vlan.secondary_rack_id)
      AND NOT (coalesce(partner.alive, false) AND NOT coalesce(partner.drained_until > now(), false)
               AND EXISTS (SELECT FROM dhcp_pair_state
                           WHERE rack_id = partner.id AND own = 'normal' AND position(
                               (SELECT system_id FROM rack WHERE id = %(rack_id)s) IN name) > 0))
) AS covered;

-- name: racks.draining.starting
-- Machines that the rack cannot be restarted beneath: it is switching them on or off, or they are on, have no image yet,
-- and their address of this boot, if they have one, is from this rack.
SELECT machine.hostname, done.furthest AS step
FROM boot JOIN machine ON machine.boot_id = boot.id
CROSS JOIN LATERAL (SELECT coalesce(max(step), 0) AS furthest FROM boot_step
                    WHERE boot_step.boot_id = boot.id AND boot_step.outcome = 'done') AS done
WHERE boot.outcome = 'running' AND done.furthest BETWEEN %(powered_on)s AND %(image)s - 1
  AND coalesce((SELECT lease.rack_id FROM lease JOIN machine_interface ON machine_interface.mac = lease.mac
                WHERE machine_interface.machine_id = machine.id AND lease.at >= boot.requested_at
                ORDER BY lease.at DESC LIMIT 1), %(rack_id)s) = %(rack_id)s
UNION
SELECT machine.hostname, NULL FROM job JOIN machine ON machine.id = job.machine_id
WHERE job.rack_id = %(rack_id)s AND job.state = 'taken' AND job.kind IN ('power_on', 'power_off')
ORDER BY hostname;
