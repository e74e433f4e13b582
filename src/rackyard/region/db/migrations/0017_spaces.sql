-- SPDX-License-Identifier: GPL-3.0-or-later
-- Spaces: VLANs that reach each other. A VLAN without one is in the space that MAAS calls undefined.

CREATE TABLE space (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT space_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);

ALTER TABLE vlan ADD COLUMN space_id bigint CONSTRAINT vlan_space_fkey REFERENCES space ON DELETE SET NULL;
