# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks reached stays when failures are remembered beside it, and the release before goes on writing."""

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
INSERT INTO bmc (type, address) VALUES ('ipmi', '10.30.0.11');
INSERT INTO machine (system_id, hostname, power_type, bmc_id) SELECT 'aaaaaa', 'm1', 'ipmi', id FROM bmc;
INSERT INTO power_contact SELECT bmc.id, rack.id, '2026-01-01T00:00:00Z' FROM bmc, rack WHERE hostname = 'rack1';
INSERT INTO job (rack_id, machine_id, epoch, kind, state, created_at, expires_at)
SELECT rack.id, machine.id, 0, 'power_query', state, now(), now()
FROM rack, machine, unnest(ARRAY['queued', 'taken', 'done']) AS state WHERE rack.hostname = 'rack1';
"""


@pytest.fixture
def migrated(cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """A site of the schema before with one contact and some jobs, migrated; asks it something."""
    name, known = cluster.create(), migrations.available()
    database = Database(cluster.dsn(name))
    monkeypatch.setattr(migrations, "available", lambda: {n: text for n, text in known.items() if n < 7})
    migrate(database)
    connection = psycopg2.connect(cluster.dsn(name))
    with connection, connection.cursor() as cursor:
        cursor.execute(OLD)
    monkeypatch.setattr(migrations, "available", lambda: known)
    assert 7 in migrate(database)
    database.close()

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    yield ask
    connection.close()
    cluster.drop(name)


def test_contacts_and_jobs_stay(migrated) -> None:
    contacts = "SELECT rack_id, to_char(succeeded_at AT TIME ZONE 'UTC', 'YYYY'), failed_at, error FROM power_contact"
    assert migrated(contacts) == [(1, "2026", None, "")]
    assert migrated("SELECT state, tried FROM job ORDER BY id") == [("queued", []), ("taken", []), ("done", [])]


def test_what_the_release_before_writes_still_fits(migrated) -> None:
    migrated(
        "INSERT INTO power_contact (bmc_id, rack_id, succeeded_at) SELECT bmc.id, rack.id, now() FROM bmc, rack "
        "ON CONFLICT (bmc_id, rack_id) DO UPDATE SET succeeded_at = excluded.succeeded_at"
    )
    assert migrated("SELECT count(*) FROM power_contact WHERE succeeded_at > '2026-01-01'") == [(2,)]
    migrated(
        "INSERT INTO job (rack_id, machine_id, boot_id, epoch, kind, params, created_at, expires_at) "
        "SELECT rack_id, machine_id, NULL, 0, 'power_on', '{}', now(), now() FROM job LIMIT 1"
    )
    assert migrated("SELECT count(*) FROM job") == [(4,)]


def test_job_that_no_rack_has_cannot_be_taken(migrated) -> None:
    migrated("UPDATE job SET rack_id = NULL WHERE state = 'queued'")
    with pytest.raises(psycopg2.errors.CheckViolation, match="job_rack_check"):
        migrated("UPDATE job SET rack_id = NULL WHERE state = 'taken'")
