-- SPDX-License-Identifier: GPL-3.0-or-later
-- Two racks on a VLAN: the second one, what each dhcpd says of the other, and the one that goes on alone.

ALTER TABLE rack ADD COLUMN abilities text[] NOT NULL DEFAULT '{}';

ALTER TABLE vlan ADD COLUMN secondary_rack_id bigint REFERENCES rack ON DELETE SET NULL;
ALTER TABLE vlan ADD CONSTRAINT vlan_two_racks CHECK (secondary_rack_id <> primary_rack_id);

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

CREATE TRIGGER dhcp_partner_down_desired AFTER INSERT OR UPDATE OR DELETE ON dhcp_partner_down
    FOR EACH STATEMENT EXECUTE FUNCTION notify_desired();
