-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: operations.deadlines.past
-- Machines whose state should have ended.
SELECT machine.id, machine.system_id FROM machine WHERE deadline_at < %(now)s ORDER BY deadline_at LIMIT 100;
