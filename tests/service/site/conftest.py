# SPDX-License-Identifier: GPL-3.0-or-later
"""One of each thing that the API has, and what the database holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from psycopg2 import sql

from rackyard.region import api as region_api

TEXT_RECORD = {"fqdn": "a.d.org", "rrtype": "TXT", "rrdata": "x"}


@pytest.fixture
def things(api, add_rack, execute) -> dict[str, dict[str, object]]:
    """The parts of URLs that name one of each thing; machines and controllers are named by a system_id."""
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
    ssh_key = api.post("account/prefs/sshkeys/", data={"key": f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'A' * 43}"}).json
    api.post("files/", data={"filename": "f.txt", "file": "x"})
    notice = api.post("notifications/", data={"message": "x", "admins": "true"}).json
    device = api.post("devices/", data={"hostname": "sw1", "mac_addresses": "52:54:00:00:00:20"}).json
    ((snippet_id,),) = execute(
        "INSERT INTO dhcp_snippet (name, value, subnet_id) SELECT 'n', 'option time-offset 0;', id FROM subnet "
        "WHERE name = 's' RETURNING id"
    )
    execute("INSERT INTO dhcp_snippet_value (snippet_id, value, created_at) SELECT id, value, now() FROM dhcp_snippet")
    controllers = {"rackcontrollers": {"system_id": add_rack("rack1", "203.0.113.1/24")}}
    controllers["regioncontrollers"] = {"system_id": region_id}
    controllers["devices"] = {"system_id": device["system_id"]}
    of_rest = {
        "system_id": machine["system_id"],
        "username": "admin",
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
        "snippet_id": snippet_id,
        "zone": api.post("zones/", data={"name": "z"}).json["id"],
        "pool": api.post("resourcepools/", data={"name": "p"}).json["id"],
        "domain": api.post("domains/", data={"name": "d.org"}).json["id"],
        "record_id": api.post("dnsresourcerecords/", data=TEXT_RECORD).json["id"],
        "resource_id": api.get("dnsresources/").json[0]["id"],
        "image_id": image_id,
        "repository": api.post("package-repositories/", data={"name": "r", "url": "http://d.org"}).json["id"],
        "group": api.post("usergroups/", data={"name": "g"}).json["name"],
    }
    of_upload = dict(zip(("image_id", "upload_id"), _upload(api), strict=True))
    paths = {resource.path for resource in region_api.resources()}
    return {path: of_upload if "/upload/" in path else controllers.get(path.split("/")[1], of_rest) for path in paths}


def _upload(api) -> tuple[int, int]:
    """The ids of an image and of its file, which was announced and not sent."""
    file = {"name": "o/r", "architecture": "amd64", "sha256": "0" * 64, "size": "1"}
    made = api.post("boot-resources/", data=file).json
    (known,) = made["sets"].values()
    return made["id"], int(known["files"]["root-tgz"]["upload_uri"].split("/")[-2])


@pytest.fixture
def stored(execute) -> Callable[[], list[tuple]]:
    """What each table holds, as a digest; but for the audit trail, which has what was refused."""
    one = sql.SQL("SELECT {}, md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} AS t")
    names = [name for (name,) in execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    names.remove("audit")
    of_all = sql.SQL(" UNION ALL ").join(one.format(sql.Literal(name), sql.Identifier(name)) for name in names)
    return lambda: execute(of_all)
