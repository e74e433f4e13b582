-- SPDX-License-Identifier: GPL-3.0-or-later
-- Addresses that people have reserved: nothing else gets one.

CREATE TABLE reserved_address (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ip         inet NOT NULL CONSTRAINT reserved_address_ip_key UNIQUE,
    subnet_id  bigint NOT NULL CONSTRAINT reserved_address_subnet_fkey REFERENCES subnet,
    account_id bigint NOT NULL CONSTRAINT reserved_address_account_fkey REFERENCES account,
    -- What leads to it, if anything does.
    hostname   text CONSTRAINT reserved_address_hostname_form CHECK (hostname ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    domain_id  bigint CONSTRAINT reserved_address_domain_fkey REFERENCES domain, -- none: the internal one, which is no row
    -- To whom DHCP gives it, if to anybody.
    mac        macaddr,
    created_at timestamptz NOT NULL,
    CONSTRAINT reserved_address_mac_key UNIQUE (subnet_id, mac),
    CONSTRAINT reserved_address_domain CHECK (domain_id IS NULL OR hostname IS NOT NULL)
);
CREATE INDEX reserved_address_account ON reserved_address (account_id);
CREATE INDEX reserved_address_domain_of ON reserved_address (domain_id) WHERE domain_id IS NOT NULL;
CREATE TRIGGER reserved_address_desired AFTER INSERT OR UPDATE OR DELETE ON reserved_address
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();

SELECT audit_table('reserved_address', name => 'host($.ip)',
    shown => ARRAY['ip', 'subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)',
        'account_id=(SELECT username FROM account WHERE id = $.account_id)', 'hostname',
        'domain_id=(SELECT name FROM domain WHERE id = $.domain_id)', 'mac']);
