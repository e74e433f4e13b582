-- SPDX-License-Identifier: GPL-3.0-or-later
-- What people say of the NICs of machines, beside what commissioning finds: names, tags, and how each is linked to subnets.

ALTER TABLE machine_interface
    ADD COLUMN tags     text[] NOT NULL DEFAULT '{}',
    ADD COLUMN enabled  boolean NOT NULL DEFAULT true,
    ADD COLUMN mtu      integer CONSTRAINT machine_interface_mtu_range CHECK (mtu BETWEEN 552 AND 65535),
    ADD COLUMN declared text[] NOT NULL DEFAULT '{}';

CREATE TABLE interface_link (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    interface_id bigint NOT NULL CONSTRAINT interface_link_interface_fkey REFERENCES machine_interface ON DELETE CASCADE,
    mode         text NOT NULL
                 CONSTRAINT interface_link_mode CHECK (mode IN ('auto', 'dhcp', 'link_up', 'static')),
    subnet_id    bigint CONSTRAINT interface_link_subnet_fkey REFERENCES subnet,
    ip           inet CONSTRAINT interface_link_ip_key UNIQUE,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT interface_link_address CHECK ((mode IN ('auto', 'static')) = (ip IS NOT NULL)),
    CONSTRAINT interface_link_place CHECK (ip IS NULL OR subnet_id IS NOT NULL)
);
CREATE INDEX interface_link_interface ON interface_link (interface_id);
CREATE INDEX interface_link_subnet ON interface_link (subnet_id);
CREATE TRIGGER interface_link_desired AFTER INSERT OR UPDATE OR DELETE ON interface_link
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();

CREATE TABLE default_gateway (
    machine_id bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    family     integer NOT NULL CHECK (family IN (4, 6)),
    link_id    bigint NOT NULL CONSTRAINT default_gateway_link_key UNIQUE REFERENCES interface_link ON DELETE CASCADE,
    PRIMARY KEY (machine_id, family)
);
