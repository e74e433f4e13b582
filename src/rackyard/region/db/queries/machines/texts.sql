-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: machines.texts.read
-- The texts by name at a machine.
SELECT owner_data, workload_annotations FROM machine WHERE id = %(id)s;

-- name: machines.texts.write_owner_data
-- Those of whoever has the machine.
UPDATE machine SET owner_data = %(texts)s, updated_at = %(now)s WHERE id = %(id)s;

-- name: machines.texts.write_workload_annotations
-- Those of what runs on it.
UPDATE machine SET workload_annotations = %(texts)s, updated_at = %(now)s WHERE id = %(id)s;
