-- SPDX-License-Identifier: GPL-3.0-or-later
-- Machines have names in DNS: in the internal domain, or in one of the site's own; and which one a new machine is in.

ALTER TABLE domain ADD COLUMN is_default boolean NOT NULL DEFAULT false;
CREATE UNIQUE INDEX domain_default_key ON domain (is_default) WHERE is_default;

ALTER TABLE machine ADD COLUMN domain_id bigint CONSTRAINT machine_domain_fkey REFERENCES domain;
CREATE INDEX machine_domain ON machine (domain_id) WHERE domain_id IS NOT NULL;

-- Domains with what is told of them: how many records operators have put there.
CREATE VIEW domain_told AS
SELECT domain.id, domain.name, domain.ttl, domain.authoritative, domain.is_default,
       (SELECT coalesce(sum(cardinality(dns_resource.addresses)), 0) FROM dns_resource
        WHERE dns_resource.domain_id = domain.id)
       + (SELECT count(*) FROM dns_record JOIN dns_resource ON dns_resource.id = dns_record.resource_id
          WHERE dns_resource.domain_id = domain.id) AS record_count
FROM domain;

-- Which addresses machines have now by their leases, or are to have by their links.
CREATE VIEW machine_address AS
SELECT machine_interface.machine_id, machine_interface.vlan_id, lease.ip
FROM lease JOIN machine_interface ON machine_interface.mac = lease.mac
WHERE lease.state = 'commit' AND (lease.expires_at IS NULL OR lease.expires_at > now())
UNION ALL
SELECT machine_interface.machine_id, machine_interface.vlan_id, interface_link.ip
FROM interface_link JOIN machine_interface ON machine_interface.id = interface_link.interface_id
WHERE interface_link.ip IS NOT NULL;

-- Name servers follow the names and leases of machines; what racks are told does not change by them.
CREATE FUNCTION notify_machine_lease() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM machine_interface WHERE mac IN (OLD.mac, NEW.mac)) THEN
        PERFORM pg_notify('rackyard_names', '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER lease_of_machine_added AFTER INSERT ON lease FOR EACH ROW EXECUTE FUNCTION notify_machine_lease();
-- A renewal is no news.
CREATE TRIGGER lease_of_machine_changed AFTER UPDATE ON lease FOR EACH ROW
    WHEN ((OLD.mac, OLD.state) IS DISTINCT FROM (NEW.mac, NEW.state)) EXECUTE FUNCTION notify_machine_lease();

CREATE FUNCTION notify_names() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rackyard_names', '');
    RETURN NULL;
END $$;

CREATE TRIGGER machine_named AFTER UPDATE ON machine FOR EACH ROW
    WHEN ((OLD.hostname, OLD.domain_id) IS DISTINCT FROM (NEW.hostname, NEW.domain_id)) EXECUTE FUNCTION notify_names();

SELECT audit_table('domain', name => '$.name', shown => '{name, ttl, authoritative, is_default}');
SELECT audit_table('machine', name => '$.hostname', node => '$.system_id',
    shown => ARRAY['system_id', 'hostname', 'description', 'architecture', 'status', 'power_type', 'boot_mac', 'commissioning_suite',
        'owner_id=(SELECT username FROM account WHERE id = $.owner_id)',
        'bmc_id=(SELECT type || '' '' || address FROM bmc WHERE id = $.bmc_id)', 'bmc_slot', 'power_parameters',
        'zone_id=(SELECT name FROM zone WHERE id = $.zone_id)',
        'pool_id=(SELECT name FROM resource_pool WHERE id = $.pool_id)',
        'domain_id=(SELECT name FROM domain WHERE id = $.domain_id)',
        'locked', 'owner_data', 'workload_annotations']);
