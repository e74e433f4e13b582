# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients ask beside lists: whether a MAC is known, what is given out to them, power types, what scripts said."""

from __future__ import annotations

import io
import tarfile
from typing import Any

import pytest

from rackyard.region.status import Status

MAC, OTHER = "52:54:00:20:01:01", "52:54:00:20:01:02"


@pytest.fixture
def machine(api: Any) -> str:
    """The system_id of m1."""
    made = api.post("machines/", data={"hostname": "m1", "mac_addresses": MAC, "commission": "false"})
    return str(made.get_json()["system_id"])


@pytest.mark.usefixtures("machine")
def test_registered_mac_is_known_whatever_it_is_asked_of(api: Any) -> None:
    api.post("devices/", data={"hostname": "sw1", "mac_addresses": OTHER})
    for collection in ("machines", "nodes", "devices", "rackcontrollers", "regioncontrollers"):
        url = f"{collection}/?op=is_registered&mac_address="
        answers = [api.get(url + mac).get_json() for mac in (MAC.upper(), OTHER, "52:54:00:20:01:03")]
        assert answers == [True, True, False]
        assert api.get(url + "x").status_code == 400


def test_machine_is_listed_for_whom_it_is_given_out_to(
    api: Any, machine: str, api_of: Any, key_of: Any, execute: Any
) -> None:
    ann = api_of(key_of("ann"))
    execute("UPDATE machine SET owner_id = (SELECT id FROM account WHERE username = 'ann')")
    assert ann.get("machines/?op=list_allocated").get_json() == [], "who registered it has not been given it"
    execute("UPDATE machine SET status = %s", (Status.DEPLOYED,))
    (shown,) = ann.get("machines/?op=list_allocated").get_json()
    assert shown["system_id"] == machine
    assert ann.get("machines/?op=list_allocated&hostname=m2").get_json() == []
    assert ann.get("machines/?op=list_allocated&status=ready").get_json() == []
    assert ann.get("machines/?op=list_allocated&agent=x").status_code == 400
    assert api.get("machines/?op=list_allocated").get_json() == []


def test_power_types_say_what_a_bmc_needs(api: Any) -> None:
    ipmi, manual = api.get("rackcontrollers/?op=describe_power_types").get_json()
    assert (ipmi["name"], ipmi["description"], ipmi["queryable"], ipmi["chassis"]) == ("ipmi", "IPMI", True, False)
    assert (manual["name"], manual["fields"], manual["queryable"]) == ("manual", [], False)
    fields = {field["name"]: field for field in ipmi["fields"]}
    assert fields["power_address"] == {
        "name": "power_address",
        "label": "Address",
        "required": True,
        "field_type": "ip_address",
        "choices": [],
        "default": "",
        "scope": "bmc",
        "secret": False,
    }
    assert (fields["power_pass"]["field_type"], fields["power_pass"]["secret"]) == ("password", True)
    assert ["LAN_2_0", "LAN_2_0"] in fields["power_driver"]["choices"]


@pytest.fixture
def results(machine: str, execute: Any) -> str:
    """Where what two scripts said in a boot of the machine is."""
    execute(
        "INSERT INTO operation (machine_id, kind, epoch, requested_at, patience_s, progress_at, deadline_at, ends_at) "
        "SELECT id, 'commission', 1, now(), 60, now(), now(), now() FROM machine"
    )
    execute(
        "INSERT INTO boot (boot_id, machine_id, operation_id, epoch, purpose, requested_at, consumer_key, token_key, "
        "token_secret_sha256, token_secret) SELECT md5(id::text), machine_id, id, 1, 'commissioning', now(), 'c', 't', "
        "sha256('x'), 'x' FROM operation"
    )
    for name, output, stderr in (("10-cpu", b"four\xff", b""), ("20-disks", b"two", b"odd")):
        execute(
            "INSERT INTO script_result (boot_id, machine_id, name, status, output, stdout, stderr) "
            "SELECT id, machine_id, %s, 2, %s, %s, %s FROM boot",
            (name, output, output, stderr),
        )
    ((boot_id,),) = execute("SELECT id FROM boot")
    return f"nodes/{machine}/results/{boot_id}/?op=download"


def test_what_scripts_said_comes_as_text_or_archive(api: Any, results: str) -> None:
    whole = api.get(results)
    assert (whole.mimetype, whole.data) == ("text/plain", b"==> 10-cpu.out <==\nfour\xff\n==> 20-disks.out <==\ntwo")
    assert "attachment" in whole.headers["Content-Disposition"]
    assert api.get(f"{results}&filters=10-cpu").data == b"four\xff", "as it was"
    assert api.get(f"{results}&output=stderr").data == b"odd"
    packed = io.BytesIO(api.get(f"{results}&output=all&filetype=tar.xz").data)
    with tarfile.open(fileobj=packed) as archive:
        found = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive}
        files = {name: file.read() for name, file in found.items() if file}
    assert files == {
        "10-cpu.out": b"four\xff",
        "10-cpu.stdout": b"four\xff",
        "20-disks.out": b"two",
        "20-disks.stdout": b"two",
        "20-disks.stderr": b"odd",
    }


@pytest.mark.parametrize("wrong", ["output=x", "filetype=zip", "filters=30-none"])
def test_download_of_what_is_not_there_is_refused_by_name(api: Any, results: str, wrong: str) -> None:
    refused = api.get(f"{results}&{wrong}")
    assert (refused.status_code, list(refused.get_json())) == (400, [wrong.partition("=")[0]])
