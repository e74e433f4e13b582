-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.images.all
-- Every registered image, newest first.
SELECT id, name, arch, suite, manifest, encode(manifest_sha256, 'hex') AS manifest_sha256, registered_at, is_default,
       is_current
FROM image ORDER BY id DESC;

-- name: site.images.lock
-- One registration at a time.
LOCK TABLE image IN SHARE ROW EXCLUSIVE MODE;

-- name: site.images.clear_default
-- No other image of this architecture is the default.
UPDATE image SET is_default = false WHERE arch = %(arch)s AND is_default AND id <> %(id)s;

-- name: site.images.set_default
-- This image is what machines of its architecture boot.
UPDATE image SET is_default = true WHERE id = %(id)s AND NOT is_default;

-- name: site.images.add
-- A new image.
INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at)
VALUES (%(name)s, %(arch)s, %(suite)s, %(manifest)s, decode(%(manifest_sha256)s, 'hex'), %(now)s)
RETURNING id;

-- name: site.images.of_machine
-- The image that a machine boots: that of its own suite if it names one, else the default of its architecture.
SELECT image.id, image.name, image.arch, image.manifest
FROM machine JOIN image ON image.arch = split_part(machine.architecture, '/', 1)
WHERE machine.id = %(machine_id)s
  AND CASE WHEN machine.commissioning_suite = '' THEN image.is_default
           ELSE image.is_current AND image.suite = machine.commissioning_suite END;

-- name: site.images.suites_of_machine
-- The suite that a machine names, and those there are for it.
SELECT commissioning_suite AS wanted,
       ARRAY(SELECT suite FROM image WHERE is_current AND arch = split_part(machine.architecture, '/', 1)
             ORDER BY suite) AS there
FROM machine WHERE id = %(machine_id)s;

-- name: site.images.clear_current
-- No other image of this architecture and suite is current.
UPDATE image SET is_current = false
WHERE arch = %(arch)s AND suite = %(suite)s AND is_current AND id <> %(id)s;

-- name: site.images.set_current
-- This image is what machines boot that name its suite.
UPDATE image SET is_current = true WHERE id = %(id)s AND NOT is_current;

-- name: site.images.delete_superseded
-- Forget images beyond the newest of each architecture and suite. What machines boot now or would boot next stays.
DELETE FROM image
USING (SELECT id, row_number() OVER (PARTITION BY arch, suite ORDER BY id DESC) AS place FROM image) AS ranked
WHERE image.id = ranked.id AND ranked.place > %(keep)s AND NOT image.is_default AND NOT image.is_current
  AND NOT EXISTS (SELECT 1 FROM boot WHERE boot.image_id = image.id AND boot.outcome = 'running')
RETURNING image.id, image.name;

-- name: site.images.delete_unused
-- Forget an image that no machine boots, now or next.
DELETE FROM image
WHERE id = %(id)s AND NOT is_default AND NOT is_current
  AND NOT EXISTS (SELECT 1 FROM boot WHERE boot.image_id = image.id AND boot.outcome = 'running');
