-- SPDX-License-Identifier: GPL-3.0-or-later
-- Package repositories that machines have beside their image's, and zones of racks and regions.

CREATE TABLE package_repository (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL CONSTRAINT package_repository_name_key UNIQUE,
    url             text NOT NULL,
    distributions   text[] NOT NULL,                -- none: the release that the machine boots
    components      text[] NOT NULL,
    arches          text[] NOT NULL,                -- whose machines have it
    key             text,                           -- of whoever signs it, ASCII-armoured
    enabled         boolean NOT NULL,
    disable_sources boolean NOT NULL                -- packages only, no sources of packages
);

SELECT audit_table('package_repository', name => '$.name',
    shown => '{name, url, distributions, components, arches, enabled, disable_sources}', secret => '{key}');

ALTER TABLE rack ADD COLUMN zone_id bigint NOT NULL DEFAULT 1 CONSTRAINT rack_zone_fkey REFERENCES zone;
ALTER TABLE region ADD COLUMN zone_id bigint NOT NULL DEFAULT 1 CONSTRAINT region_zone_fkey REFERENCES zone;

SELECT audit_table('rack', name => '$.hostname', node => '$.system_id',
    shown => ARRAY['system_id', 'hostname', 'revoked_at', 'drained_until', 'zone_id=(SELECT name FROM zone WHERE id = $.zone_id)']);
SELECT audit_table('region', name => '$.name', node => '$.system_id',
    shown => ARRAY['system_id', 'name', 'zone_id=(SELECT name FROM zone WHERE id = $.zone_id)']);
