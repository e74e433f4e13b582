# SPDX-License-Identifier: GPL-3.0-or-later
"""A site of the first release, brought up to date: the API shows what was there, and the worker goes on with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.crypto import SecretBox
from rackyard.region.db import migrations
from rackyard.region.db.pool import Database
from rackyard.region.worker.__main__ import tasks

from ..conftest import Api, Cluster, SettableClock

PASSWORD = "of-the-first-release"
FIRST_SITE = (Path(__file__).parent / "upgrade_0001.sql").read_text(encoding="utf-8")


@pytest.fixture
def config(config: Config, cluster: Cluster) -> Iterator[Config]:
    """The same region with the first release's database, migrated."""
    name = cluster.create()
    with psycopg2.connect(cluster.dsn(name)) as connection, connection.cursor() as cursor:
        cursor.execute(migrations.available()[1])
        cursor.execute("INSERT INTO schema_migration (version) VALUES (1)")
        cursor.execute(FIRST_SITE, {"password": SecretBox.from_file(config.secrets_key).encrypt(PASSWORD)})
    connection.close()
    database = Database(cluster.dsn(name))
    assert migrations.migrate(database) == sorted(migrations.available())[1:]
    database.close()
    yield replace(config, dsn=cluster.dsn(name))
    cluster.drop(name)


def worker_pass(ctx: Context, root: Path) -> None:
    """Each task of the worker that changes the database, once, in its order."""
    for task in tasks(ctx, root):
        if task.leader_only:
            task.run()


def shown(api: Api, path: str) -> Any:
    answer = api.get(path)
    assert answer.status_code == 200, f"{path}: {answer.text}"
    return answer.json


def test_api_shows_what_was_there(api: Api, ctx: Context, sealed_password: Callable[[str], bytes]) -> None:
    ready, busy = sorted(shown(api, "machines/"), key=lambda machine: machine["hostname"])
    assert (ready["status_name"], ready["cpu_count"], ready["memory"], ready["power_type"]) == (
        "Ready",
        8,
        32768,
        "ipmi",
    )
    assert [entry["mac_address"] for entry in ready["interface_set"]] == ["52:54:00:20:01:01"]
    assert (busy["status_name"], busy["power_state"]) == ("Commissioning", "on")
    power = shown(api, f"machines/{ready['system_id']}/?op=power_parameters")
    assert (power["power_address"], power["power_user"]) == ("10.30.0.11", "admin")
    assert power["power_boot_type"] == "efi"
    assert ctx.box.decrypt(sealed_password(ready["system_id"])) == PASSWORD
    steps = shown(api, f"machines/{ready['system_id']}/?op=boot_timeline")["steps"]
    assert [step["step"] for step in steps] == list(range(1, 13))
    (results,) = shown(api, f"nodes/{ready['system_id']}/results/")
    assert [result["name"] for result in results["results"]] == ["20-cpu"]
    events = shown(api, "events/?op=query&hostname=m1")["events"]
    assert {event["type"] for event in events} == {"NODE_CREATED", "OLD"}
    assert [rack["hostname"] for rack in shown(api, "rackcontrollers/")] == ["rack1"]
    assert [subnet["cidr"] for subnet in shown(api, "subnets/")] == ["10.20.0.0/24"]
    assert len(shown(api, "boot-resources/")) == 1
    assert len(shown(api, "ipranges/")) == 1


def test_worker_goes_on_with_what_runs(api: Api, ctx: Context, clock: SettableClock, tmp_path: Path) -> None:
    worker_pass(ctx, tmp_path)
    assert shown(api, "machines/machac/")["status_name"] == "Commissioning"
    assert [event["type"] for event in shown(api, "events/?op=query&hostname=m1")["events"]] == ["NODE_CREATED"], (
        "45 days"
    )
    for _ in range(150):
        clock.advance(10)
        worker_pass(ctx, tmp_path)
    machine = shown(api, "machines/machac/")
    assert machine["status_name"] == "Failed commissioning"
    assert "step 5" in machine["status_message"]
    assert shown(api, "machines/machab/")["status_name"] == "Ready"


def test_machines_may_be_changed_and_go_through_it_again(
    api: Api, ctx: Context, sealed_password: Callable[[str], bytes]
) -> None:
    assert api.put("machines/machab/", data={"power_parameters_power_user": "root"}).status_code == 200
    assert ctx.box.decrypt(sealed_password("machab")) == PASSWORD
    assert api.post("machines/machac/?op=abort").status_code == 200
    assert api.post("machines/machac/?op=commission").status_code == 200
    assert api.delete("machines/machab/").status_code == 204
