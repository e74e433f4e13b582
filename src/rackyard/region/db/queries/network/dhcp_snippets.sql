-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: network.dhcp_snippets.all
-- All snippets, the oldest first, each with the machine that it is for.
SELECT dhcp_snippet.id, dhcp_snippet.name, dhcp_snippet.description, dhcp_snippet.enabled, dhcp_snippet.value,
       dhcp_snippet.subnet_id, dhcp_snippet.ip_range_id, dhcp_snippet.machine_id, machine.system_id, machine.hostname,
       ARRAY(SELECT mac::text FROM machine_interface WHERE machine_interface.machine_id = machine.id AND mac IS NOT NULL
             ORDER BY mac) AS macs
FROM dhcp_snippet LEFT JOIN machine ON machine.id = dhcp_snippet.machine_id ORDER BY dhcp_snippet.id;

-- name: network.dhcp_snippets.history
-- What snippets have said, what they say now first.
SELECT id, snippet_id, value, created_at FROM dhcp_snippet_value ORDER BY id DESC;

-- name: network.dhcp_snippets.machine
-- A machine that a snippet shall be for.
SELECT id AS machine_id, system_id, hostname,
       ARRAY(SELECT mac::text FROM machine_interface WHERE machine_interface.machine_id = machine.id AND mac IS NOT NULL
             ORDER BY mac) AS macs
FROM machine WHERE system_id = %(system_id)s;

-- name: network.dhcp_snippets.lock
-- One change at a time, of them and of what they are for; readers are not held up.
LOCK TABLE subnet, ip_range, dhcp_snippet IN SHARE ROW EXCLUSIVE MODE;

-- name: network.dhcp_snippets.add
-- A new snippet.
INSERT INTO dhcp_snippet (name, description, enabled, value, subnet_id, ip_range_id, machine_id)
VALUES (%(name)s, %(description)s, %(enabled)s, %(value)s, %(subnet_id)s, %(ip_range_id)s, %(machine_id)s)
RETURNING id;

-- name: network.dhcp_snippets.update
-- Change a snippet.
UPDATE dhcp_snippet
SET name = %(name)s, description = %(description)s, enabled = %(enabled)s, value = %(value)s,
    subnet_id = %(subnet_id)s, ip_range_id = %(ip_range_id)s, machine_id = %(machine_id)s
WHERE id = %(id)s;

-- name: network.dhcp_snippets.add_value
-- What a snippet says from now on.
INSERT INTO dhcp_snippet_value (snippet_id, value, created_at) VALUES (%(id)s, %(value)s, %(now)s);

-- name: network.dhcp_snippets.delete
-- Remove a snippet with its history.
DELETE FROM dhcp_snippet WHERE id = %(id)s;
