-- SPDX-License-Identifier: GPL-3.0-or-later
-- People: passwords, when a key was used, SSH keys, and who tried to log in from where.

ALTER TABLE account ADD COLUMN email text NOT NULL DEFAULT '';
ALTER TABLE account ADD COLUMN password_hash text;

ALTER TABLE api_key ADD COLUMN last_used_at timestamptz;

CREATE TABLE ssh_key (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    key         text NOT NULL,
    key_sha256  bytea NOT NULL CHECK (length(key_sha256) = 32),
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ssh_key_once UNIQUE (account_id, key_sha256)
);

CREATE TABLE login_attempt (
    username text NOT NULL,
    address  text NOT NULL,
    attempts integer NOT NULL,
    since    timestamptz NOT NULL,
    PRIMARY KEY (username, address)
);
CREATE INDEX login_attempt_since ON login_attempt (since);
