-- SPDX-License-Identifier: GPL-3.0-or-later
-- no transaction
-- Tags that machines get by themselves: an XPath expression over what lshw says of a machine.

ALTER TABLE tag
    ADD COLUMN IF NOT EXISTS definition text NOT NULL DEFAULT '',
    ADD COLUMN IF NOT EXISTS evaluated_to bigint,
    ADD COLUMN IF NOT EXISTS definition_fault text NOT NULL DEFAULT '';

CREATE TABLE IF NOT EXISTS machine_lshw (
    machine_id  bigint PRIMARY KEY CONSTRAINT machine_lshw_machine_fkey REFERENCES machine ON DELETE CASCADE,
    document    bytea NOT NULL,
    version     bigint NOT NULL DEFAULT 1,
    received_at timestamptz NOT NULL,
    pending     boolean NOT NULL DEFAULT true
);

CREATE INDEX IF NOT EXISTS machine_lshw_pending ON machine_lshw (machine_id) WHERE pending;

SELECT audit_table('tag', name => '$.name', shown => '{name, comment, definition, kernel_opts}');
