# SPDX-License-Identifier: GPL-3.0-or-later
"""BMCs that were columns of their machines become rows, and nothing of them is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import psycopg2
import pytest

from rackyard.region.db import migrations
from rackyard.region.db.migrations import migrate
from rackyard.region.db.pool import Database

OLD = """
INSERT INTO rack (system_id, hostname) VALUES ('abcdef', 'rack1'), ('abcdeg', 'rack2');
INSERT INTO machine (system_id, hostname, power_type, power_address, power_port, power_user, power_options)
VALUES ('aaaaaa', 'm1', 'ipmi', '10.30.0.11', 623, 'admin',
        '{"power_boot_type": "efi", "power_off_mode": "soft", "privilege_level": "OPERATOR"}'),
       ('aaaaab', 'm2', 'ipmi', '10.30.0.12', NULL, 'root', '{}'),
       ('aaaaac', 'm3', 'ipmi', '10.30.0.12', 6230, '', '{"cipher_suite_id": "17"}'),
       ('aaaaad', 'm4', 'ipmi', 'fd00:30::14', NULL, 'admin', '{}');
INSERT INTO machine (system_id, hostname, power_type) VALUES ('aaaaae', 'm5', 'manual'), ('aaaaaf', 'm6', '');
INSERT INTO power_contact (machine_id, rack_id, succeeded_at)
SELECT machine.id, rack.id, '2026-01-01T00:00:00Z'::timestamptz + machine.id * interval '1 hour'
FROM machine, rack WHERE (machine.hostname, rack.hostname) IN (('m1', 'rack1'), ('m1', 'rack2'), ('m3', 'rack2'));
"""


@pytest.fixture
def migrated(cluster, ctx, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """A site of the schema before, with passwords for m1 and m3, migrated; asks it something."""
    name, known = cluster.create(), migrations.available()
    database = Database(cluster.dsn(name))
    monkeypatch.setattr(migrations, "available", lambda: {n: text for n, text in known.items() if n < 6})
    migrate(database)
    connection = psycopg2.connect(cluster.dsn(name))
    with connection, connection.cursor() as cursor:
        cursor.execute(OLD)
        for hostname in ("m1", "m3"):
            sealed = ctx.box.encrypt(f"sesame of {hostname}")
            cursor.execute("UPDATE machine SET power_secret = %s WHERE hostname = %s", (sealed, hostname))
    monkeypatch.setattr(migrations, "available", lambda: known)
    assert 6 in migrate(database)
    database.close()

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()

    yield ask
    connection.close()
    cluster.drop(name)


def test_each_bmc_becomes_a_row_that_its_machine_is_behind(migrated) -> None:
    """The usual port is no longer written down, so that the same BMC is one row with and without it."""
    statement = """
        SELECT machine.hostname, machine.power_type, bmc.type, bmc.address, bmc.port, bmc.parameters,
               machine.power_parameters, machine.bmc_slot
        FROM machine LEFT JOIN bmc ON bmc.id = machine.bmc_id ORDER BY machine.hostname"""
    own = {"power_boot_type": "efi", "power_off_mode": "soft"}
    assert migrated(statement) == [
        ("m1", "ipmi", "ipmi", "10.30.0.11", None, {"power_user": "admin", "privilege_level": "OPERATOR"}, own, ""),
        ("m2", "ipmi", "ipmi", "10.30.0.12", None, {"power_user": "root"}, {}, ""),
        ("m3", "ipmi", "ipmi", "10.30.0.12", 6230, {"power_user": "", "cipher_suite_id": "17"}, {}, ""),
        ("m4", "ipmi", "ipmi", "fd00:30::14", None, {"power_user": "admin"}, {}, ""),
        ("m5", "manual", None, None, None, None, {}, ""),
        ("m6", "", None, None, None, None, {}, ""),
    ]
    assert migrated("SELECT count(*) FROM bmc") == [(4,)]


def test_passwords_stay_sealed_and_can_be_opened(migrated, ctx) -> None:
    rows = migrated("SELECT hostname, secrets FROM machine JOIN bmc ON bmc.id = bmc_id ORDER BY hostname")
    opened = {
        hostname: {name: ctx.box.decrypt(sealed.encode()) for name, sealed in secrets.items()}
        for hostname, secrets in rows
    }
    assert opened == {"m1": {"power_pass": "sesame of m1"}, "m2": {}, "m3": {"power_pass": "sesame of m3"}, "m4": {}}
    assert "sesame" not in str(rows)


def test_who_reached_a_bmc_last_is_kept(migrated) -> None:
    statement = """
        SELECT machine.hostname, rack.hostname, to_char(succeeded_at AT TIME ZONE 'UTC', 'HH24:MI')
        FROM power_contact JOIN machine USING (bmc_id) JOIN rack ON rack.id = rack_id ORDER BY 1, 2"""
    assert migrated(statement) == [("m1", "rack1", "01:00"), ("m1", "rack2", "01:00"), ("m3", "rack2", "03:00")]
