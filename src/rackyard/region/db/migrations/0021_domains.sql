-- SPDX-License-Identifier: GPL-3.0-or-later
-- Domains of the site's own, beside the internal one, and what is in them.

CREATE TABLE domain (
    -- 0 stands for the internal domain, which is no row.
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL CONSTRAINT domain_name_key UNIQUE,
    ttl           integer CONSTRAINT domain_ttl_range CHECK (ttl BETWEEN 1 AND 604800),
    authoritative boolean NOT NULL DEFAULT true     -- served by the regions
);

CREATE TABLE dns_resource (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    domain_id   bigint NOT NULL CONSTRAINT dns_resource_domain_fkey REFERENCES domain,
    name        text NOT NULL,                      -- @ for the domain itself
    address_ttl integer CONSTRAINT dns_resource_ttl_range CHECK (address_ttl BETWEEN 1 AND 604800),
    addresses   inet[] NOT NULL DEFAULT '{}',
    CONSTRAINT dns_resource_name_key UNIQUE (domain_id, name)
);

CREATE TABLE dns_record (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    resource_id bigint NOT NULL CONSTRAINT dns_record_resource_fkey REFERENCES dns_resource ON DELETE CASCADE,
    rrtype      text NOT NULL,
    rrdata      text NOT NULL,
    ttl         integer CONSTRAINT dns_record_ttl_range CHECK (ttl BETWEEN 1 AND 604800),
    CONSTRAINT dns_record_key UNIQUE (resource_id, rrtype, rrdata)
);

CREATE TRIGGER domain_desired AFTER INSERT OR UPDATE OR DELETE ON domain FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER dns_resource_desired AFTER INSERT OR UPDATE OR DELETE ON dns_resource
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER dns_record_desired AFTER INSERT OR UPDATE OR DELETE ON dns_record
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
