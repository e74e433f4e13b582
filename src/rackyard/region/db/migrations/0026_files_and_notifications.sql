-- SPDX-License-Identifier: GPL-3.0-or-later
-- Files that programs keep here, and notifications to people.

CREATE TABLE stored_file (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    name       text NOT NULL,
    key        text NOT NULL CONSTRAINT stored_file_key_key UNIQUE, -- whoever knows it may read the file
    content    bytea NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT stored_file_name_key UNIQUE (account_id, name)
);

CREATE TABLE notification (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ident       text CONSTRAINT notification_ident_key UNIQUE,  -- by which a program finds its own again
    account_id  bigint REFERENCES account ON DELETE CASCADE,    -- for one person
    users       boolean NOT NULL,                               -- for all who are no administrators
    admins      boolean NOT NULL,
    message     text NOT NULL,
    context     jsonb NOT NULL,
    category    text NOT NULL
                CONSTRAINT notification_category CHECK (category IN ('error', 'warning', 'success', 'info')),
    dismissable boolean NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE TABLE notification_dismissal (
    notification_id bigint NOT NULL CONSTRAINT notification_dismissal_fkey REFERENCES notification ON DELETE CASCADE,
    account_id      bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (notification_id, account_id)
);
