-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: racks.dhcp_checks.racks
-- Enrolled racks, and whether they can be asked: alive, and with an agent that has the ability.
SELECT id, system_id, hostname, alive, %(ability)s = ANY (abilities) AS able
FROM rack WHERE revoked_at IS NULL ORDER BY id;

-- name: racks.dhcp_checks.ask
-- A question for a rack; the trigger wakes it.
INSERT INTO dhcp_check (rack_id, question, created_at) VALUES (%(rack_id)s, %(question)s, %(now)s) RETURNING id;

-- name: racks.dhcp_checks.take
-- The questions of a rack that nobody has taken.
UPDATE dhcp_check SET taken_at = %(now)s WHERE rack_id = %(rack_id)s AND taken_at IS NULL RETURNING id, question;

-- name: racks.dhcp_checks.answer
-- What a rack's dhcpd says.
UPDATE dhcp_check SET words = %(words)s WHERE id = %(id)s AND rack_id = %(rack_id)s AND words IS NULL;

-- name: racks.dhcp_checks.read
-- What has been said to these questions until now.
SELECT dhcp_check.id, dhcp_check.words, rack.hostname
FROM dhcp_check JOIN rack ON rack.id = dhcp_check.rack_id WHERE dhcp_check.id = ANY (%(ids)s) ORDER BY dhcp_check.id;

-- name: racks.dhcp_checks.forget
-- Questions that nobody waits for any more, and those whose asker has died.
DELETE FROM dhcp_check WHERE id = ANY (%(ids)s) OR created_at < %(before)s;
