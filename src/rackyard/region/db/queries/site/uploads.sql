-- SPDX-License-Identifier: GPL-3.0-or-later

-- name: site.uploads.images
-- Every uploaded image, newest first.
SELECT id, name, architecture, title, base_image FROM uploaded_image ORDER BY id DESC;

-- name: site.uploads.image
-- One uploaded image.
SELECT id, name, architecture, title, base_image FROM uploaded_image WHERE id = %(id)s;

-- name: site.uploads.of_image
-- The uploads of an image, oldest first.
SELECT id, image_id, filetype, encode(sha256, 'hex') AS sha256, size_bytes, received_bytes, created_at, changed_at,
       completed_at, refusal
FROM image_upload WHERE image_id = %(image_id)s ORDER BY id;

-- name: site.uploads.complete
-- The content of every whole image, newest first.
SELECT encode(sha256, 'hex') AS sha256, size_bytes FROM image_upload WHERE completed_at IS NOT NULL ORDER BY id DESC;

-- name: site.uploads.ensure
-- The image of that name and architecture, locked until the end of the transaction; its id.
INSERT INTO uploaded_image (id, name, architecture, title, base_image)
VALUES (nextval(pg_get_serial_sequence('image', 'id')), %(name)s, %(architecture)s, coalesce(%(title)s, ''),
        coalesce(%(base_image)s, ''))
ON CONFLICT ON CONSTRAINT uploaded_image_key
DO UPDATE SET title = coalesce(%(title)s, uploaded_image.title),
              base_image = coalesce(%(base_image)s, uploaded_image.base_image)
RETURNING id;

-- name: site.uploads.same_content
-- A whole upload with this content, kept until the end of the transaction; one of the image itself first.
SELECT id, image_id, filetype, encode(sha256, 'hex') AS sha256, size_bytes, received_bytes, created_at, changed_at,
       completed_at, refusal
FROM image_upload WHERE sha256 = decode(%(sha256)s, 'hex') AND completed_at IS NOT NULL
ORDER BY image_id <> %(image_id)s, filetype <> %(filetype)s, id DESC LIMIT 1 FOR SHARE;

-- name: site.uploads.add
-- One more upload of an image; its id.
INSERT INTO image_upload (image_id, filetype, sha256, size_bytes, received_bytes, created_at, changed_at, completed_at)
VALUES (%(image_id)s, %(filetype)s, decode(%(sha256)s, 'hex'), %(size_bytes)s,
        CASE WHEN %(complete)s THEN %(size_bytes)s ELSE 0 END, %(now)s, %(now)s,
        CASE WHEN %(complete)s THEN %(now)s::timestamptz END)
RETURNING id;

-- name: site.uploads.delete_unfinished
-- Forget the uploads of an image that are not whole.
DELETE FROM image_upload WHERE image_id = %(image_id)s AND completed_at IS NULL;

-- name: site.uploads.delete_older
-- Forget what an upload takes the place of.
DELETE FROM image_upload WHERE image_id = %(image_id)s AND id < %(id)s;

-- name: site.uploads.pending_bytes
-- What has yet to be written for all uploads that are under way: chunks that are to come, and the files.
SELECT coalesce(sum(2 * size_bytes - received_bytes), 0)::bigint AS size_bytes
FROM image_upload WHERE completed_at IS NULL AND refusal = '';

-- name: site.uploads.lock
-- One upload with its image's name, locked.
SELECT image_upload.id, image_id, filetype, encode(sha256, 'hex') AS sha256, size_bytes, received_bytes, created_at,
       changed_at, completed_at, refusal
FROM image_upload WHERE id = %(id)s AND image_id = %(image_id)s FOR UPDATE;

-- name: site.uploads.read
-- One upload.
SELECT id, image_id, filetype, encode(sha256, 'hex') AS sha256, size_bytes, received_bytes, created_at, changed_at,
       completed_at, refusal
FROM image_upload WHERE id = %(id)s;

-- name: site.uploads.add_piece
-- A part of an upload's content.
INSERT INTO image_chunk (upload_id, start_byte, content) VALUES (%(upload_id)s, %(start_byte)s, %(content)s);

-- name: site.uploads.received
-- So much of the content is there now.
UPDATE image_upload SET received_bytes = %(received_bytes)s, changed_at = %(now)s WHERE id = %(id)s;

-- name: site.uploads.take_arrived
-- The oldest upload whose chunks are all there and that no worker writes to a file yet, locked.
SELECT id, image_id, filetype, encode(sha256, 'hex') AS sha256, size_bytes, received_bytes, created_at, changed_at,
       completed_at, refusal
FROM image_upload WHERE completed_at IS NULL AND refusal = '' AND received_bytes = size_bytes
ORDER BY changed_at LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: site.uploads.pieces
-- The next parts of an upload's content.
SELECT content FROM image_chunk WHERE upload_id = %(upload_id)s AND start_byte >= %(start_byte)s
ORDER BY start_byte LIMIT %(limit)s;

-- name: site.uploads.set_complete
-- A region has the file.
UPDATE image_upload SET completed_at = %(now)s, changed_at = %(now)s WHERE id = %(id)s;

-- name: site.uploads.refuse
-- What came is not the file.
UPDATE image_upload SET refusal = %(refusal)s, changed_at = %(now)s WHERE id = %(id)s;

-- name: site.uploads.delete_image
-- Forget an uploaded image with its uploads.
DELETE FROM uploaded_image WHERE id = %(id)s;

-- name: site.uploads.abandoned
-- Images with uploads of which nothing has come for long.
SELECT DISTINCT image_id FROM image_upload WHERE completed_at IS NULL AND changed_at < %(before)s LIMIT 100;

-- name: site.uploads.lock_image
-- One uploaded image, locked.
SELECT id, name, architecture, title, base_image FROM uploaded_image WHERE id = %(id)s FOR UPDATE;

-- name: site.uploads.delete_abandoned
-- Forget the uploads of an image of which nothing has come for long.
DELETE FROM image_upload WHERE image_id = %(image_id)s AND completed_at IS NULL AND changed_at < %(before)s;

-- name: site.uploads.delete_empty
-- Forget an image of which there is no upload.
DELETE FROM uploaded_image
WHERE id = %(id)s AND NOT EXISTS (SELECT 1 FROM image_upload WHERE image_id = uploaded_image.id);

-- name: site.uploads.delete_pieces
-- Parts of uploads that have ended, a batch.
DELETE FROM image_chunk WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM image_chunk WHERE NOT EXISTS (
        SELECT 1 FROM image_upload
        WHERE image_upload.id = image_chunk.upload_id AND completed_at IS NULL AND refusal = '')
    LIMIT %(limit)s));
