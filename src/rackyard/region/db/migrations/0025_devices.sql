-- SPDX-License-Identifier: GPL-3.0-or-later
-- Devices: hosts that others look after and that want a name and an address, such as switches, PDUs, containers.

CREATE TABLE device (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_id   text NOT NULL CONSTRAINT device_system_id_key UNIQUE
                CHECK (system_id ~ '^[abcdefghkmnpqrstwxyz][abcdefghkmnpqrstwxyz346789]{5}$'),
    hostname    text NOT NULL CONSTRAINT device_hostname_key UNIQUE
                CONSTRAINT device_hostname_form CHECK (hostname ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    description text NOT NULL DEFAULT '',
    domain_id   bigint CONSTRAINT device_domain_fkey REFERENCES domain, -- none: the internal one, which is no row
    parent_id   bigint CONSTRAINT device_parent_fkey REFERENCES machine ON DELETE CASCADE,
    zone_id     bigint NOT NULL DEFAULT 1 CONSTRAINT device_zone_fkey REFERENCES zone,
    owner_id    bigint REFERENCES account ON DELETE SET NULL,
    owner_data  jsonb NOT NULL DEFAULT '{}',    -- texts by name, as are the annotations
    workload_annotations jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);
CREATE INDEX device_parent ON device (parent_id) WHERE parent_id IS NOT NULL;

CREATE TABLE device_interface (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id bigint NOT NULL CONSTRAINT device_interface_device_fkey REFERENCES device ON DELETE CASCADE,
    name      text NOT NULL,
    mac       macaddr NOT NULL CONSTRAINT device_interface_mac_key UNIQUE,
    vlan_id   bigint REFERENCES vlan ON DELETE SET NULL,
    tags      text[] NOT NULL DEFAULT '{}',
    CONSTRAINT device_interface_name_key UNIQUE (device_id, name)
);

CREATE TABLE device_tag (
    tag_id    bigint NOT NULL CONSTRAINT device_tag_tag_fkey REFERENCES tag ON DELETE CASCADE,
    device_id bigint NOT NULL CONSTRAINT device_tag_device_fkey REFERENCES device ON DELETE CASCADE,
    PRIMARY KEY (device_id, tag_id)
);
CREATE INDEX device_tag_tag ON device_tag (tag_id);

-- Which addresses devices have now: DHCP and names follow it.
CREATE VIEW device_address AS
SELECT device_interface.device_id, device_interface.id AS interface_id, lease.ip
FROM device_interface JOIN lease ON lease.mac = device_interface.mac
WHERE lease.state = 'commit' AND (lease.expires_at IS NULL OR lease.expires_at > now());

-- dhcpd knows devices by their MACs, name servers by their names and leases. A lease of a machine is no news.
CREATE TRIGGER device_desired AFTER INSERT OR UPDATE OR DELETE ON device FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER device_interface_desired AFTER INSERT OR UPDATE OR DELETE ON device_interface
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();

CREATE FUNCTION notify_device_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM device_interface WHERE mac IN (OLD.mac, NEW.mac)) THEN
        PERFORM pg_notify('rackyard_desired', '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER lease_of_device_added AFTER INSERT ON lease FOR EACH ROW EXECUTE FUNCTION notify_device_lease();
-- A renewal is no news.
CREATE TRIGGER lease_of_device_changed AFTER UPDATE ON lease FOR EACH ROW
    WHEN ((OLD.mac, OLD.state) IS DISTINCT FROM (NEW.mac, NEW.state)) EXECUTE FUNCTION notify_device_lease();
