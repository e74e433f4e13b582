-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.dhcp_turns.read
-- What a rack's dhcpd was last configured with.
SELECT given FROM dhcp_turn WHERE rack_id = %(rack_id)s;

-- name: racks.dhcp_turns.lock
-- The turns of a rack and its partners, which nobody takes or ends meanwhile; racks that are dead hold up nobody.
WITH held AS (SELECT id, alive FROM rack WHERE id = ANY (%(rack_ids)s) ORDER BY id FOR NO KEY UPDATE)
SELECT dhcp_turn.rack_id, dhcp_turn.given,
       held.alive AND coalesce(ended_at > now() - make_interval(secs => %(reunion_s)s),
                               taken_at > now() - make_interval(secs => %(turn_s)s)) AS busy
FROM held JOIN dhcp_turn ON dhcp_turn.rack_id = held.id;

-- name: racks.dhcp_turns.take
-- This rack is to restart its dhcpd, with its next generation.
INSERT INTO dhcp_turn (rack_id, given, generation, taken_at)
SELECT id, %(given)s, desired_generation + 1, now() FROM rack WHERE id = %(rack_id)s
ON CONFLICT (rack_id) DO UPDATE
SET given = excluded.given, generation = excluded.generation, taken_at = excluded.taken_at, ended_at = NULL;

-- name: racks.dhcp_turns.end
-- The rack has said what became of it.
UPDATE dhcp_turn SET ended_at = now()
WHERE rack_id = %(rack_id)s AND ended_at IS NULL AND generation <= %(generation)s;

-- name: racks.dhcp_turns.forget_alone
-- Racks that share no VLAN with DHCP any more: when they do again, they begin together.
DELETE FROM dhcp_turn WHERE NOT EXISTS (
    SELECT FROM vlan WHERE dhcp_on AND primary_rack_id IS NOT NULL AND secondary_rack_id IS NOT NULL
    AND dhcp_turn.rack_id IN (primary_rack_id, secondary_rack_id));
