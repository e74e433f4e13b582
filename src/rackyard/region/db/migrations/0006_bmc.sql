-- SPDX-License-Identifier: GPL-3.0-or-later
-- BMCs get a table of their own. Which drivers there are, and what each takes, the drivers say: no list of them here.

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

-- The one driver that had settings until now: its usual port is no longer written down, and how a machine boots and is
-- switched off is the machine's own.
INSERT INTO bmc (type, address, port, parameters, secrets)
SELECT power_type, host(power_address), nullif(power_port, 623),
       jsonb_build_object('power_user', power_user) || (power_options - ARRAY['power_boot_type', 'power_off_mode']),
       CASE WHEN power_secret IS NULL THEN '{}'
            ELSE jsonb_build_object('power_pass', encode(power_secret, 'escape')) END
FROM machine WHERE power_type = 'ipmi' AND power_address IS NOT NULL ORDER BY id;

ALTER TABLE machine ADD COLUMN bmc_id bigint;
ALTER TABLE machine ADD COLUMN bmc_slot text NOT NULL DEFAULT '';
ALTER TABLE machine ADD COLUMN power_parameters jsonb NOT NULL DEFAULT '{}';
UPDATE machine
SET bmc_id = bmc.id,
    power_parameters = (SELECT coalesce(jsonb_object_agg(key, value), '{}') FROM jsonb_each(machine.power_options)
                        WHERE key IN ('power_boot_type', 'power_off_mode'))
FROM bmc
WHERE bmc.type = machine.power_type AND bmc.address = host(machine.power_address)
  AND bmc.port IS NOT DISTINCT FROM nullif(machine.power_port, 623);

-- It is the BMC that a rack reaches. (A temporary table, so that the new one has the names of the old one.)
CREATE TEMPORARY TABLE reached ON COMMIT DROP AS
SELECT machine.bmc_id, power_contact.rack_id, max(power_contact.succeeded_at) AS succeeded_at
FROM power_contact JOIN machine ON machine.id = power_contact.machine_id
WHERE machine.bmc_id IS NOT NULL GROUP BY machine.bmc_id, power_contact.rack_id;
DROP TABLE power_contact;
CREATE TABLE power_contact (
    bmc_id       bigint NOT NULL REFERENCES bmc ON DELETE CASCADE,
    rack_id      bigint NOT NULL REFERENCES rack ON DELETE CASCADE,
    succeeded_at timestamptz NOT NULL,
    PRIMARY KEY (bmc_id, rack_id)
);
INSERT INTO power_contact SELECT bmc_id, rack_id, succeeded_at FROM reached;

DROP INDEX machine_power_address_key;
ALTER TABLE machine DROP CONSTRAINT machine_power_type;
ALTER TABLE machine DROP COLUMN power_address;
ALTER TABLE machine DROP COLUMN power_port;
ALTER TABLE machine DROP COLUMN power_user;
ALTER TABLE machine DROP COLUMN power_secret;
ALTER TABLE machine DROP COLUMN power_options;
ALTER TABLE machine ADD CONSTRAINT machine_bmc_fkey FOREIGN KEY (bmc_id, power_type) REFERENCES bmc (id, type);
ALTER TABLE machine ADD CONSTRAINT machine_bmc_key UNIQUE (bmc_id, bmc_slot);
