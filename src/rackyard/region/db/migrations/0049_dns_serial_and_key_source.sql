-- SPDX-License-Identifier: GPL-3.0-or-later
-- The serial that all zones have at least, and the largest that those of each region have; where SSH keys were imported from.

CREATE TABLE dns_serial (
    id     integer PRIMARY KEY DEFAULT 1 CONSTRAINT dns_serial_one CHECK (id = 1),
    serial bigint NOT NULL CONSTRAINT dns_serial_range CHECK (serial BETWEEN 1 AND 4294967295)
);
ALTER TABLE region ADD COLUMN dns_serial bigint;    -- not known before its worker has seen a zone

CREATE TRIGGER dns_serial_named AFTER INSERT OR UPDATE ON dns_serial FOR EACH STATEMENT EXECUTE FUNCTION notify_names();

SELECT audit_table('dns_serial', name => '''of all zones''', shown => '{serial}');

ALTER TABLE ssh_key ADD COLUMN source text NOT NULL DEFAULT '';    -- gh:NAME or lp:NAME, where it was imported
SELECT audit_table('ssh_key',
    name => '''SHA256:'' || rtrim(encode($.key_sha256, ''base64''), ''='') || '' of '' || '
            'coalesce((SELECT username FROM account WHERE id = $.account_id), ''#'' || $.account_id)',
    shown => ARRAY['key', 'account_id=(SELECT username FROM account WHERE id = $.account_id)', 'source']);
