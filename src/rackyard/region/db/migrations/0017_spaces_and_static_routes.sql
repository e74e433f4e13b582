-- SPDX-License-Identifier: GPL-3.0-or-later
-- Spaces: VLANs that reach each other; a VLAN without one is in the space that MAAS calls undefined. And routes that the
-- machines of a subnet are told of besides the default one.

CREATE TABLE space (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT space_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);

ALTER TABLE vlan ADD COLUMN space_id bigint CONSTRAINT vlan_space_fkey REFERENCES space ON DELETE SET NULL;

CREATE TABLE static_route (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id      bigint NOT NULL CONSTRAINT static_route_source_fkey REFERENCES subnet ON DELETE CASCADE,
    destination_id bigint NOT NULL CONSTRAINT static_route_destination_fkey REFERENCES subnet ON DELETE CASCADE,
    gateway_ip     inet NOT NULL,
    metric         integer NOT NULL DEFAULT 0 CONSTRAINT static_route_metric_range CHECK (metric >= 0),
    CONSTRAINT static_route_key UNIQUE (source_id, destination_id, gateway_ip),
    CONSTRAINT static_route_elsewhere CHECK (destination_id <> source_id)
);
CREATE INDEX static_route_destination ON static_route (destination_id);
CREATE TRIGGER static_route_desired AFTER INSERT OR UPDATE OR DELETE ON static_route
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
