# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions whose hosts have different clocks: PostgreSQL's is the one that counts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta

import psycopg2
import pytest
from roles.namespace import wait_until

from rackyard.region.context import Context
from rackyard.region.db import server_time
from rackyard.region.worker.own_state import clock_words
from rackyard.region.worker.tasks import deadlines

NEAR = timedelta(seconds=2)


def clock_is(cluster, config, body: str) -> None:
    """Whoever asks PostgreSQL for the time gets what these statements say."""
    database = config.dsn.rsplit("dbname=", 1)[1]
    cluster.run(f'ALTER DATABASE "{database}" SET search_path = public, pg_catalog')
    context = Context.from_config(config)
    with context.db.transaction() as tx:
        tx.script(f"CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$ {body} $$")
    context.close()


@pytest.fixture
def hour_ahead(cluster, config) -> timedelta:
    """PostgreSQL's clock, seen from a host whose own is an hour behind."""
    clock_is(cluster, config, "SELECT pg_catalog.clock_timestamp() + interval '1 hour'")
    return timedelta(hours=1)


def test_host_whose_clock_is_an_hour_behind_dates_as_postgresql_does(
    config, hour_ahead: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    """Else what it dates would be overdue for the other regions at once, and what they date never for it."""
    context = Context.from_config(config)
    with context.db.transaction():
        pass
    assert abs(context.clock.now() - datetime.now(UTC) - hour_ahead) < NEAR
    assert "PostgreSQL's clock is +3600 s ahead of this host's" in caplog.text
    assert clock_words(context.db.time.ahead().total_seconds())["ntp"].startswith("the clock is 3600 s behind")
    context.close()


def test_clock_that_agrees_is_left_as_it_is(config) -> None:
    context = Context.from_config(config)
    with context.db.transaction():
        pass
    assert context.db.time.ahead() == timedelta()
    assert clock_words(0.0) == {}
    context.close()


def test_racks_are_judged_again_soon_after_postgresqls_clock_was_put_back(
    ctx: Context, execute: Callable[..., object]
) -> None:
    """A leader's beat that lies an hour ahead must not keep dead racks alive for that hour."""
    deadlines.keep_time(ctx)
    execute("UPDATE leadership SET since = since + interval '1 hour', beat_at = beat_at + interval '1 hour'")
    deadlines.keep_time(ctx)
    later = ctx.clock.now() + timedelta(seconds=10)
    with ctx.db.transaction() as tx:
        assert deadlines.watched_for(tx, later) == timedelta(seconds=10)


def test_nobody_else_waits_while_one_asks_what_time_it_is(cluster, config, monkeypatch: pytest.MonkeyPatch) -> None:
    """A PostgreSQL that hangs would else hang every thread, also those that only want to give their connection back."""
    monkeypatch.setattr(server_time, "EVERY_S", 0.0)
    clock_is(cluster, config, "SELECT pg_advisory_xact_lock(1); SELECT pg_catalog.clock_timestamp()")
    context = Context.from_config(config)
    begun, ends = threading.Event(), threading.Event()

    def work() -> None:
        with context.db.transaction():
            begun.set()
            ends.wait(10)

    def ask() -> None:
        # It asks on an idle connection, and waits for the answer.
        with context.db.transaction():
            pass

    with closing(psycopg2.connect(config.dsn)) as holder, holder.cursor() as cursor:
        working = threading.Thread(target=work)
        working.start()
        assert begun.wait(10)
        with context.db.transaction():
            pass
        cursor.execute("SELECT pg_advisory_lock(1)")
        asking = threading.Thread(target=ask)
        asking.start()
        waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        wait_until(lambda: cursor.execute(waits) or cursor.fetchone() == (1,), "one that asks", timeout_s=5)
        ends.set()
        working.join(5)
        held_up = working.is_alive()
        cursor.execute("SELECT pg_advisory_unlock(1)")
        asking.join(15)
    context.close()
    assert not held_up
    assert not asking.is_alive()
