-- SPDX-License-Identifier: GPL-3.0-or-later
-- What people mark machines with: tags, texts of their owner and of what runs on them, and a lock against changes.

CREATE TABLE tag (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT tag_name_key UNIQUE
                CONSTRAINT tag_name_form CHECK (name ~ '^[a-zA-Z0-9_-]+$'),
    comment     text NOT NULL DEFAULT '',
    kernel_opts text NOT NULL DEFAULT ''
);

CREATE TABLE machine_tag (
    tag_id     bigint NOT NULL CONSTRAINT machine_tag_tag_fkey REFERENCES tag ON DELETE CASCADE,
    machine_id bigint NOT NULL CONSTRAINT machine_tag_machine_fkey REFERENCES machine ON DELETE CASCADE,
    PRIMARY KEY (machine_id, tag_id)
);
CREATE INDEX machine_tag_tag ON machine_tag (tag_id);

ALTER TABLE machine ADD COLUMN locked boolean NOT NULL DEFAULT false;
ALTER TABLE machine ADD COLUMN owner_data jsonb NOT NULL DEFAULT '{}';
ALTER TABLE machine ADD COLUMN workload_annotations jsonb NOT NULL DEFAULT '{}';
