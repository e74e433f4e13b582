-- SPDX-License-Identifier: GPL-3.0-or-later
-- Machines that nobody has registered: whether a subnet lets them in, and the boots in which they describe themselves.

ALTER TABLE subnet ADD COLUMN enlistment text NOT NULL DEFAULT 'off'
    CONSTRAINT subnet_enlistment_mode CHECK (enlistment IN ('off', 'new', 'commission'));

CREATE TABLE enlistment (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    boot_id             text NOT NULL CONSTRAINT enlistment_boot_id_key UNIQUE CHECK (boot_id ~ '^[0-9a-f]{32}$'),
    mac                 macaddr NOT NULL,
    address             inet NOT NULL,
    subnet_id           bigint REFERENCES subnet ON DELETE SET NULL,
    rack_id             bigint REFERENCES rack ON DELETE SET NULL,
    commission          boolean NOT NULL,
    outcome             text NOT NULL DEFAULT 'running'
                        CHECK (outcome IN ('running', 'done', 'failed', 'known', 'contradiction')),
    detail              text NOT NULL DEFAULT '',
    consumer_key        text NOT NULL,
    token_key           text NOT NULL CONSTRAINT enlistment_token_key_key UNIQUE,
    token_secret_sha256 bytea NOT NULL CHECK (length(token_secret_sha256) = 32),
    token_secret        bytea NOT NULL,           -- Fernet, as a boot's
    requested_at        timestamptz NOT NULL,
    ends_at             timestamptz NOT NULL,
    ended_at            timestamptz,
    -- The machine that came of it, and when somebody has vouched for it.
    machine_id          bigint REFERENCES machine ON DELETE SET NULL,
    accepted_at         timestamptz
);
CREATE INDEX enlistment_mac ON enlistment (mac, id DESC);
CREATE INDEX enlistment_machine ON enlistment (machine_id) WHERE machine_id IS NOT NULL;

-- What such a machine has printed so far; it goes when the boot is over.
CREATE TABLE enlistment_result (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    enlistment_id bigint NOT NULL REFERENCES enlistment ON DELETE CASCADE,
    name          text NOT NULL,
    status        smallint NOT NULL DEFAULT 0,
    stdout        bytea NOT NULL DEFAULT '',
    UNIQUE (enlistment_id, name)
);

SELECT audit_table('subnet', name => '$.name || CASE WHEN $.name = $.cidr::text THEN '''' ELSE '' ('' || $.cidr || '')'' END',
    shown => ARRAY['name', 'description',
        'vlan_id=(SELECT vid || '' of '' || fabric.name FROM vlan JOIN fabric ON fabric.id = fabric_id WHERE vlan.id = $.vlan_id)',
        'cidr', 'gateway_ip', 'dns_servers', 'allow_dns', 'allow_proxy', 'managed', 'router_advertisements', 'enlistment']);
