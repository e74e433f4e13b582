-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: boots.leases.of_ip
-- Who holds an address.
SELECT mac::text AS mac, at FROM lease
WHERE ip = %(ip)s::inet AND state = 'commit' AND (expires_at IS NULL OR expires_at > %(now)s);

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

-- name: boots.leases.delete_old
-- Leases that ended before a moment.
DELETE FROM lease WHERE coalesce(expires_at, at) < %(before)s AND (expires_at IS NOT NULL OR state <> 'commit');
