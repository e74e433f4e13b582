-- SPDX-License-Identifier: GPL-3.0-or-later
-- Operators' own lines in dhcpd's configuration, all that each of them has said, and what racks are asked before a region
-- keeps them.

CREATE TABLE dhcp_snippet (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT dhcp_snippet_name_key UNIQUE,
    description text NOT NULL DEFAULT '',
    enabled     boolean NOT NULL DEFAULT true,
    value       text NOT NULL,
    -- What it is for; without any of them it is for everything.
    subnet_id   bigint CONSTRAINT dhcp_snippet_subnet_fkey REFERENCES subnet ON DELETE CASCADE,
    ip_range_id bigint CONSTRAINT dhcp_snippet_ip_range_fkey REFERENCES ip_range ON DELETE CASCADE,
    machine_id  bigint CONSTRAINT dhcp_snippet_machine_fkey REFERENCES machine ON DELETE CASCADE,
    CONSTRAINT dhcp_snippet_one_scope CHECK (num_nonnulls(subnet_id, ip_range_id, machine_id) <= 1)
);
CREATE INDEX dhcp_snippet_subnet ON dhcp_snippet (subnet_id);
CREATE INDEX dhcp_snippet_ip_range ON dhcp_snippet (ip_range_id);
CREATE INDEX dhcp_snippet_machine ON dhcp_snippet (machine_id);
CREATE TRIGGER dhcp_snippet_desired AFTER INSERT OR UPDATE OR DELETE ON dhcp_snippet
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();

-- The last one is what the snippet says now.
CREATE TABLE dhcp_snippet_value (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    snippet_id bigint NOT NULL REFERENCES dhcp_snippet ON DELETE CASCADE,
    value      text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX dhcp_snippet_value_snippet ON dhcp_snippet_value (snippet_id);

CREATE TABLE dhcp_check (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rack_id    bigint NOT NULL CONSTRAINT dhcp_check_rack_fkey REFERENCES rack ON DELETE CASCADE,
    question   jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    taken_at   timestamptz,
    words      text -- what dhcpd said; empty when it would take it
);
CREATE INDEX dhcp_check_rack ON dhcp_check (rack_id);

CREATE FUNCTION notify_dhcp_check() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.words IS NOT NULL THEN
        PERFORM pg_notify('rackyard_dhcp_checks', NEW.id::text);
    ELSE
        PERFORM pg_notify('rackyard_jobs', (SELECT system_id FROM rack WHERE id = NEW.rack_id));
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER dhcp_check_asked AFTER INSERT OR UPDATE OF words ON dhcp_check
    FOR EACH ROW EXECUTE FUNCTION notify_dhcp_check();

SELECT audit_table('dhcp_snippet', name => '$.name',
    shown => ARRAY['name', 'description', 'enabled', 'value', 'subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)',
        'ip_range_id=(SELECT host(start_ip) || '' - '' || host(end_ip) FROM ip_range WHERE id = $.ip_range_id)',
        'machine_id=(SELECT hostname FROM machine WHERE id = $.machine_id)']);
