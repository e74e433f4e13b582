-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: boots.leases.holding
-- Who holds an address, whether that is a MAC of this machine, and where else this machine is (by the same family:
-- a machine may have an address of each). A lease that is over was held before it ended: racks that kept what they saw
-- tell it late, and one may tell of the end before another tells of what was seen until then.
SELECT held.mac::text AS holder,
       coalesce(held.mac IN (SELECT mac FROM machine_interface WHERE machine_id = %(machine_id)s), false) AS own,
       (SELECT host(other.ip) FROM lease AS other
        JOIN machine_interface ON machine_interface.mac = other.mac
        WHERE machine_interface.machine_id = %(machine_id)s AND other.ip <> %(ip)s::inet
          AND family(other.ip) = family(%(ip)s::inet) AND other.state = 'commit'
          AND (other.expires_at IS NULL OR other.expires_at > %(at)s)
        ORDER BY other.at DESC LIMIT 1) AS elsewhere
FROM (SELECT 1) AS always
LEFT JOIN lease AS held ON held.ip = %(ip)s::inet
     AND CASE WHEN held.state = 'commit' THEN held.expires_at IS NULL OR held.expires_at > %(at)s
         ELSE held.at > %(at)s END;

-- name: boots.leases.last_holding
-- Who had an address last, be the lease over or not, and whether that is a MAC of this machine.
SELECT mac::text AS holder, mac IN (SELECT mac FROM machine_interface WHERE machine_id = %(machine_id)s) AS own
FROM lease WHERE ip = %(ip)s::inet;

-- name: boots.leases.holder_of_ip
-- Who had an address last, be the lease over or not: for reports that arrive late.
SELECT mac::text AS mac FROM lease WHERE ip = %(ip)s::inet;

-- name: boots.leases.put
-- A lease event; an older one never replaces a newer one, and an end counts only for the same MAC.
INSERT INTO lease (ip, mac, rack_id, subnet_id, state, at, expires_at)
VALUES (%(ip)s, %(mac)s, %(rack_id)s, (SELECT id FROM subnet WHERE cidr >>= %(ip)s::inet), %(state)s, %(at)s,
        %(expires_at)s)
ON CONFLICT (ip) DO UPDATE
SET mac = excluded.mac, rack_id = excluded.rack_id, subnet_id = excluded.subnet_id, state = excluded.state,
    at = excluded.at, expires_at = excluded.expires_at
WHERE lease.at <= excluded.at AND (excluded.state = 'commit' OR lease.mac = excluded.mac);

-- name: boots.leases.of_machines
-- Registered machines by the addresses they hold a lease of.
SELECT host(lease.ip) AS ip, machine.hostname
FROM lease
JOIN machine_interface ON machine_interface.mac = lease.mac
JOIN machine ON machine.id = machine_interface.machine_id
WHERE lease.state = 'commit' AND (lease.expires_at IS NULL OR lease.expires_at > %(now)s)
ORDER BY lease.ip;
