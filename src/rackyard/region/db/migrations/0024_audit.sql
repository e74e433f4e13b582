-- SPDX-License-Identifier: GPL-3.0-or-later
-- no transaction
-- Each table is locked by itself, and briefly: so nobody who works with several of them meets this halfway.

-- Who changed what. Written by triggers, so that no new caller can forget it, in transactions that say whose deed they
-- are; what machines do, and the region by itself, is no person's deed. Nothing refers to other rows: entries outlive
-- the account and the object that they name. Numbered together with events, beside which they are read.
CREATE TABLE IF NOT EXISTS audit (
    id         bigint DEFAULT nextval('event_id_seq') PRIMARY KEY,
    at         timestamptz NOT NULL,
    actor      text NOT NULL,
    account_id bigint,                              -- none: the command line of a region host
    source     text NOT NULL,                       -- api, cli, page
    address    text NOT NULL,                       -- from where: an address, or the host of the command line
    request    text NOT NULL,                       -- without its parameters
    action     text NOT NULL,                       -- create, change, delete; refused, login_failed; more of these
    object     text NOT NULL DEFAULT '',            -- the table
    object_id  text NOT NULL DEFAULT '',
    name       text NOT NULL DEFAULT '',
    node       text,                                -- system_id of the machine or controller that it is about
    before     jsonb,                               -- of a change: the changed columns only
    after      jsonb,
    note       text NOT NULL DEFAULT '',
    tries      integer,                             -- of what was refused, again and again
    last_at    timestamptz,
    written_by xid8 DEFAULT pg_current_xact_id()    -- as in event
);

CREATE INDEX IF NOT EXISTS audit_at ON audit (at);

CREATE INDEX IF NOT EXISTS audit_actor ON audit (actor, id DESC);

CREATE INDEX IF NOT EXISTS audit_object ON audit (object, name, id DESC);

CREATE INDEX IF NOT EXISTS audit_node ON audit (node, id DESC) WHERE node IS NOT NULL;

CREATE INDEX IF NOT EXISTS audit_refused ON audit (at) WHERE tries IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS event_audit;

CREATE INDEX CONCURRENTLY event_audit ON event (id) WHERE level = 0;

-- What is kept of an object's columns: nothing long, no login in a URL, and of a whole object nothing that is empty.
CREATE OR REPLACE FUNCTION audit_values(given jsonb, whole boolean) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(key, CASE
        WHEN length(masked::text) > 4000 THEN to_jsonb(left(masked #>> '{}', 4000) || '…') ELSE masked END)
    FROM jsonb_each(given) CROSS JOIN LATERAL (SELECT CASE
        WHEN value::text LIKE '%://%@%'
            THEN regexp_replace(value::text, '(://)[^/"\s]+@', '\1(secret)@', 'g')::jsonb
        ELSE value END) AS shown (masked)
    WHERE NOT whole OR value NOT IN ('null', '""', '{}', '[]', 'false')
$$;

CREATE OR REPLACE FUNCTION audit_write(action text, object text, object_id text, name text, node text, was jsonb, becomes jsonb)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    deed jsonb := current_setting('rackyard.deed')::jsonb;
BEGIN
    IF action = 'change' THEN
        SELECT jsonb_object_agg(key, value), jsonb_object_agg(key, becomes -> key) INTO was, becomes
        FROM jsonb_each(was) WHERE value IS DISTINCT FROM becomes -> key;
        IF was IS NULL THEN
            RETURN;
        END IF;
    END IF;
    INSERT INTO audit (at, actor, account_id, source, address, request, action, object, object_id, name, node,
                       before, after)
    VALUES ((deed ->> 'at')::timestamptz, deed ->> 'actor', (deed ->> 'account_id')::bigint, deed ->> 'source',
            deed ->> 'address', deed ->> 'request', action, object, object_id, coalesce(left(name, 300), ''), node,
            audit_values(was, action <> 'change'), audit_values(becomes, action <> 'change'));
END $$;

-- Have changes of a table recorded: called by the migration that makes it, and again by one that changes its columns.
-- A column is shown by its name, or as `column=expression`; of a secret one it is known only that it was changed; any
-- other is left out. In expressions `$.` is the row. `which`: the rows that count.
CREATE OR REPLACE FUNCTION audit_table(
    target regclass, name text, shown text[], secret text[] DEFAULT '{}', node text DEFAULT 'NULL',
    key text DEFAULT '$.id', which text DEFAULT 'true', events text DEFAULT 'INSERT OR UPDATE OR DELETE')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    item text;
    pairs text[] := '{}';
    compared_with text[] := '{}';
    built text;
    compared text;
    told text;
BEGIN
    FOREACH item IN ARRAY shown LOOP
        compared_with := compared_with || format('$.%I', split_part(item, '=', 1));
        -- What a reference is called is looked up only where it changed.
        pairs := pairs || CASE WHEN strpos(item, '=') > 0
            THEN format('%1$L, CASE WHEN TG_OP <> ''UPDATE'' OR OLD.%1$I IS DISTINCT FROM NEW.%1$I THEN %2$s END',
                        split_part(item, '=', 1), substr(item, strpos(item, '=') + 1))
            ELSE format('%1$L, $.%1$I', item) END;
    END LOOP;
    FOREACH item IN ARRAY secret LOOP
        compared_with := compared_with || format('$.%I', item);
        pairs := pairs || format('%L, CASE WHEN $.%I IS NULL THEN NULL WHEN TG_OP = ''UPDATE'' AND '
            'OLD.%I IS DISTINCT FROM NEW.%I THEN ''(%%s secret)'' ELSE ''(secret)'' END', item, item, item, item);
    END LOOP;
    built := format('jsonb_build_object(%s)', array_to_string(pairs, ', '));
    compared := format('ROW(%s)', array_to_string(compared_with, ', '));
    told := format('PERFORM audit_write(%%L, TG_TABLE_NAME, (%s)::text, %s, %s, %%s, %%s);', key, name, node);
    EXECUTE format(
        'CREATE OR REPLACE FUNCTION %I() RETURNS trigger LANGUAGE plpgsql AS $body$' || E'\nBEGIN\n'
        '    IF TG_OP = ''INSERT'' THEN IF %s THEN %s END IF;' || E'\n'
        '    ELSIF TG_OP = ''DELETE'' THEN IF %s THEN %s END IF;' || E'\n'
        '    ELSIF %s AND %s IS DISTINCT FROM %s THEN %s' || E'\n'
        '    END IF;' || E'\n    RETURN NULL;\nEND $body$',
        'audit_' || target::text,
        replace(which, '$.', 'NEW.'), replace(format(told, 'create', 'NULL', replace(built, '%s', 'new')), '$.', 'NEW.'),
        replace(which, '$.', 'OLD.'), replace(format(told, 'delete', replace(built, '%s', 'old'), 'NULL'), '$.', 'OLD.'),
        replace(which, '$.', 'NEW.'), replace(compared, '$.', 'OLD.'), replace(compared, '$.', 'NEW.'),
        replace(format(told, 'change', replace(replace(built, '%s', 'old'), '$.', 'OLD.'),
                       replace(replace(built, '%s', 'new'), '$.', 'NEW.')), '$.', 'NEW.'));
    EXECUTE format('CREATE OR REPLACE TRIGGER audited AFTER %s ON %s FOR EACH ROW '
        'WHEN (current_setting(''rackyard.deed'', true) <> '''') EXECUTE FUNCTION %I()', events, target, 'audit_' || target::text);
END $$;

SELECT audit_table('account', name => '$.username', shown => '{username, is_admin, email}', secret => '{password_hash}');

SELECT audit_table('api_key',
    name => '$.token_key || '' of '' || coalesce((SELECT username FROM account WHERE id = $.account_id), ''#'' || $.account_id)',
    shown => ARRAY['name', 'token_key', 'account_id=(SELECT username FROM account WHERE id = $.account_id)'],
    secret => '{consumer_key, token_secret_sha256}');

SELECT audit_table('ssh_key',
    name => '''SHA256:'' || rtrim(encode($.key_sha256, ''base64''), ''='') || '' of '' || '
            'coalesce((SELECT username FROM account WHERE id = $.account_id), ''#'' || $.account_id)',
    shown => ARRAY['key', 'account_id=(SELECT username FROM account WHERE id = $.account_id)']);

SELECT audit_table('setting', name => '$.name', key => '$.name', shown => '{value}');

SELECT audit_table('restoration', name => '''backup of '' || $.taken_at', shown => '{taken_at, archive_sha256}');

SELECT audit_table('rack', name => '$.hostname', node => '$.system_id',
    shown => '{system_id, hostname, revoked_at, drained_until}');

SELECT audit_table('region', name => '$.name', node => '$.system_id', shown => '{system_id, name}');

SELECT audit_table('enroll_token', name => 'coalesce(nullif($.name, ''''), ''any rack'')', shown => '{name, expires_at}',
    secret => '{secret_sha256}');

SELECT audit_table('fabric', name => '$.name', shown => '{name, description}');

SELECT audit_table('space', name => '$.name', shown => '{name, description}');

SELECT audit_table('vlan',
    name => '$.vid || '' of '' || coalesce((SELECT name FROM fabric WHERE id = $.fabric_id), ''#'' || $.fabric_id)',
    shown => ARRAY['fabric_id=(SELECT name FROM fabric WHERE id = $.fabric_id)', 'vid', 'name', 'description', 'mtu', 'dhcp_on',
        'primary_rack_id=(SELECT hostname FROM rack WHERE id = $.primary_rack_id)',
        'secondary_rack_id=(SELECT hostname FROM rack WHERE id = $.secondary_rack_id)',
        'relay_vlan_id=(SELECT vid || '' of '' || fabric.name FROM vlan JOIN fabric ON fabric.id = fabric_id WHERE vlan.id = $.relay_vlan_id)',
        'space_id=(SELECT name FROM space WHERE id = $.space_id)']);

SELECT audit_table('subnet', name => '$.name || CASE WHEN $.name = $.cidr::text THEN '''' ELSE '' ('' || $.cidr || '')'' END',
    shown => ARRAY['name', 'description',
        'vlan_id=(SELECT vid || '' of '' || fabric.name FROM vlan JOIN fabric ON fabric.id = fabric_id WHERE vlan.id = $.vlan_id)',
        'cidr', 'gateway_ip', 'dns_servers', 'allow_dns', 'allow_proxy', 'managed', 'router_advertisements']);

SELECT audit_table('static_route',
    name => '''from '' || coalesce((SELECT name FROM subnet WHERE id = $.source_id), ''#'' || $.source_id) || '' to '' || '
            'coalesce((SELECT name FROM subnet WHERE id = $.destination_id), ''#'' || $.destination_id) || '' through '' || host($.gateway_ip)',
    shown => ARRAY['source_id=(SELECT name FROM subnet WHERE id = $.source_id)',
        'destination_id=(SELECT name FROM subnet WHERE id = $.destination_id)', 'gateway_ip', 'metric']);

SELECT audit_table('ip_range', name => 'host($.start_ip) || '' - '' || host($.end_ip)',
    shown => ARRAY['subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)', 'type', 'start_ip', 'end_ip', 'comment']);

SELECT audit_table('image', name => '$.name', shown => '{name, arch, suite, is_default, is_current}');

SELECT audit_table('bmc', name => '$.type || '' '' || $.address', shown => '{type, address, port, parameters}', secret => '{secrets}');

SELECT audit_table('domain', name => '$.name', shown => '{name, ttl, authoritative}');

SELECT audit_table('dns_resource',
    name => 'CASE $.name WHEN ''@'' THEN '''' ELSE $.name || ''.'' END || coalesce((SELECT name FROM domain WHERE id = $.domain_id), ''#'' || $.domain_id)',
    shown => ARRAY['domain_id=(SELECT name FROM domain WHERE id = $.domain_id)', 'name', 'address_ttl', 'addresses']);

SELECT audit_table('dns_record',
    name => '$.rrtype || '' of '' || coalesce((SELECT CASE dns_resource.name WHEN ''@'' THEN '''' ELSE dns_resource.name || ''.'' END || domain.name '
            'FROM dns_resource JOIN domain ON domain.id = domain_id WHERE dns_resource.id = $.resource_id), ''#'' || $.resource_id)',
    shown => '{rrtype, rrdata, ttl}');

SELECT audit_table('zone', name => '$.name', shown => '{name, description}');

SELECT audit_table('resource_pool', name => '$.name', shown => '{name, description}');

SELECT audit_table('machine', name => '$.hostname', node => '$.system_id',
    shown => ARRAY['system_id', 'hostname', 'description', 'architecture', 'status', 'power_type', 'boot_mac', 'commissioning_suite',
        'owner_id=(SELECT username FROM account WHERE id = $.owner_id)',
        'bmc_id=(SELECT type || '' '' || address FROM bmc WHERE id = $.bmc_id)', 'bmc_slot', 'power_parameters',
        'zone_id=(SELECT name FROM zone WHERE id = $.zone_id)',
        'pool_id=(SELECT name FROM resource_pool WHERE id = $.pool_id)',
        'locked', 'owner_data', 'workload_annotations']);

SELECT audit_table('machine_interface',
    name => '$.name || '' ('' || $.mac || '') of '' || coalesce((SELECT hostname FROM machine WHERE id = $.machine_id), ''#'' || $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)',
    shown => ARRAY['name', 'mac',
        'vlan_id=(SELECT vid || '' of '' || fabric.name FROM vlan JOIN fabric ON fabric.id = fabric_id WHERE vlan.id = $.vlan_id)']);

SELECT audit_table('tag', name => '$.name', shown => '{name, comment, kernel_opts}');

SELECT audit_table('machine_tag', key => '$.tag_id || ''/'' || $.machine_id',
    name => 'coalesce((SELECT name FROM tag WHERE id = $.tag_id), ''#'' || $.tag_id) || '' of '' || '
            'coalesce((SELECT hostname FROM machine WHERE id = $.machine_id), ''#'' || $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)',
    shown => ARRAY['tag_id=(SELECT name FROM tag WHERE id = $.tag_id)',
        'machine_id=(SELECT hostname FROM machine WHERE id = $.machine_id)']);

SELECT audit_table('operation', events => 'INSERT OR UPDATE',
    name => '$.kind || '' of '' || (SELECT hostname FROM machine WHERE id = $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)', shown => '{kind, outcome}');

SELECT audit_table('job', events => 'INSERT OR UPDATE', which => '$.kind IN (''power_on'', ''power_off'')',
    name => '$.kind || '' of '' || (SELECT hostname FROM machine WHERE id = $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)', shown => '{kind, state}');
