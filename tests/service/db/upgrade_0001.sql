-- SPDX-License-Identifier: GPL-3.0-or-later
-- What a site has in each table that matters, in the first release's schema: m1 is ready, m2 is being commissioned.
INSERT INTO account (username, is_admin) VALUES ('operator', true);
INSERT INTO setting (name, value) VALUES ('keep_events_days', '45');
INSERT INTO fabric (name) VALUES ('lab');
INSERT INTO rack (system_id, hostname, alive, last_seen_at, registered_at, cert_sha256)
VALUES ('rackyr', 'rack1', true, now(), now(), sha256('certificate'));
INSERT INTO rack_interface (rack_id, name, address) VALUES (1, 'pxe0', '10.20.0.2/24'), (1, 'bmc0', '10.30.0.2/24');
INSERT INTO rack_service (rack_id, name, state, updated_at) VALUES (1, 'dhcp', 'running', now());
INSERT INTO vlan (fabric_id, vid, name, dhcp_on, primary_rack_id) VALUES (1, 0, 'untagged', true, 1);
INSERT INTO subnet (name, vlan_id, cidr) VALUES ('pxe', 1, '10.20.0.0/24');
INSERT INTO ip_range (subnet_id, type, start_ip, end_ip) VALUES (1, 'dynamic', '10.20.0.100', '10.20.0.199');
INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at, is_default)
VALUES ('debian', 'amd64', 'bookworm', '{"name": "debian", "arch": "amd64", "suite": "bookworm", "files": []}',
        sha256('manifest'), now(), true);
INSERT INTO machine (system_id, hostname, status, epoch, power_state, power_type, power_address, power_user, power_secret,
                     power_options, cpu_count, memory_mib, hardware, commissioned_at)
VALUES ('machab', 'm1', 4, 3, 'off', 'ipmi', '10.30.0.11', 'admin', %(password)s, '{"power_boot_type": "efi"}', 8, 32768,
        '{"system_vendor": "Example"}', now()),
       ('machac', 'm2', 1, 7, 'on', 'ipmi', '10.30.0.12', 'admin', %(password)s, '{}', 0, 0, '{}', NULL);
INSERT INTO machine_interface (machine_id, name, mac, is_boot, vlan_id)
VALUES (1, 'eth0', '52:54:00:20:01:01', true, 1), (2, 'eth0', '52:54:00:20:01:02', true, 1);
INSERT INTO block_device (machine_id, name, size_bytes) VALUES (1, 'sda', 1000000000000);
INSERT INTO boot (boot_id, machine_id, epoch, requested_at, ended_at, outcome, consumer_key, token_key,
                  token_secret_sha256, token_secret, credentials_expire_at, rack_id, image_id)
VALUES (repeat('1', 32), 1, 3, now() - interval '1 day', now() - interval '1 day', 'done', 'c', 't1', sha256('t'),
        %(password)s, now(), 1, 1),
       (repeat('2', 32), 2, 7, now(), NULL, 'running', 'c', 't2', sha256('t'), %(password)s,
        now() + interval '20 minutes', 1, 1);
UPDATE machine SET boot_id = id, deadline_at = CASE WHEN id = 2 THEN now() + interval '20 minutes' END;
INSERT INTO boot_step (boot_id, step, by_whom, at)
SELECT boot.id, step, 'somebody', boot.requested_at FROM boot, generate_series(1, 12) AS step WHERE boot.id = 1 OR step < 5;
INSERT INTO script_result (boot_id, machine_id, name, status, exit_status, output)
VALUES (1, 1, '20-cpu', 2, 0, 'eight of them');
INSERT INTO job (rack_id, machine_id, boot_id, epoch, kind, state, created_at, expires_at, finished_at)
VALUES (1, 1, 1, 3, 'power_on', 'done', now(), now(), now() - interval '1 day'),
       (1, 2, 2, 7, 'power_query', 'queued', now(), now() + interval '1 minute', NULL);
INSERT INTO event (machine_id, type, description, created_at)
VALUES (1, 'NODE_CREATED', 'm1 was registered', now() - interval '3 days'), (1, 'OLD', '', now() - interval '60 days');
INSERT INTO event (rack_id, type, created_at) VALUES (1, 'RACK_CONNECTED', now());
