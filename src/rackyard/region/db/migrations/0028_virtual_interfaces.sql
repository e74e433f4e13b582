-- SPDX-License-Identifier: GPL-3.0-or-later
-- Interfaces of machines that are made of others: bonds, bridges, and VLANs on top of one. Only NICs have a mac, by which
-- leases, racks and commissioning know them; whatever is made of NICs shows one of theirs, or one of its own.

ALTER TABLE machine_interface
    ALTER COLUMN mac DROP NOT NULL,
    ADD COLUMN type text NOT NULL DEFAULT 'physical'
               CONSTRAINT machine_interface_type CHECK (type IN ('physical', 'bond', 'bridge', 'vlan')),
    ADD COLUMN virtual_mac macaddr,
    ADD COLUMN params jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT machine_interface_macs CHECK (CASE type WHEN 'physical' THEN mac IS NOT NULL AND virtual_mac IS NULL
                                                 ELSE mac IS NULL AND virtual_mac IS NOT NULL END);

CREATE TABLE interface_parent (
    child_id  bigint NOT NULL REFERENCES machine_interface ON DELETE CASCADE,
    parent_id bigint NOT NULL REFERENCES machine_interface ON DELETE CASCADE,
    PRIMARY KEY (child_id, parent_id),
    CONSTRAINT interface_parent_other CHECK (parent_id <> child_id)
);
CREATE INDEX interface_parent_parent ON interface_parent (parent_id);
