-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.settings.get
-- The value of one setting.
SELECT value FROM setting WHERE name = %(name)s;

-- name: site.settings.all
-- Every setting that somebody set.
SELECT name, value FROM setting ORDER BY name;

-- name: site.settings.set
-- Set a value (wrapped in an object, because a bare scalar has no jsonb form in the driver).
INSERT INTO setting (name, value) VALUES (%(name)s, %(value)s::jsonb -> 'value')
ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE setting.value IS DISTINCT FROM excluded.value;
