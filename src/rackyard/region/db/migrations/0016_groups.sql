-- SPDX-License-Identifier: GPL-3.0-or-later
-- Zones (what fails together) and resource pools (what is given out together): each machine is in one of both.

CREATE TABLE zone (
    id          bigint GENERATED ALWAYS AS IDENTITY (START WITH 2) PRIMARY KEY,
    name        text NOT NULL CONSTRAINT zone_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);
INSERT INTO zone (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'default');

CREATE TABLE resource_pool (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT resource_pool_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);
INSERT INTO resource_pool (id, name, description) OVERRIDING SYSTEM VALUE VALUES (0, 'default', 'Default pool');

ALTER TABLE machine ADD COLUMN zone_id bigint NOT NULL DEFAULT 1 CONSTRAINT machine_zone_fkey REFERENCES zone;
ALTER TABLE machine ADD COLUMN pool_id bigint NOT NULL DEFAULT 0 CONSTRAINT machine_pool_fkey REFERENCES resource_pool;
