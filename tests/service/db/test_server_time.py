# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions whose hosts have different clocks: PostgreSQL's is the one that counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from rackyard.region.context import Context
from rackyard.region.worker.own_state import clock_words
from rackyard.region.worker.tasks import deadlines

NEAR = timedelta(seconds=2)


@pytest.fixture
def hour_ahead(cluster, config) -> timedelta:
    """PostgreSQL's clock, seen from a host whose own is an hour behind."""
    database = config.dsn.rsplit("dbname=", 1)[1]
    cluster.run(f'ALTER DATABASE "{database}" SET search_path = public, pg_catalog')
    context = Context.from_config(config)
    with context.db.transaction() as tx:
        tx.script(
            "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE "
            "AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$"
        )
    context.close()
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
