-- SPDX-License-Identifier: GPL-3.0-or-later
-- What kind of network a fabric is, in an operator's own word, such as 10g; none by default.

ALTER TABLE fabric ADD COLUMN class_type text NOT NULL DEFAULT '';

SELECT audit_table('fabric', name => '$.name', shown => '{name, description, class_type}');
