-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.images.all
-- Every registered image, newest first.
SELECT id, name, arch, suite, manifest, encode(manifest_sha256, 'hex') AS manifest_sha256, registered_at, is_default
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

-- name: site.images.default
-- The image that machines of that architecture boot.
SELECT id, name, arch, manifest FROM image WHERE arch = %(arch)s AND is_default;
