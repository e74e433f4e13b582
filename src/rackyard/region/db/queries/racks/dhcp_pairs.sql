-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.dhcp_pairs.able
-- Enrolled racks whose agent has an ability.
SELECT id, system_id FROM rack WHERE revoked_at IS NULL AND %(ability)s = ANY (abilities);

-- name: racks.dhcp_pairs.declared
-- Who was declared dead to whom.
SELECT survivor_id, dead_id, number FROM dhcp_partner_down;

-- name: racks.dhcp_pairs.put_abilities
-- What a rack's agent says it can do; what was there before.
UPDATE rack SET abilities = %(abilities)s FROM rack AS before
WHERE rack.id = %(rack_id)s AND before.id = rack.id AND rack.abilities <> %(abilities)s::text[]
RETURNING before.abilities;

-- name: racks.dhcp_pairs.put_state
-- What a rack's dhcpd says of its partner; what it said before, if that was something else.
WITH before AS (SELECT own FROM dhcp_pair_state WHERE rack_id = %(rack_id)s AND name = %(name)s)
INSERT INTO dhcp_pair_state (rack_id, name, own, partner, updated_at)
VALUES (%(rack_id)s, %(name)s, %(own)s, %(partner)s, %(now)s)
ON CONFLICT (rack_id, name) DO UPDATE
SET own = excluded.own, partner = excluded.partner, updated_at = excluded.updated_at
RETURNING (SELECT own FROM before) AS before;

-- name: racks.dhcp_pairs.drop_other_states
-- Forget pairs that a rack is no longer in.
DELETE FROM dhcp_pair_state WHERE rack_id = %(rack_id)s AND NOT (name = ANY (%(names)s));

-- name: racks.dhcp_pairs.of_vlans
-- Every pair of racks that a VLAN with DHCP names, each way round: what the one says of the other.
SELECT rack.id, rack.hostname, rack.alive, other.id AS other_id, other.hostname AS other_hostname,
       other.alive AS other_alive, other.last_seen_at AS other_seen_at, said.own, said.updated_at,
       other_said.own AS other_own, dhcp_partner_down.number
FROM (SELECT primary_rack_id, secondary_rack_id FROM vlan WHERE dhcp_on
      UNION SELECT secondary_rack_id, primary_rack_id FROM vlan WHERE dhcp_on) AS pair (id, other_id)
JOIN rack ON rack.id = pair.id AND rack.revoked_at IS NULL
JOIN rack AS other ON other.id = pair.other_id
CROSS JOIN LATERAL (SELECT CASE WHEN rack.id < other.id THEN 'pair-' || rack.system_id || '-' || other.system_id
                                ELSE 'pair-' || other.system_id || '-' || rack.system_id END) AS called (name)
LEFT JOIN dhcp_pair_state AS said ON said.rack_id = rack.id AND said.name = called.name
LEFT JOIN dhcp_pair_state AS other_said ON other_said.rack_id = other.id AND other_said.name = called.name
LEFT JOIN dhcp_partner_down ON dhcp_partner_down.survivor_id = rack.id AND dhcp_partner_down.dead_id = other.id
ORDER BY rack.id, other.id;

-- name: racks.dhcp_pairs.longest_lease
-- The longest of the leases of IPv4 that a rack told of last; NULL when it told of none.
SELECT max(expires_at - at) AS longest FROM lease
WHERE rack_id = %(rack_id)s AND family(ip) = 4 AND state = 'commit';

-- name: racks.dhcp_pairs.declare
-- That rack is dead to this one.
INSERT INTO dhcp_partner_down (survivor_id, dead_id, declared_at) VALUES (%(survivor_id)s, %(dead_id)s, %(now)s)
ON CONFLICT DO NOTHING RETURNING number;

-- name: racks.dhcp_pairs.forget_parted
-- End declarations between racks that no VLAN with DHCP names together any more.
DELETE FROM dhcp_partner_down WHERE NOT EXISTS (
    SELECT FROM vlan WHERE dhcp_on AND (primary_rack_id, secondary_rack_id) IN ((survivor_id, dead_id), (dead_id, survivor_id)));

-- name: racks.dhcp_pairs.end_declaration
-- That rack is no longer dead to this one.
DELETE FROM dhcp_partner_down WHERE survivor_id = %(survivor_id)s AND dead_id = %(dead_id)s;
