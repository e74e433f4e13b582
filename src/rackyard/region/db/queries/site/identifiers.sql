-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.identifiers.owner
-- Who has a system id.
SELECT hostname FROM machine WHERE system_id = %(system_id)s
UNION ALL SELECT hostname FROM device WHERE system_id = %(system_id)s
UNION ALL SELECT hostname FROM rack WHERE system_id = %(system_id)s
UNION ALL SELECT name FROM region WHERE system_id = %(system_id)s LIMIT 1;
