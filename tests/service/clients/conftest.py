# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions that listen, for clients that are programs of their own, and one that many checks share."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from flask import Flask

from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.services.power import handout, outcomes
from rackyard.region.services.racks import dhcp_checks
from rackyard.region.services.site import accounts, images
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.turns import Turn
from tests.service.clients.replay import Region, listening
from tests.service.conftest import Api, Cluster, enrolled_rack, region_config, run_sql


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """Where the region listens."""
    with listening(app) as found:
        yield found


@pytest.fixture(scope="module")
def region(
    cluster: Cluster, app_of: Callable[[Context], Flask], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Region]:
    """A region whose machines can be commissioned: it has an image, a network with DHCP and a rack that obeys."""
    database = cluster.create(cluster.template)
    dsn = cluster.dsn(database)
    ctx = Context.from_config(region_config(dsn, tmp_path_factory.mktemp("region"), Fernet.generate_key()))
    app, key = app_of(ctx), accounts.create_admin(ctx, COMMAND_LINE, "admin")
    api = Api(app.test_client(), key)
    rack_id = enrolled_rack(ctx, "rack1", "172.16.255.1/16")
    run_sql(
        dsn,
        "INSERT INTO rack_interface (rack_id, name, mac, address) "
        "SELECT id, 'eth2', '52:54:00:aa:00:02', '192.168.9.2/24' FROM rack",
    )
    run_sql(dsn, "UPDATE rack SET abilities = '{dhcp_check}'")
    _image(ctx, tmp_path_factory.mktemp("image"))
    _serves(api, dsn, rack_id)
    turn = Turn()
    agent = threading.Thread(target=_obey, args=(ctx, rack_id, turn))
    agent.start()
    yield Region(api, ctx, app, key, rack_id)
    turn.end()
    agent.join()
    ctx.close()
    cluster.drop(database)


def _image(ctx: Context, folder: Path) -> None:
    """An image that machines can be commissioned with."""
    files = []
    for role in ("kernel", "initrd", "squashfs"):
        digest = hashlib.sha256(role.encode()).hexdigest()
        (ctx.config.images / digest).mkdir()
        (ctx.config.images / digest / role).write_text(role)
        files.append({"role": role, "name": role, "sha256": digest, "size_bytes": len(role)})
    manifest = {"name": "debian-bookworm-amd64", "arch": "amd64", "suite": "bookworm", "files": files}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    images.register(ctx, COMMAND_LINE, folder / "manifest.json")


def _serves(api: Api, dsn: str, rack_id: str) -> None:
    """What a machine needs to boot."""
    run_sql(dsn, "INSERT INTO region (system_id, name, seen_at) VALUES ('abcdef', 'region1', now())")
    fabric = api.post("fabrics/", data={"name": "boot"}).json
    for path, given in {
        "subnets/": {"cidr": "192.168.9.0/24", "vlan": fabric["vlans"][0]["id"]},
        "ipranges/": {"type": "dynamic", "start_ip": "192.168.9.100", "end_ip": "192.168.9.200"},
    }.items():
        assert api.post(path, data=given).status_code == 200
    serving = {"dhcp_on": "true", "primary_rack": rack_id}
    assert api.put(f"fabrics/{fabric['id']}/vlans/0/", data=serving).status_code == 200


def _obey(ctx: Context, system_id: str, turn: Turn) -> None:
    """What a rack's agent does, at the services that its calls come to: BMCs do as they are told, and its dhcpd finds
    no fault."""
    ((rack_id,),) = run_sql(ctx.config.dsn, "SELECT id FROM rack WHERE system_id = %s", (system_id,))
    rack = Rack(rack_id, system_id, "rack1")
    while not turn.over():
        work = handout.take(ctx, rack, handout.Poll(wait_s=handout.MAX_WAIT_S), turn)
        for check in work.checks:
            dhcp_checks.answer(ctx, rack, check["id"], "")
        for job in work.jobs:
            state = "off" if job["kind"] == "power_off" else "on"
            report = outcomes.PowerReport(int(str(job["epoch"])), True, state, (), "", "", 0.1)
            outcomes.finish(ctx, rack, int(str(job["id"])), report)
