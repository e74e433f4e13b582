# SPDX-License-Identifier: GPL-3.0-or-later
"""One of each thing that the API has, and what the database holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import psycopg2
import pytest
from cryptography.fernet import Fernet
from psycopg2 import sql

from rackyard.region import api as region_api
from rackyard.region.context import Context
from rackyard.region.services.site import accounts
from rackyard.region.services.site.authorisation import COMMAND_LINE
from tests.service.conftest import Api, Cluster, enrolled_rack, region_config, run_sql

Things = dict[str, dict[str, object]]

# Beside administrators, and beside who may only look and owns nothing.
ROLES = ("viewer", "elsewhere", "owner", "operator")
TEXT_RECORD = {"fqdn": "a.d.org", "rrtype": "TXT", "rrdata": "x"}


def furnish(ctx: Context, api: Api) -> Things:
    """Make one of each thing; the parts of URLs that name them, machines and controllers by a system_id."""
    execute = partial(run_sql, ctx.config.dsn)
    fabric = api.post("fabrics/", data={"name": "f"}).json
    tag = api.post("tags/", data={"name": "t"}).json
    subnet = api.post("subnets/", data={"cidr": "198.51.100.0/24", "name": "s"}).json
    api.post("subnets/", data={"cidr": "192.0.2.0/24", "name": "t"})
    route = api.post("static-routes/", data={"source": "s", "destination": "t", "gateway_ip": "198.51.100.2"}).json
    space = api.post("spaces/", data={"name": "dmz"}).json
    ends = {"start_ip": "198.51.100.10", "end_ip": "198.51.100.20"}
    ip_range = api.post("ipranges/", data={"type": "reserved", **ends}).json
    machine = api.post(
        "machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:00:00:01"}
    ).json
    ((disk_id,),) = execute(
        "INSERT INTO block_device (machine_id, name, model, serial, size_bytes, block_size_bytes) "
        "SELECT id, 'sda', '', '', 1, 512 FROM machine RETURNING id"
    )
    ((image_id,),) = execute(
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at) "
        """VALUES ('i', 'amd64', 'bookworm', '{"files": []}', sha256('i'), now()) RETURNING id"""
    )
    ((region_id,),) = execute(
        "INSERT INTO region (system_id, name, seen_at) VALUES ('abcdef', 'region1', now()) RETURNING system_id"
    )
    ((snippet_id,),) = execute(
        "INSERT INTO dhcp_snippet (name, value, subnet_id) SELECT 'n', 'option time-offset 0;', id FROM subnet "
        "WHERE name = 's' RETURNING id"
    )
    execute("INSERT INTO dhcp_snippet_value (snippet_id, value, created_at) SELECT id, value, now() FROM dhcp_snippet")
    ssh_key = api.post("account/prefs/sshkeys/", data={"key": f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43}"}).json
    api.post("files/", data={"filename": "f.txt", "file": "x"})
    notice = api.post("notifications/", data={"message": "x", "admins": "true"}).json
    device = api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:00:00:20"}).json
    accounts.add_account(ctx, COMMAND_LINE, "somebody")
    controllers = {"rackcontrollers": {"system_id": enrolled_rack(ctx, "rack1", "203.0.113.1/24")}}
    controllers["regioncontrollers"] = {"system_id": region_id}
    controllers["devices"] = {"system_id": device["system_id"]}
    of_rest = {
        "system_id": machine["system_id"],
        "username": "somebody",
        "filename": "f.txt",
        "notification_id": notice["id"],
        "key_id": ssh_key["id"],
        "name": tag["name"],
        "interface": machine["interface_set"][0]["id"],
        "disk_id": disk_id,
        "fabric": fabric["id"],
        "vid": 0,
        "vlan_id": fabric["vlans"][0]["id"],
        "subnet": subnet["id"],
        "space": space["id"],
        "route_id": route["id"],
        "address": "198.51.100.0",
        "prefix": 24,
        "range_id": ip_range["id"],
        "zone": api.post("zones/", data={"name": "z"}).json["id"],
        "pool": api.post("resourcepools/", data={"name": "p"}).json["id"],
        "domain": api.post("domains/", data={"name": "d.org"}).json["id"],
        "record_id": api.post("dnsresourcerecords/", data=TEXT_RECORD).json["id"],
        "resource_id": api.get("dnsresources/").json[0]["id"],
        "image_id": image_id,
        "snippet_id": snippet_id,
        "script": api.post("scripts/", data={"name": "s", "script": "#!/bin/sh\n"}).json["id"],
        "repository": api.post("package-repositories/", data={"name": "r", "url": "http://d.org"}).json["id"],
        "group": api.post("usergroups/", data={"name": "g"}).json["name"],
    }
    of_upload = dict(zip(("image_id", "upload_id"), _upload(api), strict=True))
    paths = {resource.path for resource in region_api.resources()}
    return {path: of_upload if "/upload/" in path else controllers.get(path.split("/")[1], of_rest) for path in paths}


@dataclass(frozen=True)
class Site:
    """A database in which there is one of each thing, to be cloned, with what is needed to use it."""

    database: str
    secrets_key: bytes
    things: Things
    keys: Mapping[str, str]


@pytest.fixture(scope="session")
def furnished(cluster: Cluster, tmp_path_factory, app_of) -> Site:
    """A site with one of each thing and of each role, made once: the administrator, who made all of it, a reader and
    operators, one of them of another pool. Nothing is given out yet to the owner."""
    database, secrets_key = cluster.create(cluster.template), Fernet.generate_key()
    config = region_config(cluster.dsn(database), tmp_path_factory.mktemp("furnished"), secrets_key)
    ctx = Context.from_config(config)
    keys = {"admin": accounts.create_admin(ctx, COMMAND_LINE, "admin")}
    keys |= {name: accounts.add_account(ctx, COMMAND_LINE, name) for name in ("reader", *ROLES)}
    api = Api(app_of(ctx).test_client(), keys["admin"])
    things = furnish(ctx, api)
    assert api.post("resourcepools/", data={"name": "elsewhere"}).status_code == 200
    for name, pool in {"operator": "default", "elsewhere": "elsewhere"}.items():
        assert api.post(f"users/{name}/?op=grant", data={"role": "operator", "pool": pool}).status_code == 200
    ctx.close()  # nobody may be connected to what is cloned
    return Site(database, secrets_key, things, keys)


@pytest.fixture
def things(ctx: Context, api: Api) -> Things:
    """One of each thing."""
    return furnish(ctx, api)


def add_boot(execute: Callable[..., Any]) -> None:
    """A commissioning of the only machine, its boot, and what a script said in it."""
    execute(
        "INSERT INTO operation (machine_id, kind, epoch, requested_at, patience_s, progress_at, deadline_at, ends_at) "
        "SELECT id, 'commission', 1, now(), 60, now(), now(), now() FROM machine"
    )
    execute(
        "INSERT INTO boot (boot_id, machine_id, operation_id, epoch, purpose, requested_at, consumer_key, token_key, "
        "token_secret_sha256, token_secret) SELECT md5(id::text), machine_id, id, 1, 'commissioning', now(), 'c', 't', "
        "sha256('x'), 'x' FROM operation"
    )
    execute(
        "INSERT INTO script_result (boot_id, machine_id, name, status) SELECT id, machine_id, '10-cpu', 2 FROM boot"
    )


def _upload(api) -> tuple[int, int]:
    """The ids of an image and of its file, which was announced and not sent."""
    file = {"name": "o/r", "architecture": "amd64", "sha256": "0" * 64, "size": "1"}
    made = api.post("boot-resources/", data=file).json
    (known,) = made["sets"].values()
    return made["id"], int(known["files"]["root-tgz"]["upload_uri"].split("/")[-2])


@pytest.fixture
def stored(ctx: Context) -> Iterator[Callable[[], list[tuple]]]:
    """What each table holds, as a digest; but for the audit trail, which has what was refused."""
    one = sql.SQL("SELECT {}, md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} AS t")
    # One connection: a new one would first have to read what all of the tables are.
    connection = psycopg2.connect(ctx.config.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'audit' ORDER BY 1"
        )
        names = [name for (name,) in cursor.fetchall()]
        of_all = sql.SQL(" UNION ALL ").join(one.format(sql.Literal(name), sql.Identifier(name)) for name in names)
        cursor.execute(sql.SQL("PREPARE stored AS ") + of_all)

        def digests() -> list[tuple]:
            cursor.execute("EXECUTE stored")
            return cursor.fetchall()

        yield digests
    connection.close()
