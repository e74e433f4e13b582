# SPDX-License-Identifier: GPL-3.0-or-later
"""The schema file says the same as the migrations, and each migration is applied once."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from importlib import resources

import psycopg2
import pytest

from rackyard.region.db import migrations, queries
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.db.migrations import migrate
from rackyard.region.db.pool import Database
from rackyard.region.errors import RackyardError, Unavailable


def dump(cluster, postgres_binary, database: str) -> list[str]:
    command = [postgres_binary("pg_dump"), "--schema-only", "--no-owner", "-d", cluster.dsn(database)]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # The newest pg_dump writes a random word into \\restrict lines.
    return [line for line in text.splitlines() if line and not line.startswith(("--", "\\"))]


@pytest.fixture
def empty_database(cluster):
    name = cluster.create()
    yield name
    cluster.drop(name)


def test_schema_file_equals_all_migrations(cluster, postgres_binary, empty_database) -> None:
    schema = (resources.files("rackyard.region.db") / "schema.sql").read_text()
    with psycopg2.connect(cluster.dsn(empty_database)) as connection, connection.cursor() as cursor:
        cursor.execute(schema)
    connection.close()
    migrated = dump(cluster, postgres_binary, cluster.template)
    assert dump(cluster, postgres_binary, empty_database) == migrated
    assert any("CREATE TABLE public.machine " in line for line in migrated)


def test_every_migration_has_a_number_of_its_own() -> None:
    files = [file.name for file in resources.files("rackyard.region.db.migrations").iterdir()]
    numbered = [name for name in files if name.endswith(".sql")]
    assert len(migrations.available()) == len(numbered)


def test_migrate_applies_each_migration_once(cluster, empty_database) -> None:
    database = Database(cluster.dsn(empty_database))
    assert migrations.current(database) == 0
    assert migrate(database) == sorted(migrations.available())
    assert migrate(database) == []
    assert migrations.current(database) == max(migrations.available())
    database.close()


def test_two_hosts_migrate_at_once(cluster, empty_database) -> None:
    """Indexes are made CONCURRENTLY, which waits for every statement that runs: also for that of a host that waits."""
    databases = [Database(cluster.dsn(empty_database)) for _host in range(3)]
    with ThreadPoolExecutor() as threads:
        applied = [each.result(60) for each in [threads.submit(migrate, database) for database in databases]]
    assert sorted(applied) == [[], [], sorted(migrations.available())]
    for database in databases:
        database.close()


@pytest.mark.parametrize("_round", range(6))
def test_host_that_waits_is_waited_for_by_nobody(cluster, empty_database, monkeypatch, _round) -> None:
    """It asks without a pause, so that CREATE INDEX CONCURRENTLY meets it in a statement soon."""
    monkeypatch.setattr(migrations, "_LOOK_S", 0.0)
    test_two_hosts_migrate_at_once(cluster, empty_database)


def test_migrate_refuses_a_database_of_a_newer_version(ctx) -> None:
    with ctx.db.transaction() as tx:
        tx.run("site.migrations.record", version=9999)
    with pytest.raises(RackyardError, match=r"migration 9999.*install a newer"):
        migrate(ctx.db)


def test_migration_that_was_left_out_is_applied_later(cluster, empty_database) -> None:
    """Branches are merged in any order: a site may have number 5 before number 3."""
    database = Database(cluster.dsn(empty_database))
    migrate(database)
    with database.transaction() as tx:
        tx.script("DELETE FROM schema_migration WHERE version = 5")
    assert migrate(database) == [5], "and a file without a transaction can be run again"
    database.close()


def test_interrupted_concurrent_index_is_made_anew(cluster, empty_database) -> None:
    database = Database(cluster.dsn(empty_database))
    migrate(database)
    with database.transaction() as tx:
        tx.script("DELETE FROM schema_migration WHERE version = 5")
        tx.script("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'job_boot'::regclass")
    migrate(database)
    with database.transaction() as tx:
        tx.script("DO $$ BEGIN ASSERT (SELECT bool_and(indisvalid) FROM pg_index); END $$")
    database.close()


def test_migration_gives_up_on_a_lock_and_keeps_what_went_before(
    cluster, empty_database, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrations.available()
    steps = {1: known[1], 900: "CREATE TABLE kept ();", 901: "ALTER TABLE machine ADD COLUMN extra text;"}
    monkeypatch.setattr(migrations, "available", lambda: {1: known[1]})
    database = Database(cluster.dsn(empty_database))
    migrate(database)
    monkeypatch.setattr(migrations, "available", lambda: steps)
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT_S", 1)
    with psycopg2.connect(cluster.dsn(empty_database)) as reader, reader.cursor() as cursor:
        cursor.execute("SELECT * FROM machine")
        with pytest.raises(Unavailable, match=r"Migration 901 was not applied.*migrate` again"):
            migrate(database)
        assert migrations.current(database) == 900
        cursor.execute("SELECT * FROM kept")
    reader.close()
    assert migrate(database) == [901]
    database.close()


def test_process_starts_on_a_schema_it_knows_or_a_newer_one_but_not_on_an_older(
    cluster, empty_database, ctx, caplog
) -> None:
    empty = Database(cluster.dsn(empty_database))
    with pytest.raises(RackyardError, match=r"lacks migration 1.*`rackyard-region migrate`"):
        migrations.require(empty)
    empty.close()
    migrations.require(ctx.db)
    assert caplog.text == ""
    with ctx.db.transaction() as tx:
        tx.run("site.migrations.record", version=9999)
    migrations.require(ctx.db)
    assert "migration 9999, newer than this version" in caplog.text
    migrations.require(Database("host=/nonexistent dbname=x"))


def test_every_query_can_be_prepared(ctx) -> None:
    """A query with a wrong column fails here, and not on somebody's site."""
    failures = []
    for name, sql in queries.all_queries().items():
        if name.startswith("migration."):
            continue
        statement = _with_nulls(sql)
        explained = statement if statement.startswith("LOCK") else f"EXPLAIN {statement}"
        try:
            with ctx.db.transaction() as tx:
                tx.script(explained)
        except (psycopg2.Error, RackyardError) as error:
            failures.append(f"{name}: {error}")
    assert not failures


def test_every_condition_can_be_given_with_the_query_that_asks_for_it(ctx) -> None:
    """And each filter has one, and no other does."""
    conditions = {name.rpartition(".")[2]: name for name in queries.all_conditions()}
    assert conditions.keys() == {field.name for field in fields(MachineFilter)} - {"limit"}
    failures = []
    for name in conditions.values():
        try:
            with ctx.db.transaction() as tx:
                tx.script(f"EXPLAIN {_with_nulls(queries.query('machines.registry.few', [name]))}")
        except (psycopg2.Error, RackyardError) as error:
            failures.append(f"{name}: {error}")
    assert not failures


def test_conditions_are_all_asked_for_each_as_a_whole() -> None:
    text = queries.query("machines.registry.ids", ["machines.filters.free_text", "machines.filters.after"])
    expected = r"\nWHERE \(machine\.hostname ILIKE .*\) AND \(machine\.hostname > %\(after\)s\)\nORDER BY"
    assert re.search(expected, text, re.DOTALL)


def test_query_without_a_place_for_conditions_takes_none() -> None:
    with pytest.raises(ValueError, match=r"machines\.registry\.lock takes no conditions"):
        queries.query("machines.registry.lock", ["machines.filters.after"])


def _with_nulls(sql: str) -> str:
    text = re.sub(r"^--.*$", "", sql, flags=re.MULTILINE).strip().rstrip(";")
    # The driver writes times with their type; everything else goes by what it is compared with.
    text = re.sub(r"%\((now|\w*_?at|since|until|before_at)\)s", "now()", text)
    return re.sub(r"%\(\w+\)s", "NULL", text).replace("%%", "%")


def test_commissionings_of_the_first_schema_become_operations(cluster, empty_database) -> None:
    with psycopg2.connect(cluster.dsn(empty_database)) as connection, connection.cursor() as cursor:
        cursor.execute(migrations.available()[1])
        cursor.execute("INSERT INTO schema_migration (version) VALUES (1)")
        cursor.execute("INSERT INTO machine (system_id, hostname, status, epoch) VALUES ('abcdef', 'm1', 1, 7)")
        for number, epoch, outcome in ((1, 3, "failed"), (2, 7, "running")):
            cursor.execute(
                "INSERT INTO boot (boot_id, machine_id, epoch, requested_at, outcome, consumer_key, token_key,"
                " token_secret_sha256, token_secret, credentials_expire_at) VALUES (repeat(%s, 32), 1, %s, now(), %s,"
                " '', %s, sha256(''), '', now() + interval '5 minutes')",
                (str(number), epoch, outcome, str(number)),
            )
        cursor.execute("UPDATE machine SET boot_id = 2, deadline_at = now() + interval '5 minutes'")
    connection.close()
    database = Database(cluster.dsn(empty_database))
    migrate(database)
    database.close()
    with psycopg2.connect(cluster.dsn(empty_database)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT operation.kind, operation.epoch, operation.outcome, machine.id IS NOT NULL,"
            " operation.deadline_at > now() FROM operation LEFT JOIN machine ON machine.operation_id = operation.id"
            " ORDER BY operation.id"
        )
        assert cursor.fetchall() == [
            ("commission", 3, "failed", False, True),
            ("commission", 7, "running", True, True),
        ]
    connection.close()
