# SPDX-License-Identifier: GPL-3.0-or-later
"""Transactions, the pool and the notifier, as the services rely on them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg2
import pytest

from rackyard.region.app import create_app
from rackyard.region.context import Context
from rackyard.region.db.pool import Database
from rackyard.region.errors import Invalid, Unavailable, Undecided

from ..conftest import oauth_header


def add_fabric(tx, name: str) -> int:
    return tx.one("network.picture.add_fabric", name=name, description="", class_type="")["id"]


def test_transaction_rolls_back_when_its_block_raises(ctx) -> None:
    def fail_after_a_change() -> None:
        with ctx.db.transaction() as tx:
            add_fabric(tx, "lost")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_after_a_change()
    with ctx.db.transaction() as tx:
        assert tx.all("network.picture.fabrics") == []


def test_constraint_becomes_a_domain_error_and_the_connection_lives_on(ctx) -> None:
    with ctx.db.transaction() as tx:
        add_fabric(tx, "one")
    with pytest.raises(Invalid, match="fabric with this name exists"), ctx.db.transaction() as tx:
        add_fabric(tx, "one")
    with ctx.db.transaction() as tx:
        assert [row["name"] for row in tx.all("network.picture.fabrics")] == ["one"]


def test_reading_sees_what_is_there_takes_no_transaction_and_changes_nothing(ctx) -> None:
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
    )
    with ctx.db.reading() as tx:
        assert tx.all("network.picture.fabrics") == []
        with ctx.db.transaction() as other:
            add_fabric(other, "one")
        assert [row["name"] for row in tx.all("network.picture.fabrics")] == ["one"]
        with psycopg2.connect(ctx.config.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(waiting)
            assert cursor.fetchone() == (0,)
        connection.close()
        with pytest.raises(LookupError, match="no transaction around it"):
            add_fabric(tx, "two")
    with pytest.raises(Invalid), ctx.db.reading():
        raise Invalid.field("name", "no")
    with ctx.db.transaction() as tx:
        add_fabric(tx, "three")
        with ctx.db.reading() as elsewhere:
            assert [row["name"] for row in elsewhere.all("network.picture.fabrics")] == ["one"], "it is not committed"


def test_types_come_back_as_text_and_bytes(ctx) -> None:
    with ctx.db.transaction() as tx:
        fabric_id = add_fabric(tx, "one")
        vlan = {"vid": 0, "name": "u", "description": "", "mtu": 1500, "dhcp_on": False}
        nobody = {"primary_rack_id": None, "secondary_rack_id": None, "relay_vlan_id": None, "space_id": None}
        vlan_id = tx.one("network.picture.add_vlan", fabric_id=fabric_id, **vlan, **nobody)["id"]
        subnet = {"name": "s", "description": "", "cidr": "10.20.0.0/24", "gateway_ip": None, "managed": True}
        flags = {"allow_dns": True, "allow_proxy": True, "dns_servers": ["10.20.0.2", "2001:db8::1"]}
        flags |= {"router_advertisements": False, "enlistment": "off"}
        tx.run("network.picture.add_subnet", vlan_id=vlan_id, **subnet, **flags)
        row = tx.all("network.picture.subnets")[0]
    assert row["cidr"] == "10.20.0.0/24"
    assert row["dns_servers"] == ["10.20.0.2", "2001:db8::1"]


def test_connection_that_the_server_closed_is_replaced(ctx, cluster) -> None:
    with ctx.db.transaction() as tx:
        tx.all("network.picture.fabrics")
    cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rackyard-region'")
    time.sleep(0.1)
    with ctx.db.transaction() as tx:
        assert tx.all("network.picture.fabrics") == []


@pytest.fixture
def lose_connections(cluster) -> Callable[[], None]:
    """What a restart of PostgreSQL does to connections."""

    def lose() -> None:
        cluster.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rackyard-region'")
        time.sleep(0.1)

    return lose


def test_change_that_was_lost_at_its_commit_is_not_answered_with_try_again(ctx, lose_connections) -> None:
    def change() -> None:
        with ctx.db.transaction() as tx:
            add_fabric(tx, "one")
            lose_connections()

    with pytest.raises(Undecided, match="look before you repeat it"):
        change()


def test_change_that_was_lost_before_its_commit_may_be_tried_again(ctx, lose_connections) -> None:
    def change() -> None:
        with ctx.db.transaction() as tx:
            add_fabric(tx, "one")
            lose_connections()
            add_fabric(tx, "two")

    with pytest.raises(Unavailable):
        change()


def test_question_that_was_lost_at_its_end_may_be_asked_again(ctx, lose_connections) -> None:
    def ask() -> None:
        with ctx.db.transaction() as tx:
            tx.all("network.picture.fabrics")
            lose_connections()

    with pytest.raises(Unavailable):
        ask()


def test_full_pool_says_so_instead_of_hanging(config) -> None:
    small = Database(config.dsn, size=1, wait_s=0.05)
    with small.transaction(), pytest.raises(Unavailable, match="busy"), small.transaction():
        pass
    small.close()


def test_unreachable_database_is_unavailable_with_a_reason(caplog) -> None:
    """The driver's words, with host, user and database, are for the journal only."""
    database = Database("host=/nonexistent dbname=secret-name user=secret-user")
    with pytest.raises(Unavailable, match="PostgreSQL") as caught, database.transaction():
        pass
    assert "/nonexistent" in caplog.text
    assert "socket" in caplog.text
    for word in ("nonexistent", "secret", "socket", "No such file"):
        assert word not in str(caught.value)


def test_subscription_hears_a_change_of_the_network(ctx) -> None:
    with ctx.notifier.subscribe("rackyard_desired") as subscription:
        assert not subscription.wait(0.05)
        with ctx.db.transaction() as tx:
            fabric_id = add_fabric(tx, "one")
            vlan = {"vid": 0, "name": "u", "description": "", "mtu": 1500, "dhcp_on": False}
            nobody = {"primary_rack_id": None, "secondary_rack_id": None, "relay_vlan_id": None, "space_id": None}
            tx.run("network.picture.add_vlan", fabric_id=fabric_id, **vlan, **nobody)
        assert subscription.wait(5)


def test_subscription_with_a_payload_ignores_others(ctx) -> None:
    with (
        ctx.notifier.subscribe("rackyard_machines", "other6") as other,
        ctx.notifier.subscribe("rackyard_machines") as every,
    ):
        with ctx.db.transaction() as tx:
            tx.script("SELECT pg_notify('rackyard_machines', 'abc346')")
        assert every.wait(5)
        assert not other.wait(0.05)


def test_notifier_wakes_everybody_after_it_lost_its_connection(ctx, cluster) -> None:
    with ctx.notifier.subscribe("rackyard_jobs") as subscription:
        cluster.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'rackyard-notifier'"
        )
        assert subscription.wait(10)


def test_unknown_channel_is_refused(ctx) -> None:
    with pytest.raises(ValueError, match="unknown channel"), ctx.notifier.subscribe("typo"):
        pass


def test_closing_wakes_waiters(ctx) -> None:
    heard = []
    thread = threading.Thread(target=lambda: heard.append(ctx.notifier.wait("rackyard_jobs", None, 30)))
    thread.start()
    time.sleep(0.2)
    ctx.notifier.close()
    thread.join(timeout=5)
    assert heard == [True]


def test_changes_that_wait_for_each_other_are_answered_with_try_again(ctx) -> None:
    both_hold_one = threading.Barrier(2)

    def lock(first: int, second: int) -> None:
        with ctx.db.transaction() as tx:
            tx.script(f"SELECT pg_advisory_xact_lock({first})")
            both_hold_one.wait(10)
            tx.script(f"SELECT pg_advisory_xact_lock({second})")

    with ThreadPoolExecutor() as threads:
        errors = [work.exception(20) for work in (threads.submit(lock, 1, 2), threads.submit(lock, 2, 1))]
    (refused,) = [error for error in errors if error is not None]
    assert isinstance(refused, Unavailable)
    assert refused.message == "Two changes met each other; try again."


def test_path_cannot_forge_a_line_of_the_journal_when_the_database_is_away(ctx, caplog) -> None:
    away = replace(ctx, db=Database("host=/nonexistent dbname=x"))
    client = create_app(ctx.config, away).test_client()
    response = client.get("/MAAS/api/2.0/machines/a%0AINFO forged/", headers=oauth_header("consumer:token:secret"))
    assert response.status_code == 503
    lines = [line for record in caplog.records for line in record.getMessage().splitlines()]
    assert lines
    assert not [line for line in lines if line.startswith("INFO")]


def test_a_world_that_is_closed_leaves_no_descriptor_behind(config) -> None:
    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = opened()
    for _ in range(3):
        ctx = Context.from_config(config)
        with ctx.db.transaction() as tx, ctx.notifier.subscribe("rackyard_jobs"):
            tx.all("site.settings.all")
        ctx.close()
        ctx.close()
    assert opened() == before
