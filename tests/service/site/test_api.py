# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks, events, images, script results, and what strict clients expect of a machine's JSON."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from datetime import timedelta

import psycopg2
import pytest

from rackyard.region.db.queries import query
from rackyard.region.services.machines import results
from rackyard.region.services.site import images
from rackyard.region.services.site.authorisation import COMMAND_LINE


@pytest.fixture
def m1(api) -> dict:
    return api.post(
        "machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:20:01:01"}
    ).json


def test_rack_shows_addresses_services_and_what_a_checker_refused(api, add_rack, execute, ctx) -> None:
    system_id = add_rack("rack1", "10.20.0.2/24")
    api.post("fabrics/", data={"name": "lab"})
    api.post("subnets/", data={"name": "pxe-a", "cidr": "10.20.0.0/24"})
    now = ctx.clock.now()
    for name, state in (("dhcp", "running"), ("tftp", "dead")):
        execute(
            "INSERT INTO rack_service (rack_id, name, state, info, updated_at) SELECT id, %s, %s, 'seen', %s FROM rack",
            (name, state, now),
        )
    execute(
        "INSERT INTO rack_daemon (rack_id, name, generation, ok, message, applied_at) "
        "SELECT id, 'dhcp', 3, false, 'line 4: no option named wiring', %s FROM rack",
        (now,),
    )
    rack = api.get(f"rackcontrollers/{system_id}/").json
    assert api.get("rackcontrollers/").json == [rack]
    assert (rack["hostname"], rack["fqdn"], rack["node_type"]) == ("rack1", "rack1.rackyard.internal", 2)
    assert (rack["alive"], rack["ip_addresses"], rack["version"]) == (True, ["10.20.0.2"], "0.1.0")
    (interface,) = rack["interface_set"]
    assert interface["links"][0]["subnet"]["name"] == "pxe-a"
    services = {service["name"]: service for service in rack["service_set"]}
    assert services["dhcp"]["status"] == "degraded"
    assert services["dhcp"]["status_info"] == "line 4: no option named wiring"
    told = {"name": "tftp", "status": "dead", "status_info": "seen", "failure": "", "failed_at": None}
    assert services["tftp"] == told


def test_deleted_rack_is_revoked_and_no_longer_listed(api, add_rack, execute) -> None:
    path = f"rackcontrollers/{add_rack('rack1', '10.20.0.2/24')}/"
    assert api.delete(path).status_code == 204
    assert api.get("rackcontrollers/").json == []
    assert api.get(path).status_code == 404
    assert api.delete(path).status_code == 404
    assert execute("SELECT revoked_at IS NOT NULL FROM rack") == [(True,)]


def test_rack_list_takes_a_constant_number_of_statements(api, ctx, add_rack) -> None:
    for number in range(3):
        add_rack(f"rack{number}", f"10.20.0.{number + 2}/24")
    api.get("users/?op=whoami")  # which notes that the key was used
    statements: list[str] = []
    ctx.db.on_statement = statements.append
    assert len(api.get("rackcontrollers/").json) == 3
    assert len(statements) == 12


def test_events_come_newest_first_in_pages(api, m1) -> None:
    for text in ("one", "two", "three"):
        api.put(f"machines/{m1['system_id']}/", data={"description": text})
    page = api.get("events/?op=query&hostname=m1&limit=2").json
    assert page["count"] == 2
    newest, older = page["events"]
    assert newest["id"] > older["id"]
    assert (newest["type"], newest["node"], newest["hostname"]) == ("NODE_CHANGED", m1["system_id"], "m1")
    assert (newest["username"], newest["level"]) == ("admin", "INFO")
    earlier = api.get(page["prev_uri"].removeprefix("/MAAS/api/2.0/")).json
    assert [event["type"] for event in earlier["events"]] == ["NODE_CHANGED", "NODE_CREATED"]
    assert api.get(page["next_uri"].removeprefix("/MAAS/api/2.0/")).json["count"] == 0


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("hostname=m1", 1),
        ("hostname=m2", 0),
        ("mac_address=52-54-00-20-01-01", 1),
        ("owner=admin", 1),
        ("owner=nobody", 0),
        ("level=ERROR", 0),
        ("level=debug", 1),
    ],
)
def test_events_are_filtered(api, m1, query, count) -> None:
    assert api.get(f"events/?op=query&{query}").json["count"] == count


@pytest.mark.parametrize("query", ["level=LOUD", "limit=0", "limit=5000", "limit=x", "before=x", "mac_address=q"])
def test_bad_event_query_is_400(api, query) -> None:
    assert api.get(f"events/?op=query&{query}").status_code == 400


@pytest.fixture
def manifest(ctx, tmp_path):
    """A built image: files below the image directory and the manifest that names them."""

    def build(content: bytes = b"squash"):
        files = []
        for role, name in (("kernel", "vmlinuz"), ("initrd", "initrd.img"), ("squashfs", "filesystem.squashfs")):
            body = role.encode() + content
            digest = hashlib.sha256(body).hexdigest()
            place = ctx.config.images / digest / name
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(body)
            files.append({"role": role, "name": name, "sha256": digest, "size_bytes": len(body)})
        document = {"name": "debian-bookworm-amd64", "arch": "amd64", "suite": "bookworm", "files": files}
        path = tmp_path / "manifest.json"
        path.write_text(json.dumps(document))
        return path

    return build


def test_registered_image_shows_what_it_consists_of(api, ctx, manifest) -> None:
    image, _changed = images.register(ctx, COMMAND_LINE, manifest())
    ((version, known),) = api.get(f"boot-resources/{image.id}/").json["sets"].items()
    assert (known["version"], known["complete"], known["label"]) == (version, True, "ephemeral")
    assert {name: file["filetype"] for name, file in known["files"].items()} == {
        "vmlinuz": "boot-kernel",
        "initrd.img": "boot-initrd",
        "filesystem.squashfs": "squashfs",
    }
    assert known["size"] == sum(file["size"] for file in known["files"].values()) > 0


def test_registered_image_is_deleted_when_no_machine_boots_it_next(api, ctx, clock, manifest, execute) -> None:
    old, _changed = images.register(ctx, COMMAND_LINE, manifest(b"1"))
    new, _changed = images.register(ctx, COMMAND_LINE, manifest(b"2"))
    refused = api.delete(f"boot-resources/{new.id}/")
    assert (refused.status_code, "it is what amd64 machines boot" in refused.text) == (409, True)
    assert api.delete(f"boot-resources/{old.id}/").status_code == 204
    assert [image["id"] for image in api.get("boot-resources/").json] == [new.id]
    assert api.delete(f"boot-resources/{old.id}/").status_code == 404
    told = [event["description"] for event in api.get("events/?op=query&level=AUDIT").json["events"]]
    assert told[0] == "Image debian-bookworm-amd64 was deleted"
    before = len(list(ctx.config.images.iterdir()))
    clock.advance(60)
    images.remove_unnamed(ctx, spared_s=0)
    assert (before, len(list(ctx.config.images.iterdir()))) == (6, 3)


def test_registered_image_is_listed_and_the_newest_is_the_default(api, ctx, manifest) -> None:
    first, changed = images.register(ctx, COMMAND_LINE, manifest(b"1"))
    assert changed
    assert images.register(ctx, COMMAND_LINE, manifest(b"1")) == (first, False)
    second, _ = images.register(ctx, COMMAND_LINE, manifest(b"2"))
    listed = api.get("boot-resources/").json
    assert [(image["id"], image["is_default"]) for image in listed] == [(second.id, True), (first.id, False)]
    assert listed[0]["architecture"] == "amd64/generic"
    assert api.get(f"boot-resources/{first.id}/").json["manifest"]["suite"] == "bookworm"
    assert api.get("boot-resources/999/").status_code == 404
    again, changed = images.register(ctx, COMMAND_LINE, manifest(b"1"))
    assert (again.id, again.is_default, changed) == (first.id, True, True)


def test_image_paths_are_below_their_checksum(ctx, manifest) -> None:
    image, _ = images.register(ctx, COMMAND_LINE, manifest())
    sha256 = image.manifest["files"][0]["sha256"]
    assert images.paths(image.manifest).kernel == f"/images/{sha256}/vmlinuz"


def add_boot(execute, boot_id: str, at) -> tuple[int, int]:
    """A commissioning of the only machine and its boot; their row ids."""
    ((operation_id,),) = execute(
        "INSERT INTO operation (machine_id, kind, epoch, requested_at, patience_s, progress_at, deadline_at, ends_at) "
        "SELECT id, 'commission', 1, %s, 60, %s, %s, %s FROM machine RETURNING id",
        (at, at, at, at),
    )
    ((row_id,),) = execute(
        "INSERT INTO boot (boot_id, machine_id, operation_id, epoch, purpose, requested_at, consumer_key, token_key, "
        "token_secret_sha256, token_secret) SELECT %s, id, %s, 1, 'commissioning', %s, 'c', %s, %s, 'x' FROM machine "
        "RETURNING id",
        (boot_id, operation_id, at, boot_id, b"0" * 32),
    )
    return operation_id, row_id


def test_script_results_are_grouped_by_boot(api, m1, execute, ctx) -> None:
    started = ctx.clock.now()
    _operation_id, boot_id = add_boot(execute, "0" * 32, started)
    for name, status, seconds in (("10-cpu", 2, 1), ("20-lldp", 3, 61)):
        execute(
            "INSERT INTO script_result (boot_id, machine_id, name, status, exit_status, started_at, ended_at, "
            "runtime_s, stdout) SELECT %s, id, %s, %s, 0, %s, %s, %s, %s FROM machine",
            (boot_id, name, status, started, started + timedelta(seconds=seconds), seconds, b"\xfflines"),
        )
    path = f"nodes/{m1['system_id']}/results/"
    (group,) = api.get(path).json
    assert (group["id"], group["type_name"], group["status_name"]) == (boot_id, "Commissioning", "Failed")
    assert group["runtime"] == "0:01:01"
    assert [(one["name"], one["status_name"]) for one in group["results"]] == [
        ("10-cpu", "Passed"),
        ("20-lldp", "Failed"),
    ]
    assert "stdout" not in group["results"][0]
    told = api.get(f"{path}?include_output=1").json[0]["results"][0]
    assert base64.b64decode(told["stdout"]) == b"\xfflines"
    assert told["stderr"] == ""


def test_words_of_scripts_are_files(api, m1, execute, ctx) -> None:
    _operation_id, boot_id = add_boot(execute, "0" * 32, ctx.clock.now())
    said = {"10-cpu": b"\xff8 cores\n", "../20 lldp": b"none\n"}
    for name, words in said.items():
        execute(
            "INSERT INTO script_result (boot_id, machine_id, name, status, output, stdout, stderr, result) "
            "SELECT %s, id, %s, 2, %s, %s, %s, '' FROM machine",
            (boot_id, name, words + b"!", words, b"" if name == "10-cpu" else b"!"),
        )
    path = f"nodes/{m1['system_id']}/results/{boot_id}/?op=download"
    one = api.get(f"{path}&filters=10-cpu")
    assert (one.data, one.mimetype) == (said["10-cpu"] + b"!", "text/plain")
    assert one.headers["Content-Disposition"] == f'attachment; filename="results-{boot_id}.txt"'
    text = api.get(f"{path}&output=stdout").data
    assert text.index(b"# .._20_lldp.out") < text.index(said["../20 lldp"]) < text.index(b"# 10-cpu.out")
    packed = io.BytesIO(api.get(f"{path}&output=all&filetype=tar.xz").data)
    with tarfile.open(fileobj=packed, mode="r:xz") as archive:
        found = {entry.name.partition("/")[2]: archive.extractfile(entry).read() for entry in archive.getmembers()}
    assert found == {
        "10-cpu.txt": said["10-cpu"] + b"!", "10-cpu.out": said["10-cpu"],
        ".._20_lldp.txt": b"none\n!", ".._20_lldp.out": b"none\n", ".._20_lldp.err": b"!",
    }  # fmt: skip
    for field, value in (("output", "video"), ("filetype", "zip"), ("filters", "30-disk")):
        refused = api.get(f"{path}&{field}={value}")
        assert (refused.status_code, list(refused.json)) == (400, [field])
    missing = api.get(path.replace(f"/{boot_id}/", "/999/"))
    assert missing.status_code == 404
    assert "has no result 999" in missing.text


@pytest.mark.parametrize("what", ["results", "interfaces", "blockdevices"])
def test_parts_of_an_unknown_machine_are_404(api, what) -> None:
    assert api.get(f"nodes/abc346/{what}/").status_code == 404


def test_parts_of_a_machine_are_listed(api, m1, execute) -> None:
    execute(
        "INSERT INTO block_device (machine_id, name, model, serial, size_bytes, rotary) "
        "SELECT id, 'vda', 'QEMU', 'S1', 4294967296, false FROM machine"
    )
    assert api.get(f"nodes/{m1['system_id']}/interfaces/").json == m1["interface_set"]
    (disk,) = api.get(f"nodes/{m1['system_id']}/blockdevices/").json
    assert (disk["name"], disk["serial"], disk["size"], disk["tags"]) == ("vda", "S1", 4294967296, ["ssd"])
    machine = api.get(f"machines/{m1['system_id']}/").json
    assert machine["physicalblockdevice_set"] == [disk]
    assert machine["boot_disk"] == disk


# juju/gomaasapi machine.go: machine_2_0 and the schemas it uses; a missing field or another type breaks the client.
STRICT = {
    "resource_uri": str,
    "system_id": str,
    "hostname": str,
    "fqdn": str,
    "tag_names": list,
    "owner_data": dict,
    "osystem": str,
    "distro_series": str,
    "architecture": str,
    "memory": int,
    "cpu_count": int,
    "hardware_info": dict,
    "ip_addresses": list,
    "power_state": str,
    "status_name": str,
    "status_message": str,
    "boot_interface": dict,
    "interface_set": list,
    "zone": dict,
    "pool": dict,
    "physicalblockdevice_set": list,
    "blockdevice_set": list,
}


def test_machine_has_every_field_of_the_strict_clients(api, m1) -> None:
    assert {name: type(m1[name]) for name in STRICT} == STRICT
    assert all(isinstance(value, str) for value in m1["hardware_info"].values())
    (interface,) = m1["interface_set"]
    for name in ("resource_uri", "id", "name", "type", "enabled", "tags", "mac_address", "effective_mtu", "links"):
        assert interface[name] is not None
    assert interface["parents"] == interface["children"] == []


def test_commissioning_machine_shows_its_step_and_deadline(api, m1, change_machine, execute, ctx) -> None:
    now = ctx.clock.now()
    operation_id, boot_id = add_boot(execute, "1" * 32, now)
    for step in (1, 2, 3):
        execute("INSERT INTO boot_step (boot_id, step, by_whom, at) VALUES (%s, %s, 'x', %s)", (boot_id, step, now))
    change_machine(m1["system_id"], status=1, boot_id=boot_id, operation_id=operation_id)
    shown = api.get("machines/").json[0]
    assert shown["current_step"] == {"step": 3, "title": "rack chosen"}
    assert shown["deadline"] == now.isoformat()
    assert shown["commissioning_status_name"] == "Running"
    assert m1["current_step"] is None


def test_outputs_of_old_boots_are_left_out_when_the_answer_would_be_too_long(
    api, m1, execute, ctx, monkeypatch
) -> None:
    monkeypatch.setattr(results, "MAX_OUTPUT_BYTES", 1000)
    for number in "123":
        add_boot(execute, number * 32, ctx.clock.now())
        execute("UPDATE operation SET outcome = 'done'")
    execute(
        "INSERT INTO script_result (boot_id, machine_id, name, status, stdout) "
        "SELECT id, machine_id, '10-cpu', 2, convert_to(repeat('x', 600), 'UTF8') FROM boot"
    )
    sets = api.get(f"nodes/{m1['system_id']}/results/?include_output=1").json
    assert [group["results"][0]["output_omitted"] for group in sets] == [False, True, True]
    assert [len(base64.b64decode(group["results"][0]["stdout"])) for group in sets] == [600, 0, 0]


def add_events(execute, count: int) -> list[int]:
    rows = execute(
        "INSERT INTO event (type, description, created_at) SELECT 'NODE', n::text, now() "
        "FROM generate_series(1, %s) AS n RETURNING id",
        (count,),
    )
    return [row[0] for row in rows]


def test_following_the_log_leaves_nothing_out(api, execute) -> None:
    ids = add_events(execute, 30)
    seen, page = [], f"events/?op=query&after={ids[4]}&limit=5"
    for _turn in range(5):
        answer = api.get(page).json
        assert [event["id"] for event in answer["events"]] == sorted((e["id"] for e in answer["events"]), reverse=True)
        seen += sorted(event["id"] for event in answer["events"])
        page = answer["next_uri"].removeprefix("/MAAS/api/2.0/")
    assert seen == ids[5:]
    assert api.get(page).json["count"] == 0
    add_events(execute, 1)
    assert api.get(page).json["count"] == 1
    ((last,),) = execute("INSERT INTO event (type, level, created_at) VALUES ('DETAIL', 10, now()) RETURNING id")
    assert f"after={last}" in api.get(page).json["next_uri"], "nobody has to look at it again"


def test_follower_waits_for_an_event_with_a_smaller_id_that_is_not_committed_yet(api, ctx, execute) -> None:
    start = add_events(execute, 1)[0]
    slow = psycopg2.connect(ctx.config.dsn)
    try:
        with slow.cursor() as cursor:
            cursor.execute("INSERT INTO event (type, created_at) VALUES ('SLOW', now())")
            add_events(execute, 1)
            path = f"events/?op=query&after={start}"
            assert api.get(path).json["count"] == 0, "the quick one would hide the slow one for ever"
            assert api.get("events/?op=query").json["count"] >= 2, "whoever only looks sees it"
            slow.commit()
        assert [event["type"] for event in api.get(path).json["events"]] == ["NODE", "SLOW"]
    finally:
        slow.close()


def test_follower_waits_for_a_writer_that_began_later_and_was_quicker_to_number(api, ctx, execute) -> None:
    start = add_events(execute, 1)[0]
    first, second = psycopg2.connect(ctx.config.dsn), psycopg2.connect(ctx.config.dsn)
    try:
        with first.cursor() as early, second.cursor() as late:
            early.execute("SELECT pg_current_xact_id()")
            late.execute("INSERT INTO event (type, created_at) VALUES ('LATE', now())")
            early.execute("INSERT INTO event (type, created_at) VALUES ('EARLY', now())")
            first.commit()
            path = f"events/?op=query&after={start}"
            assert api.get(path).json["count"] == 0, "the one that ended would hide the other"
            second.commit()
        assert [event["type"] for event in api.get(path).json["events"]] == ["EARLY", "LATE"]
    finally:
        first.close()
        second.close()


def test_events_of_a_rack_and_of_several_machines_are_found_by_name(api, m1, add_rack, execute) -> None:
    add_rack("rack1", "10.20.0.2/24")
    execute("INSERT INTO event (rack_id, type, created_at) SELECT id, 'RACK_SILENT', now() FROM rack")
    execute(
        "INSERT INTO event (rack_id, machine_id, type, created_at) SELECT rack.id, machine.id, 'BOTH', now() "
        "FROM rack, machine"
    )
    assert [event["type"] for event in api.get("events/?op=query&hostname=rack1").json["events"]] == ["RACK_SILENT"]
    both = api.get("events/?op=query&hostname=rack1&hostname=m1&level=DEBUG").json["events"]
    assert [event["type"] for event in both] == ["BOTH", "RACK_SILENT", "NODE_CREATED"]
    assert api.get(f"events/?op=query&hostname=m1&after={both[1]['id']}").json["count"] == 1


@pytest.mark.parametrize("page", ["", "&after=1"])
def test_events_by_name_cost_what_they_find_and_not_the_whole_log(api, m1, add_rack, execute, ctx, page) -> None:
    add_rack("rack1", "10.20.0.2/24")
    for owner in ("machine", "rack"):
        execute(
            f"INSERT INTO event ({owner}_id, type, created_at) SELECT {owner}.id, 'X', now() FROM {owner} "  # noqa: S608
            "UNION ALL SELECT NULL, 'Y', now() FROM generate_series(1, 20000)"
        )
    execute("ANALYZE event")
    seen: list[str] = []
    ctx.db.on_statement = seen.append
    assert api.get(f"events/?op=query&hostname=m1&hostname=rack1{page}").json["count"] >= 2
    ctx.db.on_statement = None
    (name,) = [one for one in seen if one.startswith(("site.events.newest", "site.events.following"))]
    given = {
        "machine_ids": [1],
        "rack_ids": [1],
        "level": 20,
        "usernames": None,
        "before": None,
        "after": 1,
        "limit": 100,
    }
    plan = "\n".join(line for (line,) in execute(f"EXPLAIN {query(name)}", given))
    assert "Seq Scan on event" not in plan, plan
    assert plan.count(" using event_machine on event ") == plan.count(" using event_rack on event ") == 1, plan
