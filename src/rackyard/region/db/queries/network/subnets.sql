-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: network.subnets.containing
-- The managed subnet that contains an address.
SELECT id, cidr::text AS cidr FROM subnet WHERE cidr >>= %(ip)s::inet AND managed;
