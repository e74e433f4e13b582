-- SPDX-License-Identifier: GPL-3.0-or-later
-- Scripts that operators upload, all that each of them has been, and what each did once for each device.

CREATE TABLE script (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text NOT NULL CONSTRAINT script_name_key UNIQUE,
    metadata jsonb NOT NULL,
    sha256   text NOT NULL -- of its content
);

-- The last one is what the script is now, but for its tags.
CREATE TABLE script_version (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    script_id  bigint NOT NULL REFERENCES script ON DELETE CASCADE,
    metadata   jsonb NOT NULL,
    content    bytea NOT NULL,
    comment    text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX script_version_script ON script_version (script_id, id DESC);

ALTER TABLE script_result ADD COLUMN version_id bigint
    CONSTRAINT script_result_version_fkey REFERENCES script_version ON DELETE SET NULL;
ALTER TABLE script_result ADD COLUMN instance integer NOT NULL DEFAULT 0;
ALTER TABLE script_result ADD COLUMN parameters jsonb NOT NULL DEFAULT '{}';
ALTER TABLE script_result DROP CONSTRAINT script_result_boot_name_key;
ALTER TABLE script_result ADD CONSTRAINT script_result_boot_name_key UNIQUE (boot_id, name, instance);
CREATE INDEX script_result_version ON script_result (version_id) WHERE version_id IS NOT NULL;

SELECT audit_table('script', name => '$.name', shown => '{name, metadata, sha256}');
