# SPDX-License-Identifier: GPL-3.0-or-later
"""A region of a former release, as this repository's history has it: it makes a site, goes on while the schema is
brought up to date below it, and what it told of the site the present release tells too."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.config import Config
from rackyard.region.db import migrations
from rackyard.region.db.pool import Database

from ..conftest import Api, Cluster, oauth_header

ROOT = Path(__file__).resolve().parents[3]
# The one before reserved addresses, facts of controllers, and declared machines: with schema 45.
RELEASE, SCHEMA = "afcdf1ab", 45
REGION = """
import json, os, sys, tomllib
from rackyard.region import config
from rackyard.region.app import create_app
from rackyard.region.context import Context
from rackyard.region.db import migrations
from rackyard.region.services.site import accounts
from rackyard.region.services.site.authorisation import COMMAND_LINE

of_the_host = config.from_document(tomllib.loads(os.environ["REGION_TOML"]))
ctx = Context.from_config(of_the_host)
migrations.migrate(ctx.db)
print(json.dumps([migrations.current(ctx.db), accounts.create_admin(ctx, COMMAND_LINE, "admin")]), flush=True)
client = create_app(of_the_host, ctx).test_client()
for line in sys.stdin:
    method, path, data, headers = json.loads(line)
    answer = client.open(f"/MAAS/api/2.0/{path}", method=method, data=data, headers=headers)
    print(json.dumps([answer.status_code, answer.text]), flush=True)
"""
TOML = """
[region]
name = "region1"
url = "{0.url}"
addresses = ["10.10.0.11"]
rpc_ports = [5250]
[database]
dsn = "{0.dsn}"
[keys]
secrets = "{0.secrets_key}"
tsig = "{0.tsig_key}"
[tls]
ca_cert = "{0.ca_cert}"
ca_key = "{0.ca_key}"
cert = "{0.tls_cert}"
key = "{0.tls_key}"
[paths]
images = "{0.images}"
[dns]
server = "127.0.0.1"
domain = "{0.domain}"
"""
MACHINE = {
    "commission": "false", "architecture": "amd64", "power_type": "ipmi",
    "power_parameters_power_address": "10.30.0.11", "power_parameters_power_user": "admin",
    "power_parameters_power_pass": "secret",
}  # fmt: skip
# What an operator declares, in an order in which each finds what it needs.
SITE: tuple[tuple[str, dict[str, str]], ...] = (
    ("zones/", {"name": "east", "description": "the new hall"}),
    ("resourcepools/", {"name": "web"}),
    ("fabrics/", {"name": "hall"}),
    ("subnets/", {"name": "pxe", "cidr": "10.20.0.0/24", "gateway_ip": "10.20.0.1"}),
    ("tags/", {"name": "big", "comment": "much memory"}),
    ("domains/", {"name": "example.org"}),
    ("machines/", {"hostname": "m1", "mac_addresses": "52:54:00:20:01:01", **MACHINE}),
    ("devices/", {"hostname": "printer", "mac_addresses": "52:54:00:20:09:01"}),
    ("notifications/", {"message": "moved on Friday", "users": "true"}),
)
LISTS = (
    *dict(SITE),
    "machines/?op=power_parameters",
    "users/",
    "events/?op=query",
    "account/?op=list_authorisation_tokens",
)


class Former:
    """That region as a process."""

    def __init__(self, code: Path, config: Config) -> None:
        path = os.pathsep.join((str(code / "src"), str(code / "plugins/module_utils")))
        self._process = subprocess.Popen(
            [sys.executable, "-c", REGION],
            env={**os.environ, "PYTHONPATH": path, "REGION_TOML": TOML.format(config)},
            cwd=code, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.schema, self.key = self._said()

    def _said(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline() or '"it ended, see its words above"')

    def asked(self, method: str, path: str, data: dict[str, str] | None = None) -> Any:
        assert self._process.stdin
        self._process.stdin.write(json.dumps([method, path, data, oauth_header(self.key)]) + "\n")
        self._process.stdin.flush()
        status, text = self._said()
        assert status == 200, f"{method} {path}: {text}"
        return json.loads(text)

    def end(self) -> None:
        self._process.communicate(timeout=20)


@pytest.fixture
def config(config: Config, cluster: Cluster) -> Iterator[Config]:
    """The same region with an empty database."""
    name = cluster.create()
    yield replace(config, dsn=cluster.dsn(name))
    cluster.drop(name)


@pytest.fixture
def former(config: Config, tmp_path: Path) -> Iterator[Former]:
    archive = subprocess.run(
        ["git", "-C", str(ROOT), "archive", RELEASE, "src", "plugins/module_utils"], capture_output=True, check=False
    )
    if archive.returncode != 0:
        pytest.skip(f"no history here: {archive.stderr.decode().strip()}")
    code = tmp_path / "former"
    code.mkdir()
    subprocess.run(["tar", "-x", "-C", str(code)], input=archive.stdout, check=True)
    region = Former(code, config)
    yield region
    region.end()


def test_site_goes_on_while_it_is_brought_up_to_date(
    former: Former, config: Config, request: pytest.FixtureRequest
) -> None:
    assert former.schema == SCHEMA
    for path, declared in SITE:
        former.asked("POST", path, declared)
    before = {path: former.asked("GET", path) for path in LISTS}

    database = Database(config.dsn)
    assert migrations.migrate(database) == [each for each in sorted(migrations.available()) if each > SCHEMA]
    database.close()
    assert {path: former.asked("GET", path) for path in LISTS} == before
    other = {**MACHINE, "power_parameters_power_address": "10.30.0.12", "mac_addresses": "52:54:00:20:01:02"}
    second = former.asked("POST", "machines/", {"hostname": "m2", **other})
    former.asked("PUT", f"machines/{second['system_id']}/", {"description": "made meanwhile", "zone": "east"})
    at_the_end = {path: former.asked("GET", path) for path in LISTS}

    present = Api(request.getfixturevalue("client"), former.key)
    for path, told in at_the_end.items():
        answer = present.get(path)
        assert answer.status_code == 200, f"{path}: {answer.text}"
        assert kept(told, answer.json) == told, path


def kept(told: Any, now: Any) -> Any:
    """What is told now, without what the former release had no word for."""
    if isinstance(told, dict) and isinstance(now, dict):
        return {name: kept(value, now[name]) for name, value in told.items() if name in now}
    if isinstance(told, list) and isinstance(now, list) and len(told) == len(now):
        return [kept(*pair) for pair in zip(told, now, strict=True)]
    return now
