-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.package_repositories.lock
-- One change of package repositories at a time; readers are not held up.
LOCK TABLE package_repository IN SHARE ROW EXCLUSIVE MODE;

-- name: site.package_repositories.all
-- All package repositories by id.
SELECT id, name, url, distributions, components, arches, coalesce(key, '') AS key, enabled, disable_sources
FROM package_repository ORDER BY id;

-- name: site.package_repositories.add
-- A new package repository.
INSERT INTO package_repository (name, url, distributions, components, arches, key, enabled, disable_sources)
VALUES (%(name)s, %(url)s, %(distributions)s::text[], %(components)s::text[], %(arches)s::text[],
        nullif(%(key)s, ''), %(enabled)s, %(disable_sources)s)
RETURNING id;

-- name: site.package_repositories.update
-- What it is now.
UPDATE package_repository
SET name = %(name)s, url = %(url)s, distributions = %(distributions)s::text[], components = %(components)s::text[],
    arches = %(arches)s::text[], key = nullif(%(key)s, ''), enabled = %(enabled)s,
    disable_sources = %(disable_sources)s
WHERE id = %(id)s;

-- name: site.package_repositories.delete
-- Remove a package repository.
DELETE FROM package_repository WHERE id = %(id)s;

-- name: site.package_repositories.of_boot
-- What the machine of a boot has beside its image's own: what is enabled for its architecture. The release is that of its image.
SELECT package_repository.id, package_repository.url,
       CASE WHEN distributions = '{}' THEN ARRAY[image.suite] ELSE distributions END AS suites,
       components, split_part(machine.architecture, '/', 1) AS arch, coalesce(key, '') AS key, disable_sources
FROM boot JOIN machine ON machine.id = boot.machine_id LEFT JOIN image ON image.id = boot.image_id
JOIN package_repository ON enabled AND split_part(machine.architecture, '/', 1) = ANY (arches)
     AND (distributions <> '{}' OR image.suite IS NOT NULL)
WHERE boot.boot_id = %(boot_id)s ORDER BY package_repository.id;
