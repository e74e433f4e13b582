-- SPDX-License-Identifier: GPL-3.0-or-later
-- The whole state of a Rackyard site. All times are timestamptz (UTC).
-- Names follow the field: machine, rack, fabric, VLAN, subnet, IP range, boot, lease.
-- Foreign keys named <table>_id always hold that table's bigint id, never a text identifier.

-- A range over addresses, so that overlapping IP ranges are impossible and not merely checked for.
CREATE TYPE inetrange AS RANGE (subtype = inet);

CREATE TABLE schema_migration (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE setting (
    name  text PRIMARY KEY,
    value jsonb NOT NULL
);

-- When this site was restored, and from what: what was issued between backup and restore is known to others, not here.
CREATE TABLE restoration (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at       timestamptz NOT NULL,        -- of the backup
    restored_at    timestamptz NOT NULL,
    archive_sha256 text NOT NULL                -- of its manifest
);

-- A backup that was loaded and is not fit for work yet: as long as there is one, no process of a region starts.
CREATE TABLE restoring (
    taken_at       timestamptz NOT NULL,
    archive_sha256 text NOT NULL
);

-- People and their API keys ---------------------------------------------------------------------

CREATE TABLE account (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username   text NOT NULL CONSTRAINT account_username_key UNIQUE
               CONSTRAINT account_username_form CHECK (username ~ '^[A-Za-z0-9@.+_-]{1,150}$'),
    is_admin   boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    email      text NOT NULL DEFAULT '',
    password_hash text                              -- Argon2id; none: keys only
);

CREATE TABLE api_key (
    id                  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id          bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    name                text NOT NULL DEFAULT '',
    consumer_key        text NOT NULL,
    token_key           text NOT NULL CONSTRAINT api_key_token_key_key UNIQUE,
    token_secret_sha256 bytea NOT NULL CHECK (length(token_secret_sha256) = 32),
    created_at          timestamptz NOT NULL DEFAULT now(),
    last_used_at        timestamptz                 -- to the minute: not every request writes
);
CREATE INDEX api_key_account ON api_key (account_id);

CREATE TABLE ssh_key (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    key         text NOT NULL,                      -- a line as in authorized_keys
    key_sha256  bytea NOT NULL CHECK (length(key_sha256) = 32), -- without its comment
    created_at  timestamptz NOT NULL DEFAULT now(),
    source      text NOT NULL DEFAULT '',           -- gh:NAME or lp:NAME, where it was imported
    CONSTRAINT ssh_key_once UNIQUE (account_id, key_sha256)
);

-- Since when a user name was tried from an address, and how often. No account has to have the name.
CREATE TABLE login_attempt (
    username text NOT NULL,
    address  text NOT NULL,
    attempts integer NOT NULL,
    since    timestamptz NOT NULL,
    PRIMARY KEY (username, address)
);
CREATE INDEX login_attempt_since ON login_attempt (since);

-- Rights beside those of administrators, whom account.is_admin tells.
CREATE TABLE user_group (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT user_group_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);

CREATE TABLE user_group_member (
    group_id   bigint NOT NULL CONSTRAINT user_group_member_group_fkey REFERENCES user_group ON DELETE CASCADE,
    account_id bigint NOT NULL CONSTRAINT user_group_member_account_fkey REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (group_id, account_id)
);
CREATE INDEX user_group_member_account ON user_group_member (account_id);

-- Files that programs keep here, and notifications to people.
CREATE TABLE stored_file (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    name       text NOT NULL,
    key        text NOT NULL CONSTRAINT stored_file_key_key UNIQUE, -- whoever knows it may read the file
    content    bytea NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT stored_file_name_key UNIQUE (account_id, name)
);

CREATE TABLE notification (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    ident       text CONSTRAINT notification_ident_key UNIQUE,  -- by which a program finds its own again
    account_id  bigint REFERENCES account ON DELETE CASCADE,    -- for one person
    users       boolean NOT NULL,                               -- for all who are no administrators
    admins      boolean NOT NULL,
    message     text NOT NULL,
    context     jsonb NOT NULL,
    category    text NOT NULL
                CONSTRAINT notification_category CHECK (category IN ('error', 'warning', 'success', 'info')),
    dismissable boolean NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL
);

CREATE TABLE notification_dismissal (
    notification_id bigint NOT NULL CONSTRAINT notification_dismissal_fkey REFERENCES notification ON DELETE CASCADE,
    account_id      bigint NOT NULL REFERENCES account ON DELETE CASCADE,
    PRIMARY KEY (notification_id, account_id)
);

-- Package repositories that machines have beside those of their image.
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

-- Scripts that operators upload.
CREATE TABLE script (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text NOT NULL CONSTRAINT script_name_key UNIQUE,
    metadata jsonb NOT NULL,
    sha256   text NOT NULL -- of its content
);

-- The last one is what the script is now, but for its tags.
CREATE TABLE script_version (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    script_id  bigint NOT NULL REFERENCES script ON DELETE CASCADE,
    metadata   jsonb NOT NULL,
    content    bytea NOT NULL,
    comment    text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX script_version_script ON script_version (script_id, id DESC);

-- Racks: known by the certificate they present, never by a field they send -----------------------

CREATE TABLE rack (
    id                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_id          text NOT NULL CONSTRAINT rack_system_id_key UNIQUE
                       CHECK (system_id ~ '^[abcdefghkmnpqrstwxyz][abcdefghkmnpqrstwxyz346789]{5}$'),
    hostname           text NOT NULL CONSTRAINT rack_hostname_key UNIQUE,
    cert_sha256        bytea CONSTRAINT rack_cert_sha256_key UNIQUE CHECK (length(cert_sha256) = 32),
    -- The certificate before the last renewal stays good until it ends: the rack may die before it stores the new one.
    previous_cert_sha256 bytea CHECK (length(previous_cert_sha256) = 32),
    cert_serial        text,
    cert_not_after     timestamptz,
    revoked_at         timestamptz,
    registered_at      timestamptz,
    last_seen_at       timestamptz,
    alive              boolean NOT NULL DEFAULT false,
    version            text NOT NULL DEFAULT '',
    desired_generation bigint NOT NULL DEFAULT 0,
    desired_sha256     text NOT NULL DEFAULT '',    -- of the content that desired_generation counts
    abilities          text[] NOT NULL DEFAULT '{}', -- what the rack's agent says it can do
    hung_up_at         timestamptz,                 -- its poll broke, or ended without a new one
    desired_at         timestamptz,                 -- when desired_generation last counted up
    drained_until      timestamptz,                 -- out of use while its host is upgraded
    zone_id            bigint NOT NULL DEFAULT 1,
    host               jsonb                        -- what it says of its host: processors, memory, SMBIOS, interfaces
);

CREATE TABLE rack_interface (
    rack_id bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    name    text NOT NULL,
    mac     macaddr,
    address inet NOT NULL,
    PRIMARY KEY (rack_id, name, address)
);
CREATE INDEX rack_interface_host ON rack_interface (host(address));

-- What became of the last desired state, one row per daemon.
CREATE TABLE rack_daemon (
    rack_id    bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    name       text NOT NULL,
    generation bigint NOT NULL,
    ok         boolean NOT NULL,
    message    text NOT NULL DEFAULT '',
    applied_at timestamptz NOT NULL,
    PRIMARY KEY (rack_id, name)
);

-- What the rack sees of its own services.
CREATE TABLE rack_service (
    rack_id    bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    name       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('running', 'dead', 'off', 'degraded', 'unknown')),
    info       text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL,
    failure    text NOT NULL DEFAULT '',            -- why it was dead the last time,
    failed_at  timestamptz,                         -- and since when it was
    PRIMARY KEY (rack_id, name)
);

-- What else the rack's agent says of itself: its channels to regions, and what waits on its disk for one.
CREATE TABLE rack_report (
    rack_id         bigint PRIMARY KEY REFERENCES rack ON DELETE CASCADE,
    channels        jsonb NOT NULL,                 -- URL of a region → live, or why it is not
    reports_waiting integer NOT NULL,
    posts_waiting   integer NOT NULL,
    posts_refused   integer NOT NULL,
    updated_at      timestamptz NOT NULL
);

-- What a rack's dhcpd last said of its partner. Pairs are named after both racks.
CREATE TABLE dhcp_pair_state (
    rack_id    bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    name       text NOT NULL,
    own        text NOT NULL,
    partner    text NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (rack_id, name)
);

-- Racks that were declared dead, each to the partner that goes on alone. The number fences: one declaration, one death.
CREATE TABLE dhcp_partner_down (
    survivor_id bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    dead_id     bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    number      bigint GENERATED ALWAYS AS IDENTITY,
    declared_at timestamptz NOT NULL,
    PRIMARY KEY (survivor_id, dead_id)
);

-- What restarts the dhcpd of a rack was given to it: partners wait until it has said what became of it.
CREATE TABLE dhcp_turn (
    rack_id    bigint PRIMARY KEY REFERENCES rack ON DELETE CASCADE,
    given      jsonb NOT NULL,
    generation bigint NOT NULL,
    taken_at   timestamptz NOT NULL,
    ended_at   timestamptz
);

CREATE TABLE enroll_token (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL DEFAULT '',
    secret_sha256   bytea NOT NULL CONSTRAINT enroll_token_secret_key UNIQUE CHECK (length(secret_sha256) = 32),
    created_at      timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    used_at         timestamptz,
    used_by_rack_id bigint REFERENCES rack ON DELETE SET NULL
);

-- Deliveries already taken from a rack, so that a replayed batch is recorded once.
CREATE TABLE receipt (
    rack_id     bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    key         text NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (rack_id, key)
);
CREATE INDEX receipt_received_at ON receipt (received_at);

CREATE TABLE region_process (
    name         text NOT NULL,
    pid          integer NOT NULL,
    address      inet NOT NULL,
    port         integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
    heartbeat_at timestamptz NOT NULL,
    PRIMARY KEY (name, port)
);

-- What a region's worker says of its host, again and again: a region that says nothing is dead.
CREATE TABLE region (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_id      text NOT NULL CONSTRAINT region_system_id_key UNIQUE
                   CHECK (system_id ~ '^[abcdefghkmnpqrstwxyz][abcdefghkmnpqrstwxyz346789]{5}$'),
    name           text NOT NULL CONSTRAINT region_name_key UNIQUE,
    version        text NOT NULL DEFAULT '',
    seen_at        timestamptz NOT NULL,
    cert_not_after timestamptz,
    names          jsonb NOT NULL DEFAULT '{}',     -- name of a subnet → addresses that its name server has there
    names_trouble  text NOT NULL DEFAULT '',        -- why its name server does not have what it should
    zone_id        bigint NOT NULL DEFAULT 1,
    host           jsonb,                           -- as of racks
    dns_serial     bigint                           -- the largest that its zones have; not known before one was seen
);

CREATE TABLE region_service (
    region_id  bigint NOT NULL REFERENCES region ON DELETE CASCADE,
    name       text NOT NULL,
    state      text NOT NULL CHECK (state IN ('running', 'dead', 'off', 'degraded', 'unknown')),
    info       text NOT NULL DEFAULT '',
    updated_at timestamptz NOT NULL,
    failure    text NOT NULL DEFAULT '',            -- why it was dead the last time,
    failed_at  timestamptz,                         -- and since when it was
    PRIMARY KEY (region_id, name)
);

-- A new timeline begins when a standby of PostgreSQL becomes the server that takes writes.
CREATE TABLE database_timeline (
    timeline bigint PRIMARY KEY,
    since    timestamptz NOT NULL
);

-- Network ----------------------------------------------------------------------------------------

CREATE TABLE fabric (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT fabric_name_key UNIQUE,
    description text NOT NULL DEFAULT '',
    class_type  text NOT NULL DEFAULT '' -- in an operator's own word, such as 10g
);

-- VLANs that reach each other; one without a space is in MAAS's undefined one, which is no row.
CREATE TABLE space (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT space_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);

CREATE TABLE vlan (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    fabric_id       bigint NOT NULL CONSTRAINT vlan_fabric_fkey REFERENCES fabric,
    vid             integer NOT NULL CONSTRAINT vlan_vid_range CHECK (vid BETWEEN 0 AND 4094),
    name            text NOT NULL,
    description     text NOT NULL DEFAULT '',
    mtu             integer NOT NULL DEFAULT 1500 CONSTRAINT vlan_mtu_range CHECK (mtu BETWEEN 552 AND 65535),
    dhcp_on         boolean NOT NULL DEFAULT false,
    primary_rack_id bigint REFERENCES rack ON DELETE SET NULL,
    secondary_rack_id bigint REFERENCES rack ON DELETE SET NULL,
    -- A router brings this VLAN's DHCP to the racks in that one.
    relay_vlan_id   bigint CONSTRAINT vlan_relay_fkey REFERENCES vlan,
    space_id        bigint CONSTRAINT vlan_space_fkey REFERENCES space ON DELETE SET NULL,
    CONSTRAINT vlan_fabric_vid_key UNIQUE (fabric_id, vid),
    CONSTRAINT vlan_two_racks CHECK (secondary_rack_id <> primary_rack_id),
    CONSTRAINT vlan_relay_elsewhere CHECK (relay_vlan_id <> id),
    CONSTRAINT vlan_dhcp_or_relay CHECK (NOT dhcp_on OR relay_vlan_id IS NULL)
);

CREATE TABLE subnet (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT subnet_name_key UNIQUE,
    description text NOT NULL DEFAULT '',
    vlan_id     bigint NOT NULL CONSTRAINT subnet_vlan_fkey REFERENCES vlan,
    cidr        cidr NOT NULL CONSTRAINT subnet_cidr_key UNIQUE,
    gateway_ip  inet,
    dns_servers inet[] NOT NULL DEFAULT '{}',
    allow_dns   boolean NOT NULL DEFAULT true,
    allow_proxy boolean NOT NULL DEFAULT true,
    managed     boolean NOT NULL DEFAULT true,
    -- The racks in it say by IPv6 that addresses come by DHCP, and which are on the link: where no router does.
    router_advertisements boolean NOT NULL DEFAULT false,
    -- Whether machines that nobody has registered may describe themselves here.
    enlistment text NOT NULL DEFAULT 'off'
        CONSTRAINT subnet_enlistment_mode CHECK (enlistment IN ('off', 'new', 'commission')),
    CONSTRAINT subnet_cidr_overlap EXCLUDE USING gist (cidr inet_ops WITH &&)
);
CREATE INDEX subnet_vlan ON subnet (vlan_id);

-- What the machines of a subnet are told to reach another one through, besides the default route.
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

-- Which rack serves a subnet, and at which of its addresses: those that it has there; else, where a router relays the
-- VLAN of the subnet, those of the same family that it has in the VLAN that is relayed to.
CREATE VIEW rack_subnet AS
SELECT rack_interface.rack_id, subnet.id AS subnet_id, host(rack_interface.address)::inet AS address, false AS relayed
FROM rack_interface JOIN subnet ON subnet.cidr >>= host(rack_interface.address)::inet
UNION
SELECT rack_interface.rack_id, subnet.id, host(rack_interface.address)::inet, true
FROM subnet
JOIN vlan ON vlan.id = subnet.vlan_id
JOIN subnet AS near ON near.vlan_id = vlan.relay_vlan_id AND family(near.cidr) = family(subnet.cidr)
JOIN rack_interface ON near.cidr >>= host(rack_interface.address)::inet
WHERE NOT EXISTS (SELECT FROM rack_interface AS own
                  WHERE own.rack_id = rack_interface.rack_id AND host(own.address)::inet <<= subnet.cidr);

CREATE TABLE ip_range (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subnet_id bigint NOT NULL REFERENCES subnet ON DELETE CASCADE,
    type      text NOT NULL CONSTRAINT ip_range_type CHECK (type IN ('dynamic', 'reserved')),
    start_ip  inet NOT NULL,
    end_ip    inet NOT NULL,
    comment   text NOT NULL DEFAULT '',
    CONSTRAINT ip_range_order CHECK (start_ip <= end_ip AND family(start_ip) = family(end_ip)),
    -- Subnets cannot overlap, so no subnet column is needed here.
    CONSTRAINT ip_range_overlap EXCLUDE USING gist (inetrange(start_ip, end_ip, '[]') WITH &&)
);
CREATE INDEX ip_range_subnet ON ip_range (subnet_id);

-- Images -----------------------------------------------------------------------------------------

CREATE TABLE image (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name            text NOT NULL,
    arch            text NOT NULL,
    suite           text NOT NULL,
    manifest        jsonb NOT NULL,
    manifest_sha256 bytea NOT NULL CONSTRAINT image_manifest_key UNIQUE CHECK (length(manifest_sha256) = 32),
    registered_at   timestamptz NOT NULL,
    is_default      boolean NOT NULL DEFAULT false, -- what machines of the architecture boot
    is_current      boolean NOT NULL DEFAULT false  -- what those boot that name this suite
);
CREATE UNIQUE INDEX image_default_per_arch ON image (arch) WHERE is_default;
CREATE UNIQUE INDEX image_current_per_suite ON image (arch, suite) WHERE is_current;

-- Images that people upload, in chunks that wait here until a region has the whole file.
CREATE TABLE uploaded_image (
    -- Of the sequence of table image: boot-resources/<id>/ has both.
    id           bigint PRIMARY KEY,
    name         text NOT NULL,
    architecture text NOT NULL,
    title        text NOT NULL DEFAULT '',
    base_image   text NOT NULL DEFAULT '',
    CONSTRAINT uploaded_image_key UNIQUE (name, architecture)
);

CREATE TABLE image_upload (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    image_id       bigint NOT NULL CONSTRAINT image_upload_image_fkey REFERENCES uploaded_image ON DELETE CASCADE,
    filetype       text NOT NULL,
    sha256         bytea NOT NULL CHECK (length(sha256) = 32),
    size_bytes     bigint NOT NULL CHECK (size_bytes > 0),
    received_bytes bigint NOT NULL DEFAULT 0,
    created_at     timestamptz NOT NULL,
    changed_at     timestamptz NOT NULL,
    completed_at   timestamptz,                     -- a region has the file
    refusal        text NOT NULL DEFAULT '',        -- why what came is not the file
    CONSTRAINT image_upload_received CHECK (received_bytes BETWEEN 0 AND size_bytes)
);
CREATE INDEX image_upload_image ON image_upload (image_id, id);
CREATE INDEX image_upload_open ON image_upload (changed_at) WHERE completed_at IS NULL;

CREATE TABLE image_chunk (
    -- No reference: the chunks of an upload that ended are many, and go in batches.
    upload_id  bigint NOT NULL,
    start_byte bigint NOT NULL,
    content    bytea NOT NULL,
    PRIMARY KEY (upload_id, start_byte)
);
-- Images are compressed already.
ALTER TABLE image_chunk ALTER COLUMN content SET STORAGE EXTERNAL;

-- Machines ---------------------------------------------------------------------------------------

-- Which drivers there are, and what each takes, the drivers say: no list of them here.
CREATE TABLE bmc (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    type       text NOT NULL CHECK (type <> ''),    -- the driver that talks to it
    address    text NOT NULL CHECK (address <> ''), -- as the driver writes it
    port       integer CHECK (port BETWEEN 1 AND 65535), -- NULL: the usual one of the type
    parameters jsonb NOT NULL DEFAULT '{}',
    secrets    jsonb NOT NULL DEFAULT '{}',         -- name to Fernet; the key is outside the database
    CONSTRAINT bmc_place_key UNIQUE NULLS NOT DISTINCT (type, address, port),
    CONSTRAINT bmc_id_type_key UNIQUE (id, type)
);

-- Domains of the site's own, beside the internal one, and what is in them ------------------------------------------

CREATE TABLE domain (
    -- 0 stands for the internal domain, which is no row.
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL CONSTRAINT domain_name_key UNIQUE,
    ttl           integer CONSTRAINT domain_ttl_range CHECK (ttl BETWEEN 1 AND 604800),
    authoritative boolean NOT NULL DEFAULT true,    -- served by the regions
    is_default    boolean NOT NULL DEFAULT false    -- of new machines and devices; none: the internal one
);
CREATE UNIQUE INDEX domain_default_key ON domain (is_default) WHERE is_default;

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

-- The serial that all zones have at least, if an administrator has set one.
CREATE TABLE dns_serial (
    id     integer PRIMARY KEY DEFAULT 1 CONSTRAINT dns_serial_one CHECK (id = 1),
    serial bigint NOT NULL CONSTRAINT dns_serial_range CHECK (serial BETWEEN 1 AND 4294967295)
);

-- Domains with what is told of them: how many records operators have put there.
CREATE VIEW domain_told AS
SELECT domain.id, domain.name, domain.ttl, domain.authoritative, domain.is_default,
       (SELECT coalesce(sum(cardinality(dns_resource.addresses)), 0) FROM dns_resource
        WHERE dns_resource.domain_id = domain.id)
       + (SELECT count(*) FROM dns_record JOIN dns_resource ON dns_resource.id = dns_record.resource_id
          WHERE dns_resource.domain_id = domain.id) AS record_count
FROM domain;

-- What machines are in: a zone is what fails together, a pool what is given out together. Both have a default -------

CREATE TABLE zone (
    id          bigint GENERATED ALWAYS AS IDENTITY (START WITH 2) PRIMARY KEY,
    name        text NOT NULL CONSTRAINT zone_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);
ALTER TABLE rack ADD CONSTRAINT rack_zone_fkey FOREIGN KEY (zone_id) REFERENCES zone;
ALTER TABLE region ADD CONSTRAINT region_zone_fkey FOREIGN KEY (zone_id) REFERENCES zone;
INSERT INTO zone (id, name) OVERRIDING SYSTEM VALUE VALUES (1, 'default');

CREATE TABLE resource_pool (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT resource_pool_name_key UNIQUE,
    description text NOT NULL DEFAULT ''
);
INSERT INTO resource_pool (id, name, description) OVERRIDING SYSTEM VALUE VALUES (0, 'default', 'Default pool');

-- A role that one account, or one group of users, has.
CREATE TABLE role_grant (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint CONSTRAINT role_grant_account_fkey REFERENCES account ON DELETE CASCADE,
    group_id   bigint CONSTRAINT role_grant_group_fkey REFERENCES user_group ON DELETE CASCADE,
    role       text NOT NULL CONSTRAINT role_grant_role CHECK (role IN ('operator')),
    -- None: for machines of all pools. A grant ends with its pool, and never becomes one for all.
    pool_id    bigint CONSTRAINT role_grant_pool_fkey REFERENCES resource_pool ON DELETE CASCADE,
    CONSTRAINT role_grant_holder CHECK (num_nonnulls(account_id, group_id) = 1),
    CONSTRAINT role_grant_once UNIQUE NULLS NOT DISTINCT (account_id, group_id, role, pool_id)
);
CREATE INDEX role_grant_group ON role_grant (group_id);

CREATE TABLE machine (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    system_id         text NOT NULL CONSTRAINT machine_system_id_key UNIQUE
                      CHECK (system_id ~ '^[abcdefghkmnpqrstwxyz][abcdefghkmnpqrstwxyz346789]{5}$'),
    hostname          text NOT NULL CONSTRAINT machine_hostname_key UNIQUE
                      CONSTRAINT machine_hostname_form CHECK (hostname ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    description       text NOT NULL DEFAULT '',
    architecture      text NOT NULL DEFAULT 'amd64/generic',
    owner_id          bigint REFERENCES account ON DELETE SET NULL,
    status            integer NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 22),
    status_message    text NOT NULL DEFAULT '',
    status_changed_at timestamptz NOT NULL DEFAULT now(),
    previous_status   integer NOT NULL DEFAULT 0 CHECK (previous_status BETWEEN 0 AND 22),
    -- The fencing token: it grows whenever a new life starts, and jobs carry the value they were made under.
    epoch             integer NOT NULL DEFAULT 0,
    power_state       text NOT NULL DEFAULT 'unknown'
                      CONSTRAINT machine_power_state CHECK (power_state IN ('on', 'off', 'unknown', 'error')),
    power_state_at    timestamptz,
    power_error       text NOT NULL DEFAULT '',
    -- After 'auth' nothing asks the BMC on its own until somebody changes the credentials: BMCs lock accounts.
    power_error_kind  text NOT NULL DEFAULT '',
    power_type        text NOT NULL DEFAULT '',
    boot_id           bigint,                       -- the current row of boot, if any
    boot_mac          macaddr,
    firmware_type     text NOT NULL DEFAULT '' CHECK (firmware_type IN ('', 'bios', 'uefi')),
    secure_boot       boolean,
    cpu_count         integer NOT NULL DEFAULT 0,
    cpu_model         text NOT NULL DEFAULT '',
    cpu_speed_mhz     integer NOT NULL DEFAULT 0,
    memory_mib        bigint NOT NULL DEFAULT 0,
    storage_mb        bigint NOT NULL DEFAULT 0,
    hardware          jsonb NOT NULL DEFAULT '{}',
    commissioned_at   timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    operation_id      bigint,                       -- the current or latest row of operation, if any
    -- Debian release of the ephemeral system; empty: that of the default image
    commissioning_suite text NOT NULL DEFAULT ''
                      CONSTRAINT machine_commissioning_suite_form CHECK (commissioning_suite ~ '^([a-z][a-z0-9.-]{0,31})?$'),
    bmc_id            bigint,                       -- none: nobody but a person can switch it
    -- Which of the machines behind its BMC it is; empty where a BMC has one, for two would power each other off.
    bmc_slot          text NOT NULL DEFAULT '',
    power_parameters  jsonb NOT NULL DEFAULT '{}',  -- what is not the BMC's but the machine's own
    zone_id           bigint NOT NULL DEFAULT 1 CONSTRAINT machine_zone_fkey REFERENCES zone,
    pool_id           bigint NOT NULL DEFAULT 0 CONSTRAINT machine_pool_fkey REFERENCES resource_pool,
    locked            boolean NOT NULL DEFAULT false,   -- against changes, until somebody unlocks it
    owner_data        jsonb NOT NULL DEFAULT '{}',  -- texts by name, as are the annotations
    workload_annotations jsonb NOT NULL DEFAULT '{}',
    domain_id         bigint CONSTRAINT machine_domain_fkey REFERENCES domain, -- none: the internal one, which is no row
    CONSTRAINT machine_bmc_fkey FOREIGN KEY (bmc_id, power_type) REFERENCES bmc (id, type),
    CONSTRAINT machine_bmc_key UNIQUE (bmc_id, bmc_slot)
);

-- What machines are declared to be made of.
CREATE TABLE machine_expect (
    machine_id bigint PRIMARY KEY REFERENCES machine ON DELETE CASCADE,
    expect     jsonb NOT NULL
);

CREATE TABLE machine_interface (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine_id       bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    name             text NOT NULL,
    mac              macaddr CONSTRAINT machine_interface_mac_key UNIQUE, -- of NICs only
    is_boot          boolean NOT NULL DEFAULT false,
    vlan_id          bigint REFERENCES vlan ON DELETE SET NULL,
    vendor           text NOT NULL DEFAULT '',
    product          text NOT NULL DEFAULT '',
    driver           text NOT NULL DEFAULT '',
    firmware_version text NOT NULL DEFAULT '',
    link_connected   boolean,
    link_speed_mbps  integer,
    lldp             jsonb,
    discovered       boolean NOT NULL DEFAULT false,
    -- The rest is what people say of it.
    tags             text[] NOT NULL DEFAULT '{}',
    enabled          boolean NOT NULL DEFAULT true,
    mtu              integer CONSTRAINT machine_interface_mtu_range CHECK (mtu BETWEEN 552 AND 65535), -- none: the VLAN's
    -- The columns above (name, vlan_id; mac: the NIC as such) that commissioning leaves as people have set them.
    declared         text[] NOT NULL DEFAULT '{}',
    type             text NOT NULL DEFAULT 'physical'
                     CONSTRAINT machine_interface_type CHECK (type IN ('physical', 'bond', 'bridge', 'vlan')),
    virtual_mac      macaddr,                      -- of what is made of NICs: the MAC of one of them, or its own
    params           jsonb NOT NULL DEFAULT '{}',  -- of bonds and bridges
    CONSTRAINT machine_interface_macs CHECK (CASE type WHEN 'physical' THEN mac IS NOT NULL AND virtual_mac IS NULL
                                             ELSE mac IS NULL AND virtual_mac IS NOT NULL END)
);
CREATE INDEX machine_interface_machine ON machine_interface (machine_id);
CREATE UNIQUE INDEX machine_interface_one_boot ON machine_interface (machine_id) WHERE is_boot;

-- What bonds, bridges and VLANs are made of.
CREATE TABLE interface_parent (
    child_id  bigint NOT NULL REFERENCES machine_interface ON DELETE CASCADE,
    parent_id bigint NOT NULL REFERENCES machine_interface ON DELETE CASCADE,
    PRIMARY KEY (child_id, parent_id),
    CONSTRAINT interface_parent_other CHECK (parent_id <> child_id)
);
CREATE INDEX interface_parent_parent ON interface_parent (parent_id);

-- How NICs are linked to subnets: configuration, as opposed to leases. An address is one machine's or device's alone.
CREATE TABLE interface_link (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    interface_id bigint CONSTRAINT interface_link_interface_fkey REFERENCES machine_interface ON DELETE CASCADE,
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

-- The link through whose subnet a machine reaches everything else, one for each version of IP.
CREATE TABLE default_gateway (
    machine_id bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    family     integer NOT NULL CHECK (family IN (4, 6)),
    link_id    bigint NOT NULL CONSTRAINT default_gateway_link_key UNIQUE REFERENCES interface_link ON DELETE CASCADE,
    PRIMARY KEY (machine_id, family)
);

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

-- Where machines are, by what they are found.
CREATE VIEW machine_place AS
SELECT machine_interface.machine_id, fabric.name AS fabric, vlan.id::text AS vlan,
       coalesce(space.name, 'undefined') AS space
FROM machine_interface
JOIN vlan ON vlan.id = machine_interface.vlan_id
JOIN fabric ON fabric.id = vlan.fabric_id
LEFT JOIN space ON space.id = vlan.space_id;

CREATE TABLE block_device (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine_id       bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    name             text NOT NULL,
    path             text NOT NULL DEFAULT '',
    id_path          text NOT NULL DEFAULT '',
    model            text NOT NULL DEFAULT '',
    serial           text NOT NULL DEFAULT '',
    size_bytes       bigint NOT NULL CHECK (size_bytes >= 0),
    block_size_bytes integer NOT NULL DEFAULT 512,
    rotary           boolean,
    firmware_version text NOT NULL DEFAULT '',
    CONSTRAINT block_device_machine_name_key UNIQUE (machine_id, name)
);

-- What people mark machines with.
CREATE TABLE tag (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL CONSTRAINT tag_name_key UNIQUE
                CONSTRAINT tag_name_form CHECK (name ~ '^[a-zA-Z0-9_-]+$'),
    comment     text NOT NULL DEFAULT '',
    kernel_opts text NOT NULL DEFAULT '',
    definition  text NOT NULL DEFAULT '',           -- XPath over a machine's lshw document: who has the tag
    -- Where machines of higher ids still have to be looked at by this definition: the last one that was; else NULL.
    evaluated_to bigint,
    definition_fault text NOT NULL DEFAULT ''       -- why it is not evaluated any more
);

-- What lshw said of a machine, the newest: kept as long as the machine, whatever is kept of its boots.
CREATE TABLE machine_lshw (
    machine_id  bigint PRIMARY KEY CONSTRAINT machine_lshw_machine_fkey REFERENCES machine ON DELETE CASCADE,
    document    bytea NOT NULL,
    version     bigint NOT NULL DEFAULT 1,          -- one more with each document that came
    received_at timestamptz NOT NULL,
    pending     boolean NOT NULL DEFAULT true       -- every definition still has to be evaluated for it
);
CREATE INDEX machine_lshw_pending ON machine_lshw (machine_id) WHERE pending;

CREATE TABLE machine_tag (
    tag_id     bigint NOT NULL CONSTRAINT machine_tag_tag_fkey REFERENCES tag ON DELETE CASCADE,
    machine_id bigint NOT NULL CONSTRAINT machine_tag_machine_fkey REFERENCES machine ON DELETE CASCADE,
    PRIMARY KEY (machine_id, tag_id)
);
CREATE INDEX machine_tag_tag ON machine_tag (tag_id);

-- Hosts that others look after and that want a name and an address: switches, PDUs, containers.
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

-- A link is of a machine's interface or of a device's.
ALTER TABLE interface_link
    ADD COLUMN device_interface_id bigint CONSTRAINT interface_link_device_fkey REFERENCES device_interface ON DELETE CASCADE,
    ADD CONSTRAINT interface_link_owner CHECK (num_nonnulls(interface_id, device_interface_id) = 1);
CREATE INDEX interface_link_device ON interface_link (device_interface_id) WHERE device_interface_id IS NOT NULL;

-- Links with the machine or device whose they are, and MAAS's type of node.
CREATE VIEW host_link AS
SELECT interface_link.id, interface_link.mode, interface_link.subnet_id, interface_link.ip, interface_link.created_at,
       'machine' AS kind, 0 AS node_type, machine.system_id, machine.hostname, machine_interface.name AS interface, machine.domain_id
FROM interface_link
JOIN machine_interface ON machine_interface.id = interface_link.interface_id
JOIN machine ON machine.id = machine_interface.machine_id
UNION ALL
SELECT interface_link.id, interface_link.mode, interface_link.subnet_id, interface_link.ip, interface_link.created_at,
       'device', 1, device.system_id, device.hostname, device_interface.name, device.domain_id
FROM interface_link
JOIN device_interface ON device_interface.id = interface_link.device_interface_id
JOIN device ON device.id = device_interface.device_id;

CREATE TABLE device_tag (
    tag_id    bigint NOT NULL CONSTRAINT device_tag_tag_fkey REFERENCES tag ON DELETE CASCADE,
    device_id bigint NOT NULL CONSTRAINT device_tag_device_fkey REFERENCES device ON DELETE CASCADE,
    PRIMARY KEY (device_id, tag_id)
);
CREATE INDEX device_tag_tag ON device_tag (tag_id);

CREATE TABLE rack_tag (
    tag_id  bigint NOT NULL CONSTRAINT rack_tag_tag_fkey REFERENCES tag ON DELETE CASCADE,
    rack_id bigint NOT NULL CONSTRAINT rack_tag_rack_fkey REFERENCES rack ON DELETE CASCADE,
    PRIMARY KEY (rack_id, tag_id)
);
CREATE INDEX rack_tag_tag ON rack_tag (tag_id);

CREATE TABLE region_tag (
    tag_id    bigint NOT NULL CONSTRAINT region_tag_tag_fkey REFERENCES tag ON DELETE CASCADE,
    region_id bigint NOT NULL CONSTRAINT region_tag_region_fkey REFERENCES region ON DELETE CASCADE,
    PRIMARY KEY (region_id, tag_id)
);
CREATE INDEX region_tag_tag ON region_tag (tag_id);

-- What machines go through ------------------------------------------------------------------------

-- Kinds are the registry's (services/operations): commission now; enlist, test, deploy, release, erase, rescue later.
CREATE TABLE operation (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine_id   bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    kind         text NOT NULL,
    epoch        integer NOT NULL,
    requested_by text NOT NULL DEFAULT '',
    requested_at timestamptz NOT NULL,
    patience_s   integer NOT NULL,              -- how long nothing may happen
    progress_at  timestamptz NOT NULL,          -- when something last did
    deadline_at  timestamptz NOT NULL,          -- progress moves it, silence brings it closer
    ends_at      timestamptz NOT NULL,          -- whatever the machine says, it has ended by then
    -- Step → seconds after which it is overdue, from the site's own earlier boots; the constants count for the rest.
    limits       jsonb NOT NULL DEFAULT '{}',
    ended_at     timestamptz,
    outcome      text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'done', 'failed', 'aborted'))
);
CREATE INDEX operation_machine ON operation (machine_id, id DESC);
CREATE INDEX operation_deadline ON operation (deadline_at) WHERE outcome = 'running';
CREATE UNIQUE INDEX operation_one_per_machine ON operation (machine_id) WHERE outcome = 'running';

ALTER TABLE machine ADD CONSTRAINT machine_operation_fkey
    FOREIGN KEY (operation_id) REFERENCES operation ON DELETE SET NULL;

-- When a worker last led the site, and since when one has: the time in which none did does not count.
CREATE TABLE leadership (
    only_one   boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    since      timestamptz NOT NULL,
    beat_at    timestamptz NOT NULL
);

-- Boots and what became of them ------------------------------------------------------------------

CREATE TABLE boot (
    id                    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    boot_id               text NOT NULL CONSTRAINT boot_boot_id_key UNIQUE CHECK (boot_id ~ '^[0-9a-f]{32}$'),
    machine_id            bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    epoch                 integer NOT NULL,
    purpose               text NOT NULL,
    requested_by          text NOT NULL DEFAULT '',
    requested_at          timestamptz NOT NULL,
    ended_at              timestamptz,
    outcome               text NOT NULL DEFAULT 'running' CHECK (outcome IN ('running', 'done', 'failed', 'aborted')),
    consumer_key          text NOT NULL,
    token_key             text NOT NULL CONSTRAINT boot_token_key_key UNIQUE,
    token_secret_sha256   bytea NOT NULL CHECK (length(token_secret_sha256) = 32),
    token_secret          bytea NOT NULL,           -- Fernet; cloud-init fetches the preseed twice
    rack_id               bigint REFERENCES rack ON DELETE SET NULL,
    client_ip             inet,
    image_id              bigint REFERENCES image ON DELETE SET NULL,
    operation_id          bigint NOT NULL REFERENCES operation ON DELETE CASCADE
);
CREATE INDEX boot_machine ON boot (machine_id, id DESC);
CREATE INDEX boot_operation ON boot (operation_id);
CREATE INDEX boot_image ON boot (image_id, id DESC) WHERE outcome = 'done';
CREATE INDEX boot_running ON boot (id) WHERE outcome = 'running';

ALTER TABLE machine ADD CONSTRAINT machine_boot_fkey FOREIGN KEY (boot_id) REFERENCES boot ON DELETE SET NULL;
CREATE INDEX machine_boot ON machine (boot_id) WHERE boot_id IS NOT NULL;
CREATE INDEX machine_operation ON machine (operation_id) WHERE operation_id IS NOT NULL;
CREATE INDEX machine_domain ON machine (domain_id) WHERE domain_id IS NOT NULL;

-- Boots in which machines that nobody has registered describe themselves.
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

CREATE TABLE boot_step (
    boot_id bigint NOT NULL REFERENCES boot ON DELETE CASCADE,
    step    integer NOT NULL CHECK (step BETWEEN 1 AND 12),
    by_whom text NOT NULL,
    at      timestamptz NOT NULL,
    outcome text NOT NULL DEFAULT 'done' CHECK (outcome IN ('done', 'failed', 'overdue')),
    detail  text NOT NULL DEFAULT '',
    PRIMARY KEY (boot_id, step)
);

CREATE TABLE job (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rack_id     bigint REFERENCES rack ON DELETE CASCADE, -- NULL: waits until a probe has found one
    machine_id  bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    boot_id     bigint REFERENCES boot ON DELETE SET NULL,
    epoch       integer NOT NULL,
    kind        text NOT NULL
                CONSTRAINT job_kind_check CHECK (kind IN ('power_on', 'power_off', 'power_query', 'power_probe')),
    params      jsonb NOT NULL DEFAULT '{}',
    state       text NOT NULL DEFAULT 'queued'
                CONSTRAINT job_state_check
                CHECK (state IN ('queued', 'taken', 'lost', 'done', 'failed', 'cancelled', 'stale')),
    created_at  timestamptz NOT NULL,
    taken_at    timestamptz,
    -- Until taken: when nobody took it in time. From then on: when the rack should have reported.
    expires_at  timestamptz NOT NULL,
    finished_at timestamptz,
    result      jsonb,
    error       text NOT NULL DEFAULT '',
    attempts    integer NOT NULL DEFAULT 0,     -- how often its present rack was handed it
    tried       jsonb NOT NULL DEFAULT '[]',    -- the racks that failed before, each with its reason
    CONSTRAINT job_rack_check CHECK (rack_id IS NOT NULL OR state <> 'taken')
);
CREATE INDEX job_open ON job (rack_id, id) WHERE state IN ('queued', 'taken');
CREATE INDEX job_machine ON job (machine_id, id DESC);
CREATE INDEX job_open_machine ON job (machine_id) WHERE state IN ('queued', 'taken');
CREATE INDEX job_boot ON job (boot_id, id) WHERE boot_id IS NOT NULL;
-- Questions are removed after an hour, all else after weeks: an index each, so that neither is sought among the other.
CREATE INDEX job_finished_query ON job (finished_at) WHERE kind = 'power_query';
CREATE INDEX job_finished_change ON job (finished_at) WHERE kind <> 'power_query';
CREATE INDEX job_finished_probe ON job (finished_at) WHERE kind = 'power_probe';

-- When a rack last reached a BMC, and when and why it last did not, so that the choice of a rack reads no history of jobs.
CREATE TABLE power_contact (
    bmc_id       bigint NOT NULL REFERENCES bmc ON DELETE CASCADE,
    rack_id      bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    succeeded_at timestamptz,
    failed_at    timestamptz,
    error        text NOT NULL DEFAULT '',
    PRIMARY KEY (bmc_id, rack_id)
);
CREATE INDEX power_contact_rack ON power_contact (rack_id);

-- Levels are Python's logging numbers, as in MAAS: 10 debug, 20 info, 30 warning, 40 error, 0 audit.
CREATE TABLE event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    machine_id  bigint REFERENCES machine ON DELETE SET NULL,
    rack_id     bigint REFERENCES rack ON DELETE SET NULL,
    level       integer NOT NULL DEFAULT 20,
    type        text NOT NULL,
    description text NOT NULL DEFAULT '',
    username    text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL,
    -- The transaction that wrote it: whoever follows the log must not overtake one that commits later.
    written_by  xid8 DEFAULT pg_current_xact_id()
);
CREATE INDEX event_machine ON event (machine_id, id DESC);
CREATE INDEX event_rack ON event (rack_id, id DESC) WHERE machine_id IS NULL;
CREATE INDEX event_created_at ON event (created_at);
CREATE INDEX event_audit ON event (id) WHERE level = 0;

-- status: 0 pending, 1 running, 2 passed, 3 failed, 4 timed out, 5 aborted (MAAS SCRIPT_STATUS)
CREATE TABLE script_result (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    boot_id     bigint NOT NULL REFERENCES boot ON DELETE CASCADE,
    machine_id  bigint NOT NULL REFERENCES machine ON DELETE CASCADE,
    name        text NOT NULL,
    status      integer NOT NULL DEFAULT 0 CHECK (status BETWEEN 0 AND 11),
    exit_status integer,
    started_at  timestamptz,
    ended_at    timestamptz,
    runtime_s   double precision,
    stdout      bytea NOT NULL DEFAULT '',
    stderr      bytea NOT NULL DEFAULT '',
    output      bytea NOT NULL DEFAULT '',
    result      bytea NOT NULL DEFAULT '',
    -- Of an uploaded script; it may run once for each device.
    version_id  bigint CONSTRAINT script_result_version_fkey REFERENCES script_version ON DELETE SET NULL,
    instance    integer NOT NULL DEFAULT 0,
    parameters  jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT script_result_boot_name_key UNIQUE (boot_id, name, instance)
);
CREATE INDEX script_result_version ON script_result (version_id) WHERE version_id IS NOT NULL;
CREATE INDEX script_result_machine ON script_result (machine_id, id DESC);
CREATE INDEX script_result_with_output ON script_result (machine_id, boot_id DESC)
    WHERE octet_length(stdout) + octet_length(stderr) + octet_length(output) + octet_length(result) > 0;

CREATE TABLE lease (
    ip         inet PRIMARY KEY,
    mac        macaddr NOT NULL,
    rack_id    bigint REFERENCES rack ON DELETE CASCADE,
    subnet_id  bigint REFERENCES subnet ON DELETE CASCADE,
    state      text NOT NULL CHECK (state IN ('commit', 'release', 'expiry')),
    at         timestamptz NOT NULL,
    expires_at timestamptz
);
CREATE INDEX lease_mac ON lease (mac);

-- Which addresses devices have now: DHCP and names follow it.
CREATE VIEW device_address AS
SELECT device_interface.device_id, device_interface.id AS interface_id, lease.ip
FROM device_interface JOIN lease ON lease.mac = device_interface.mac
WHERE lease.state = 'commit' AND (lease.expires_at IS NULL OR lease.expires_at > now());

-- Which addresses machines have now by their leases, or are to have by their links.
CREATE VIEW machine_address AS
SELECT machine_interface.machine_id, machine_interface.vlan_id, lease.ip
FROM lease JOIN machine_interface ON machine_interface.mac = lease.mac
WHERE lease.state = 'commit' AND (lease.expires_at IS NULL OR lease.expires_at > now())
UNION ALL
SELECT machine_interface.machine_id, machine_interface.vlan_id, interface_link.ip
FROM interface_link JOIN machine_interface ON machine_interface.id = interface_link.interface_id
WHERE interface_link.ip IS NOT NULL;

-- DHCP snippets ----------------------------------------------------------------------------------
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

-- Wake-ups ---------------------------------------------------------------------------------------
-- A trigger cannot be forgotten by a new caller; PostgreSQL folds equal notices of one transaction.

CREATE FUNCTION notify_desired() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rackyard_desired', '');
    RETURN NULL;
END $$;

CREATE TRIGGER vlan_desired AFTER INSERT OR UPDATE OR DELETE ON vlan FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER subnet_desired AFTER INSERT OR UPDATE OR DELETE ON subnet FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER ip_range_desired AFTER INSERT OR UPDATE OR DELETE ON ip_range FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER static_route_desired AFTER INSERT OR UPDATE OR DELETE ON static_route
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER dhcp_snippet_desired AFTER INSERT OR UPDATE OR DELETE ON dhcp_snippet
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER interface_link_desired AFTER INSERT OR UPDATE OR DELETE ON interface_link
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER reserved_address_desired AFTER INSERT OR UPDATE OR DELETE ON reserved_address
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER image_desired AFTER INSERT OR UPDATE OR DELETE ON image FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER dhcp_partner_down_desired AFTER INSERT OR UPDATE OR DELETE ON dhcp_partner_down
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER setting_desired AFTER INSERT OR UPDATE OR DELETE ON setting FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER rack_added AFTER INSERT OR DELETE ON rack FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
-- A heartbeat (last_seen_at) is no news; liveness, revocation and renaming are.
CREATE TRIGGER rack_changed AFTER UPDATE ON rack FOR EACH ROW
    WHEN ((OLD.hostname, OLD.alive, OLD.revoked_at) IS DISTINCT FROM (NEW.hostname, NEW.alive, NEW.revoked_at))
    EXECUTE FUNCTION notify_desired();
CREATE TRIGGER rack_interface_desired AFTER INSERT OR DELETE ON rack_interface
    FOR EACH ROW EXECUTE FUNCTION notify_desired();
CREATE TRIGGER rack_interface_changed AFTER UPDATE ON rack_interface FOR EACH ROW
    WHEN (OLD.* IS DISTINCT FROM NEW.*) EXECUTE FUNCTION notify_desired();
CREATE TRIGGER domain_desired AFTER INSERT OR UPDATE OR DELETE ON domain FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER dns_resource_desired AFTER INSERT OR UPDATE OR DELETE ON dns_resource
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
CREATE TRIGGER dns_record_desired AFTER INSERT OR UPDATE OR DELETE ON dns_record
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();

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

-- The workers are woken when the last chunk is there, whoever waits for the end of an upload when that has come.
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
CREATE TRIGGER dns_serial_named AFTER INSERT OR UPDATE ON dns_serial FOR EACH STATEMENT EXECUTE FUNCTION notify_names();

CREATE FUNCTION notify_upload() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR NEW.completed_at IS NOT NULL OR NEW.refusal <> '' THEN
        PERFORM pg_notify('rackyard_uploads', coalesce(NEW.id, OLD.id)::text);
    ELSIF NEW.received_bytes = NEW.size_bytes THEN
        PERFORM pg_notify('rackyard_desired', '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER image_upload_changed AFTER UPDATE OR DELETE ON image_upload
    FOR EACH ROW EXECUTE FUNCTION notify_upload();

CREATE FUNCTION notify_machine() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rackyard_machines', coalesce(NEW.system_id, OLD.system_id));
    RETURN NULL;
END $$;

CREATE TRIGGER machine_changed AFTER INSERT OR UPDATE OR DELETE ON machine
    FOR EACH ROW EXECUTE FUNCTION notify_machine();

-- A job wakes its rack when it appears or is moved there, and whoever waits for the machine when it changes. One that a
-- rack no longer works on wakes the racks whose jobs for the same BMC had to wait for it.
CREATE FUNCTION notify_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state = 'queued' AND NEW.rack_id IS NOT NULL THEN
        PERFORM pg_notify('rackyard_jobs', (SELECT system_id FROM rack WHERE id = NEW.rack_id));
    END IF;
    IF TG_OP = 'UPDATE' AND OLD.state = 'taken' AND NEW.state <> 'taken' THEN
        PERFORM pg_notify('rackyard_jobs', rack.system_id) FROM rack
        WHERE rack.id IN (SELECT rack_id FROM job WHERE state = 'queued' AND machine_id IN (
            SELECT NEW.machine_id UNION ALL
            SELECT beside.id FROM machine JOIN machine AS beside USING (bmc_id) WHERE machine.id = NEW.machine_id));
    END IF;
    PERFORM pg_notify('rackyard_machines', (SELECT system_id FROM machine WHERE id = NEW.machine_id));
    RETURN NULL;
END $$;

CREATE TRIGGER job_changed AFTER INSERT OR UPDATE OF state, rack_id ON job
    FOR EACH ROW EXECUTE FUNCTION notify_job();

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

CREATE FUNCTION notify_boot_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('rackyard_machines',
        (SELECT machine.system_id FROM boot JOIN machine ON machine.id = boot.machine_id WHERE boot.id = NEW.boot_id));
    RETURN NULL;
END $$;

CREATE TRIGGER boot_step_added AFTER INSERT ON boot_step
    FOR EACH ROW EXECUTE FUNCTION notify_boot_step();

-- The audit trail ---------------------------------------------------------------------------------

-- Who changed what. Written by triggers, so that no new caller can forget it, in transactions that say whose deed they
-- are; what machines do, and the region by itself, is no person's deed. Nothing refers to other rows: entries outlive
-- the account and the object that they name. Numbered together with events, beside which they are read.
CREATE TABLE audit (
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
CREATE INDEX audit_at ON audit (at);
CREATE INDEX audit_actor ON audit (actor, id DESC);
CREATE INDEX audit_object ON audit (object, name, id DESC);
CREATE INDEX audit_node ON audit (node, id DESC) WHERE node IS NOT NULL;
CREATE INDEX audit_refused ON audit (at) WHERE tries IS NOT NULL;

-- What is kept of an object's columns: nothing long, no login in a URL, and of a whole object nothing that is empty.
CREATE FUNCTION audit_values(given jsonb, whole boolean) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
    SELECT jsonb_object_agg(key, CASE
        WHEN length(masked::text) > 4000 THEN to_jsonb(left(masked #>> '{}', 4000) || '…') ELSE masked END)
    FROM jsonb_each(given) CROSS JOIN LATERAL (SELECT CASE
        WHEN value::text LIKE '%://%@%'
            THEN regexp_replace(value::text, '(://)[^/"\s]+@', '\1(secret)@', 'g')::jsonb
        ELSE value END) AS shown (masked)
    WHERE NOT whole OR value NOT IN ('null', '""', '{}', '[]', 'false')
$$;

CREATE FUNCTION audit_write(action text, object text, object_id text, name text, node text, was jsonb, becomes jsonb)
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
CREATE FUNCTION audit_table(
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
    shown => ARRAY['key', 'account_id=(SELECT username FROM account WHERE id = $.account_id)', 'source']);
SELECT audit_table('setting', name => '$.name', key => '$.name', shown => '{value}');
SELECT audit_table('restoration', name => '''backup of '' || $.taken_at', shown => '{taken_at, archive_sha256}');
SELECT audit_table('rack', name => '$.hostname', node => '$.system_id',
    shown => ARRAY['system_id', 'hostname', 'revoked_at', 'drained_until', 'zone_id=(SELECT name FROM zone WHERE id = $.zone_id)']);
SELECT audit_table('region', name => '$.name', node => '$.system_id',
    shown => ARRAY['system_id', 'name', 'zone_id=(SELECT name FROM zone WHERE id = $.zone_id)']);
SELECT audit_table('enroll_token', name => 'coalesce(nullif($.name, ''''), ''any rack'')', shown => '{name, expires_at}',
    secret => '{secret_sha256}');
SELECT audit_table('fabric', name => '$.name', shown => '{name, description, class_type}');
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
        'cidr', 'gateway_ip', 'dns_servers', 'allow_dns', 'allow_proxy', 'managed', 'router_advertisements', 'enlistment']);
SELECT audit_table('static_route',
    name => '''from '' || coalesce((SELECT name FROM subnet WHERE id = $.source_id), ''#'' || $.source_id) || '' to '' || '
            'coalesce((SELECT name FROM subnet WHERE id = $.destination_id), ''#'' || $.destination_id) || '' through '' || host($.gateway_ip)',
    shown => ARRAY['source_id=(SELECT name FROM subnet WHERE id = $.source_id)',
        'destination_id=(SELECT name FROM subnet WHERE id = $.destination_id)', 'gateway_ip', 'metric']);
SELECT audit_table('dhcp_snippet', name => '$.name',
    shown => ARRAY['name', 'description', 'enabled', 'value', 'subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)',
        'ip_range_id=(SELECT host(start_ip) || '' - '' || host(end_ip) FROM ip_range WHERE id = $.ip_range_id)',
        'machine_id=(SELECT hostname FROM machine WHERE id = $.machine_id)']);
SELECT audit_table('ip_range', name => 'host($.start_ip) || '' - '' || host($.end_ip)',
    shown => ARRAY['subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)', 'type', 'start_ip', 'end_ip', 'comment']);
SELECT audit_table('image', name => '$.name', shown => '{name, arch, suite, is_default, is_current}');
SELECT audit_table('bmc', name => '$.type || '' '' || $.address', shown => '{type, address, port, parameters}', secret => '{secrets}');
SELECT audit_table('domain', name => '$.name', shown => '{name, ttl, authoritative, is_default}');
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
        'domain_id=(SELECT name FROM domain WHERE id = $.domain_id)',
        'locked', 'owner_data', 'workload_annotations']);
SELECT audit_table('machine_interface',
    name => '$.name || '' ('' || coalesce($.mac, $.virtual_mac) || '') of '' || coalesce((SELECT hostname FROM machine WHERE id = $.machine_id), ''#'' || $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)',
    shown => ARRAY['name', 'mac', 'type', 'virtual_mac', 'params', 'tags', 'enabled', 'mtu',
        'vlan_id=(SELECT vid || '' of '' || fabric.name FROM vlan JOIN fabric ON fabric.id = fabric_id WHERE vlan.id = $.vlan_id)']);
SELECT audit_table('tag', name => '$.name', shown => '{name, comment, definition, kernel_opts}');
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
SELECT audit_table('interface_link',
    name => 'coalesce(host($.ip), $.mode) || coalesce((SELECT '' of '' || machine_interface.name || '' of '' || machine.hostname '
            'FROM machine_interface JOIN machine ON machine.id = machine_id WHERE machine_interface.id = $.interface_id), '
            '(SELECT '' of '' || device_interface.name || '' of '' || device.hostname '
            'FROM device_interface JOIN device ON device.id = device_id WHERE device_interface.id = $.device_interface_id), '''')',
    node => 'coalesce((SELECT system_id FROM machine_interface JOIN machine ON machine.id = machine_id WHERE machine_interface.id = $.interface_id), '
            '(SELECT system_id FROM device_interface JOIN device ON device.id = device_id WHERE device_interface.id = $.device_interface_id))',
    shown => ARRAY['mode', 'ip', 'subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)']);
SELECT audit_table('default_gateway', key => '$.machine_id || ''/'' || $.family',
    name => '''IPv'' || $.family || '' of '' || coalesce((SELECT hostname FROM machine WHERE id = $.machine_id), ''#'' || $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)',
    shown => ARRAY['link_id=(SELECT host(ip) FROM interface_link WHERE id = $.link_id)']);
SELECT audit_table('user_group', name => '$.name', shown => '{name, description}');
SELECT audit_table('user_group_member', key => '$.group_id || ''/'' || $.account_id',
    name => 'coalesce((SELECT username FROM account WHERE id = $.account_id), ''#'' || $.account_id) || '' of '' || '
            'coalesce((SELECT name FROM user_group WHERE id = $.group_id), ''#'' || $.group_id)',
    shown => ARRAY['group_id=(SELECT name FROM user_group WHERE id = $.group_id)',
        'account_id=(SELECT username FROM account WHERE id = $.account_id)']);
SELECT audit_table('role_grant',
    name => '$.role || '' of '' || CASE WHEN $.pool_id IS NULL THEN ''all resource pools'' ELSE ''resource pool '' || '
            'coalesce((SELECT name FROM resource_pool WHERE id = $.pool_id), ''#'' || $.pool_id) END || '' for '' || '
            'coalesce((SELECT username FROM account WHERE id = $.account_id), (SELECT ''group '' || name FROM user_group WHERE id = $.group_id), '
            '''somebody who is gone'')',
    shown => ARRAY['account_id=(SELECT username FROM account WHERE id = $.account_id)',
        'group_id=(SELECT name FROM user_group WHERE id = $.group_id)', 'role',
        'pool_id=(SELECT name FROM resource_pool WHERE id = $.pool_id)']);
SELECT audit_table('device', name => '$.hostname', node => '$.system_id',
    shown => ARRAY['system_id', 'hostname', 'description', 'domain_id=(SELECT name FROM domain WHERE id = $.domain_id)',
        'parent_id=(SELECT hostname FROM machine WHERE id = $.parent_id)', 'zone_id=(SELECT name FROM zone WHERE id = $.zone_id)',
        'owner_id=(SELECT username FROM account WHERE id = $.owner_id)', 'owner_data', 'workload_annotations']);
SELECT audit_table('device_interface',
    name => '$.name || '' ('' || $.mac || '') of '' || coalesce((SELECT hostname FROM device WHERE id = $.device_id), ''#'' || $.device_id)',
    node => '(SELECT system_id FROM device WHERE id = $.device_id)',
    shown => ARRAY['name', 'mac', 'tags',
        'vlan_id=(SELECT vid || '' of '' || fabric.name FROM vlan JOIN fabric ON fabric.id = fabric_id WHERE vlan.id = $.vlan_id)']);
SELECT audit_table('device_tag', key => '$.tag_id || ''/'' || $.device_id',
    name => 'coalesce((SELECT name FROM tag WHERE id = $.tag_id), ''#'' || $.tag_id) || '' of '' || '
            'coalesce((SELECT hostname FROM device WHERE id = $.device_id), ''#'' || $.device_id)',
    node => '(SELECT system_id FROM device WHERE id = $.device_id)',
    shown => ARRAY['tag_id=(SELECT name FROM tag WHERE id = $.tag_id)',
        'device_id=(SELECT hostname FROM device WHERE id = $.device_id)']);
SELECT audit_table('stored_file',
    name => '$.name || '' of '' || coalesce((SELECT username FROM account WHERE id = $.account_id), ''#'' || $.account_id)',
    shown => ARRAY['account_id=(SELECT username FROM account WHERE id = $.account_id)', 'name'], secret => '{key, content}');
SELECT audit_table('notification', name => 'coalesce($.ident, ''#'' || $.id)',
    shown => ARRAY['ident', 'account_id=(SELECT username FROM account WHERE id = $.account_id)', 'users', 'admins', 'message',
        'context', 'category', 'dismissable']);
SELECT audit_table('uploaded_image', name => '$.name || '' ('' || $.architecture || '')''',
    shown => '{name, architecture, title, base_image}');
SELECT audit_table('image_upload', events => 'INSERT OR DELETE',
    name => 'coalesce((SELECT name || '' ('' || architecture || '')'' FROM uploaded_image WHERE id = $.image_id), ''#'' || $.image_id)',
    shown => '{filetype, size_bytes}');
SELECT audit_table('package_repository', name => '$.name',
    shown => '{name, url, distributions, components, arches, enabled, disable_sources}', secret => '{key}');
SELECT audit_table('script', name => '$.name', shown => '{name, metadata, sha256}');
SELECT audit_table('reserved_address', name => 'host($.ip)',
    shown => ARRAY['ip', 'subnet_id=(SELECT name FROM subnet WHERE id = $.subnet_id)',
        'account_id=(SELECT username FROM account WHERE id = $.account_id)', 'hostname',
        'domain_id=(SELECT name FROM domain WHERE id = $.domain_id)', 'mac']);
SELECT audit_table('rack_tag', key => '$.tag_id || ''/'' || $.rack_id',
    name => 'coalesce((SELECT name FROM tag WHERE id = $.tag_id), ''#'' || $.tag_id) || '' of '' || '
            'coalesce((SELECT hostname FROM rack WHERE id = $.rack_id), ''#'' || $.rack_id)',
    node => '(SELECT system_id FROM rack WHERE id = $.rack_id)',
    shown => ARRAY['tag_id=(SELECT name FROM tag WHERE id = $.tag_id)',
        'rack_id=(SELECT hostname FROM rack WHERE id = $.rack_id)']);
SELECT audit_table('region_tag', key => '$.tag_id || ''/'' || $.region_id',
    name => 'coalesce((SELECT name FROM tag WHERE id = $.tag_id), ''#'' || $.tag_id) || '' of '' || '
            'coalesce((SELECT name FROM region WHERE id = $.region_id), ''#'' || $.region_id)',
    node => '(SELECT system_id FROM region WHERE id = $.region_id)',
    shown => ARRAY['tag_id=(SELECT name FROM tag WHERE id = $.tag_id)',
        'region_id=(SELECT name FROM region WHERE id = $.region_id)']);
SELECT audit_table('dns_serial', name => '''of all zones''', shown => '{serial}');
SELECT audit_table('machine_expect', key => '$.machine_id',
    name => 'coalesce((SELECT hostname FROM machine WHERE id = $.machine_id), ''#'' || $.machine_id)',
    node => '(SELECT system_id FROM machine WHERE id = $.machine_id)', shown => '{expect}');
