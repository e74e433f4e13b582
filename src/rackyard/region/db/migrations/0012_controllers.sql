-- SPDX-License-Identifier: GPL-3.0-or-later
-- How controllers are: what each region's worker and each rack's agent last said of itself, and when a service last failed.

CREATE TABLE region (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_id      text NOT NULL CONSTRAINT region_system_id_key UNIQUE
                   CHECK (system_id ~ '^[abcdefghkmnpqrstwxyz][abcdefghkmnpqrstwxyz346789]{5}$'),
    name           text NOT NULL CONSTRAINT region_name_key UNIQUE,
    version        text NOT NULL DEFAULT '',
    seen_at        timestamptz NOT NULL,
    cert_not_after timestamptz,
    names          jsonb NOT NULL DEFAULT '{}',     -- name of a subnet → addresses that its name server has there
    names_trouble  text NOT NULL DEFAULT ''         -- why its name server does not have what it should
);

CREATE TABLE region_service (
    region_id  bigint NOT NULL REFERENCES region ON DELETE CASCADE,
    name       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('running', 'dead', 'off', 'degraded', 'unknown')),
    info       text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL,
    failure    text NOT NULL DEFAULT '',
    failed_at  timestamptz,
    PRIMARY KEY (region_id, name)
);

ALTER TABLE rack_service ADD COLUMN failure text NOT NULL DEFAULT '';
ALTER TABLE rack_service ADD COLUMN failed_at timestamptz;

ALTER TABLE rack ADD COLUMN desired_at timestamptz;

CREATE TABLE rack_report (
    rack_id         bigint PRIMARY KEY REFERENCES rack ON DELETE CASCADE,
    channels        jsonb NOT NULL,
    reports_waiting integer NOT NULL,
    posts_waiting   integer NOT NULL,
    posts_refused   integer NOT NULL,
    updated_at      timestamptz NOT NULL
);

CREATE TABLE database_timeline (
    timeline bigint PRIMARY KEY,
    since    timestamptz NOT NULL
);
