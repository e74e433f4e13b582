-- SPDX-License-Identifier: GPL-3.0-or-later
-- When this site was restored, and from what: what was issued between backup and restore is known to others, not to the
-- database.

CREATE TABLE restoration (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at       timestamptz NOT NULL,
    restored_at    timestamptz NOT NULL,
    archive_sha256 text NOT NULL
);

-- A backup that was loaded and is not fit for work yet. Where its schema is an older one, it brought this table along.
CREATE TABLE IF NOT EXISTS restoring (
    taken_at       timestamptz NOT NULL,
    archive_sha256 text NOT NULL
);
