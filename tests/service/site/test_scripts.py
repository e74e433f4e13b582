# SPDX-License-Identifier: GPL-3.0-or-later
"""`scripts/`: what is stored, and what is refused. That machines run them is tested with their boots."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import pytest

from rackyard.region.services.site import scripts

PATH = "scripts/"
TEXT = """#!/bin/sh
# --- Start MAAS 1.0 script metadata ---
# name: disk-check
# tags: [handy]
# script_type: testing
# hardware_type: storage
# parallel: instance
# timeout: 00:05:00
# parameters: {storage: {type: storage}}
# --- End MAAS 1.0 script metadata ---
true
"""


def test_example_of_the_page_is_taken(api) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs/scripts.md").read_text("utf-8")
    (text,) = re.findall(r"^```sh\n(.*?)^```$", page, re.M | re.S)
    answer = api.post(PATH, data={"script": text})
    assert answer.status_code == 200, answer.text
    assert answer.json["packages"] == {"apt": ["smartmontools"]}


@pytest.fixture
def made(api) -> dict:
    """The script, as MAAS's command line sends one."""
    data = {"script": (io.BytesIO(TEXT.encode()), "check.sh"), "comment": "first"}
    answer = api.post(PATH, data=data, content_type="multipart/form-data")
    assert answer.status_code == 200, answer.text
    return answer.json


def test_script_has_the_fields_of_maas_and_is_found_by_id_and_name(api, made) -> None:
    (version,) = made["history"]
    assert made == {
        "id": made["id"], "name": "disk-check", "title": "", "description": "", "tags": ["handy"], "type": 2,
        "type_name": "Testing", "hardware_type": 3, "hardware_type_name": "storage", "parallel": 1,
        "parallel_name": "instance", "timeout": "0:05:00", "packages": {}, "results": {}, "for_hardware": [],
        "parameters": {"storage": {"type": "storage", "default": "all", "arguments": ["--storage={path}"]}},
        "may_reboot": False, "recommission": False, "destructive": False, "apply_configured_networking": False,
        "default": False, "history": [{"id": version["id"], "comment": "first", "created": version["created"]}],
        "resource_uri": "/MAAS/api/2.0/scripts/disk-check",
    }  # fmt: skip
    assert api.get(f"{PATH}{made['id']}").json == api.get(f"{PATH}disk-check").json == made
    with_text = api.get(f"{PATH}?filters=handy&include_script=1").json
    assert [(each["name"], base64.b64decode(each["script"]).decode()) for each in with_text] == [("disk-check", TEXT)]
    assert api.delete(f"{PATH}disk-check").status_code == 204
    assert api.get(f"{PATH}disk-check").status_code == 404


def test_own_scripts_are_listed_and_stay_as_they_are(api, made) -> None:
    listed = api.get(PATH).json
    assert [each["name"] for each in listed] == sorted(each["name"] for each in listed)
    assert {"20-cpu", "maas-lshw", "disk-check"} <= {each["name"] for each in listed}
    assert {each["default"] for each in api.get(f"{PATH}?type=commissioning").json} == {True}
    disks = {each["name"]: each["default"] for each in api.get(f"{PATH}?type=2&hardware_type=storage").json}
    assert (disks["disk-check"], disks["smartctl-short"], "ntp" in disks) == (False, True, False)
    assert b'KIND = "short"' in api.get(f"{PATH}smartctl-short?op=download").data
    assert api.get(f"{PATH}20-cpu?op=download").data.startswith(b"#!/usr/bin/python3")
    assert api.get(f"{PATH}20-cpu").json["type"] == 0
    for refused in (
        api.put(f"{PATH}20-cpu", data={"title": "x"}),
        api.delete(f"{PATH}20-cpu"),
        api.post(PATH, data={"name": "20-cpu", "script": "#!/bin/sh\n"}),
    ):
        assert refused.status_code == 400
        assert "this region's own" in refused.text


def test_what_it_was_stays_in_its_history_and_can_be_again(api, made) -> None:
    changed = api.put(f"{PATH}disk-check", data={"script": TEXT.replace("true", "false"), "comment": "second"}).json
    assert [each["comment"] for each in changed["history"]] == ["second", "first"]
    api.put(f"{PATH}disk-check", data={"title": "New title"})
    assert api.put(f"{PATH}disk-check", data={"title": "New title"}).json["history"][2]["comment"] == "first"
    assert api.post(f"{PATH}disk-check?op=add_tag", data={"tag": "slow"}).json["tags"] == ["handy", "slow"]
    assert api.get(f"{PATH}disk-check?op=download&revision=-1").text == TEXT.replace("true", "false")
    reverted = api.post(f"{PATH}disk-check?op=revert", data={"to": "-2"}).json
    assert (reverted["title"], reverted["tags"], len(reverted["history"])) == ("", ["handy", "slow"], 4)
    assert api.get(f"{PATH}disk-check?op=download").text == TEXT
    assert api.post(f"{PATH}disk-check?op=remove_tag", data={"tag": "handy"}).json["tags"] == ["slow"]
    assert api.put(f"{PATH}disk-check", data={"description": "x"}).json["tags"] == ["slow"], "not those of the block"
    entries = api.get("audit/?object=script").json["entries"]
    assert {entry["action"] for entry in entries} == {"create", "change"}
    assert "true" not in str([entry for entry in entries if entry["action"] == "create"]), "no content"


def test_old_versions_are_forgotten(api, made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripts, "MAX_VERSIONS", 2)
    for title in ("a", "b", "c"):
        known = api.put(f"{PATH}disk-check", data={"title": title, "comment": title}).json
    assert [each["comment"] for each in known["history"]] == ["c", "b"]


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"name": "a"}, "script", "Missing"),
        ({"name": "a", "script": "echo"}, "script", "first line"),
        ({"script": "#!/bin/sh\n"}, "name", "missing"),
        ({"script": "#!/bin/sh\n", "name": "disk-check"}, "name", "exists already"),
        ({"script": TEXT, "timeout": "7"}, "timeout", "says otherwise"),
        ({"script": "#!/bin/sh\n", "name": "a", "parameters": "{"}, "parameters", "not JSON"),
        ({"script": "#!/bin/sh\n", "name": "a", "packages": '{"snap": []}'}, "packages", "only apt"),
        ({"script": "#!/bin/sh\n", "name": "a", "type": "release"}, "script_type", "commissioning, testing"),
        ({"script": "#!/bin/sh\n", "name": "a", "may_reboot": "1"}, "may_reboot", "not supported"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_its_field(api, made, data: dict, field: str, words: str) -> None:
    refused = api.post(PATH, data=data)
    assert refused.status_code == 400, refused.text
    assert refused.json.keys() == {field}
    assert words in refused.json[field][0]
