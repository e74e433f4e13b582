-- SPDX-License-Identifier: GPL-3.0-or-later
-- Images that people upload, in chunks that wait here until a region has the whole file.

CREATE TABLE uploaded_image (
    -- Of the sequence of table image: boot-resources/<id>/ has both.
    id           bigint PRIMARY KEY,
    name         text NOT NULL,
    architecture text NOT NULL,
    title        text NOT NULL DEFAULT '',
    base_image   text NOT NULL DEFAULT '',
    CONSTRAINT uploaded_image_key UNIQUE (name, architecture)
);

CREATE TABLE image_upload (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id       bigint NOT NULL CONSTRAINT image_upload_image_fkey REFERENCES uploaded_image ON DELETE CASCADE,
    filetype       text NOT NULL,
    sha256         bytea NOT NULL CHECK (length(sha256) = 32),
    size_bytes     bigint NOT NULL CHECK (size_bytes > 0),
    received_bytes bigint NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL,
    completed_at   timestamptz,                     -- a region has the file
    refusal        text NOT NULL DEFAULT '',        -- why what came is not the file
    CONSTRAINT image_upload_received CHECK (received_bytes BETWEEN 0 AND size_bytes)
);
CREATE INDEX image_upload_image ON image_upload (image_id, id);
CREATE INDEX image_upload_open ON image_upload (changed_at) WHERE completed_at IS NULL;

CREATE TABLE image_chunk (
    -- No reference: the chunks of an upload that ended are many, and go in batches.
    upload_id  bigint NOT NULL,
    start_byte bigint NOT NULL,
    content    bytea NOT NULL,
    PRIMARY KEY (upload_id, start_byte)
);
-- Images are compressed already.
ALTER TABLE image_chunk ALTER COLUMN content SET STORAGE EXTERNAL;

-- The workers are woken when the last chunk is there, whoever waits for the end of an upload when that has come.
CREATE FUNCTION notify_upload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.completed_at IS NOT NULL OR NEW.refusal <> '' THEN
        PERFORM pg_notify('rackyard_uploads', coalesce(NEW.id, OLD.id)::text);
    ELSIF NEW.received_bytes = NEW.size_bytes THEN
        PERFORM pg_notify('rackyard_desired', '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER image_upload_changed AFTER UPDATE OR DELETE ON image_upload
    FOR EACH ROW EXECUTE FUNCTION notify_upload();
