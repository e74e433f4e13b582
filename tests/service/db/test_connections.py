# SPDX-License-Identifier: GPL-3.0-or-later
"""Every connection to PostgreSQL: in UTC, and no wait without an end."""

from __future__ import annotations

import re
import socket
import time
from dataclasses import replace
from datetime import timedelta

import psycopg2
import pytest
from psycopg2.extensions import make_dsn, parse_dsn

from rackyard.region.app import create_app
from rackyard.region.config import Config
from rackyard.region.db import connections
from rackyard.region.db.pool import Database
from rackyard.region.errors import Unavailable

OAUTH = (
    'OAuth oauth_version="1.0", oauth_signature_method="PLAINTEXT", oauth_consumer_key="a", oauth_token="b", '
    'oauth_signature="%26c", oauth_nonce="n", oauth_timestamp="1700000000"'
)


@pytest.fixture
def abroad(cluster, config) -> str:
    """A database whose server is set to another time zone."""
    database = config.dsn.rsplit("dbname=", 1)[1]
    cluster.run(f"ALTER DATABASE \"{database}\" SET TimeZone = 'Europe/Berlin'")
    return config.dsn


def shown(connection, name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        return cursor.fetchone()[0]


def test_times_are_utc_whatever_the_server_is_set_to(abroad: str) -> None:
    connection = connections.connect(abroad, "test")
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        assert cursor.fetchone()[0].utcoffset() == timedelta(0)
    connection.close()


def test_server_that_says_nothing_costs_one_connection_its_patience_and_not_each(config) -> None:
    """As a host that lost its power: libpq asks servers in turn, each time from the first one."""
    there = psycopg2.connect(config.dsn)
    there_host, there_port = there.info.host, there.info.port
    there.close()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        given = parse_dsn(config.dsn) | {"connect_timeout": "2"}
        port = silent.getsockname()[1]
        dsn = make_dsn(**given | {"host": f"127.0.0.1,{there_host}", "port": f"{port},{there_port}"})
        took = []
        for _turn in range(3):
            began = time.monotonic()
            connections.connect(dsn, "test").close()
            took.append(time.monotonic() - began)
    assert took[0] > 1.5, took
    assert max(took[1:]) < 1, took


def test_servers_are_all_asked_whichever_was_found_last(config) -> None:
    there = psycopg2.connect(config.dsn)
    there_host, there_port = there.info.host, there.info.port
    there.close()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    given = parse_dsn(config.dsn)
    dsn = make_dsn(**given | {"host": f"127.0.0.1,{there_host},127.0.0.1", "port": f"{port},{there_port},{port}"})
    for _turn in range(2):
        connections.connect(dsn, "test").close()
    # As if the server had moved: nobody listens where it was found last.
    connections._found[dsn] = ("127.0.0.1", str(port))
    connections.connect(dsn, "test").close()
    assert connections._found[dsn] == (there_host, str(there_port))


def test_every_wait_has_an_end(config) -> None:
    connection = connections.connect(config.dsn, "test", statement_timeout_s=240)
    settings = {
        "statement_timeout": "4min",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "1min",
        "application_name": "test",
    }
    assert {name: shown(connection, name) for name in settings} == settings
    parameters = connection.get_dsn_parameters()
    assert "-c tcp_keepalives_idle=4 " in parameters["options"], "the server's own patience; a socket shows none"
    assert {"keepalives_idle": "4", "tcp_user_timeout": "10000", "connect_timeout": "5"}.items() <= parameters.items()
    connection.close()


def test_connection_string_has_the_last_word(config) -> None:
    connection = connections.connect(f"{config.dsn} options='-c lock_timeout=3s' connect_timeout=9", "test")
    assert shown(connection, "lock_timeout") == "3s"
    assert connection.get_dsn_parameters()["connect_timeout"] == "9"
    connection.close()


def test_statement_that_takes_too_long_is_ended_in_words(config) -> None:
    database = Database(config.dsn, statement_timeout_s=1)
    began = time.monotonic()
    with pytest.raises(Unavailable, match="took too long over this, and nothing was changed"):  # noqa: SIM117
        with database.transaction() as tx, tx._connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(20)")
    assert time.monotonic() - began < 10
    database.close()


def test_unreachable_database_is_named_to_the_journal_and_not_to_whoever_asks(
    config: Config, caplog: pytest.LogCaptureFixture
) -> None:
    """The driver's words name host, user and database."""
    away = create_app(replace(config, dsn="host=/nowhere user=secret-user dbname=secret-database"))
    answer = away.test_client().get("/MAAS/api/2.0/machines/", headers={"Authorization": OAUTH})
    assert answer.status_code == 503
    assert "journal says why" in answer.text
    assert not re.search("secret|nowhere|psycopg", answer.text)
    assert "/nowhere" in caplog.text


def test_lock_that_is_not_given_is_no_endless_wait(config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LOCK_TIMEOUT_S", 1)
    holder = psycopg2.connect(config.dsn)
    with holder.cursor() as cursor:
        cursor.execute("LOCK TABLE machine")
    database = Database(config.dsn)
    with pytest.raises(Unavailable, match="met each other"), database.transaction() as tx:
        tx.script("LOCK TABLE machine")
    holder.close()
    database.close()


def test_migration_may_take_as_long_as_it_takes(config) -> None:
    database = Database(config.dsn, statement_timeout_s=1)
    with database.transaction() as tx:
        tx.script("SELECT pg_sleep(2)")
    database.close()
