# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules against the real application and a real PostgreSQL in one process: only the network is left out."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import psycopg2
import pytest
from ansible.module_utils.testing import patch_module_args
from flask.testing import FlaskClient
from judge import judging

from ansible_collections.rackyard.metal.plugins.module_utils.rackyard_core import region_options
from ansible_collections.rackyard.metal.plugins.module_utils.rackyard_core.wire import Request, Response, Transport
from ansible_collections.rackyard.metal.plugins.modules import machine
from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack

# `nox -s runner` makes the environment of these, which take minutes.
collect_ignore = [] if "RACKYARD_RUNNER_ENVIRONMENT" in os.environ else ["runner"]

Result = dict[str, Any]
MACHINE = {
    "hostname": "m1",
    "mac_addresses": ["52:54:00:20:01:01"],
    "power": {"type": "ipmi", "address": "10.30.0.11", "user": "admin", "password": "sesame"},
}


def in_process(client: FlaskClient) -> Transport:
    """A transport that hands each request to the application, also from several threads."""

    def send(request: Request, timeout_s: float) -> Response:
        parts = urlsplit(request.url)
        answer = client.application.test_client().open(
            parts.path,
            method=request.method,
            query_string=parts.query,
            headers=dict(request.headers),
            data=request.body,
        )
        return Response(answer.status_code, answer.data, dict(answer.headers))

    return send


@pytest.fixture
def run(
    client: FlaskClient, admin_key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    """Run a module's main() with options and give its result; `check=True` is check mode."""
    monkeypatch.setattr(region_options, "urllib_transport", lambda *args: in_process(client))
    monkeypatch.setenv("RACKYARD_URL", "http://region1:5240/MAAS")
    monkeypatch.setenv("RACKYARD_API_KEY", admin_key)

    def run_module(module: ModuleType, check: bool = False, **options: Any) -> Result:
        arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_remote_tmp": "/tmp"}
        capsys.readouterr()
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        result: Result = json.loads(capsys.readouterr().out)
        return result

    return run_module


@pytest.fixture
def register(run: Callable[..., Result]) -> Callable[..., Result]:
    """Run module machine for m1, with other options where given."""

    def run_machine(check: bool = False, **options: Any) -> Result:
        return run(machine, check=check, **{**MACHINE, **options})

    return run_machine


@pytest.fixture
def execute(ctx: Context) -> Callable[..., list[tuple[Any, ...]]]:
    """Run a statement on the test's database and give its rows."""

    def statement(text: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg2.connect(ctx.config.dsn) as connection, connection.cursor() as cursor:
            cursor.execute(text, values)
            return cursor.fetchall() if cursor.description else []

    return statement


@pytest.fixture
def rack(execute: Callable[..., Any]) -> str:
    """A live rack with a leg in the boot network and one in the BMCs'."""
    execute("INSERT INTO rack (system_id, hostname, alive, last_seen_at) VALUES ('abcdef', 'rack1', true, now())")
    for name, address in (("pxe0", "10.20.0.2/24"), ("bmc0", "10.30.0.2/24")):
        execute("INSERT INTO rack_interface (rack_id, name, address) SELECT id, %s, %s FROM rack", name, address)
    return "rack1"


@pytest.fixture
def judge(rack: str, execute: Callable[..., Any], ctx: Context, tmp_path: Path) -> Iterator[None]:
    """That rack's dhcpd judges DHCP snippets."""
    ((rack_id, system_id),) = execute("UPDATE rack SET abilities = '{dhcp_check}' RETURNING id, system_id")
    with judging(ctx, Rack(rack_id, system_id, rack), tmp_path):
        yield
