# SPDX-License-Identifier: GPL-3.0-or-later
"""`op=lock`, `unlock`, `mark_broken`, `mark_fixed`: what is refused then, and what the log says."""

from __future__ import annotations

import pytest

from rackyard.region.api import machines
from rackyard.region.status import Status

BMC = {
    "power_type": "ipmi",
    "power_parameters_power_address": "172.16.0.11",
    "power_parameters_power_user": "maas",
    "power_parameters_power_pass": "s3cret-pass",
}
M1 = {"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:20:01:01", **BMC}


@pytest.fixture
def m1(api, add_rack) -> str:
    add_rack("rack1", "172.16.0.2/24")
    return f"machines/{api.post('machines/', data=M1).json['system_id']}/"


def events(api, *types: str) -> list[tuple[str, str, str]]:
    found = api.get("events/?op=query&hostname=m1").json["events"]
    return [(each["type"], each["description"], each["username"]) for each in found if each["type"] in types]


def done(response) -> dict:
    assert response.status_code == 200, response.text
    return response.json


CHANGES = {
    "delete": ("DELETE", "", {}),
    "update": ("PUT", "", {"description": "x"}),
    "commission": ("POST", "?op=commission", {}),
    "abort": ("POST", "?op=abort", {}),
    "test": ("POST", "?op=test", {}),
    "override_failed_testing": ("POST", "?op=override_failed_testing", {}),
    "power_on": ("POST", "?op=power_on", {}),
    "power_off": ("POST", "?op=power_off", {}),
    "set_owner_data": ("POST", "?op=set_owner_data", {"a": "b"}),
    "set_workload_annotations": ("POST", "?op=set_workload_annotations", {"a": "b"}),
    "mark_broken": ("POST", "?op=mark_broken", {}),
    "mark_fixed": ("POST", "?op=mark_fixed", {}),
    "clear_default_gateways": ("POST", "?op=clear_default_gateways", {}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_locked_machine_refuses_what_would_change_it(api, m1, name: str) -> None:
    locked = done(api.post(f"{m1}?op=lock", data={"comment": "in use"}))
    assert locked["locked"] is True
    method, query, data = CHANGES[name]
    refused = api.request(method, m1 + query, data=data)
    assert refused.status_code == 409, refused.text
    assert "Machine m1 is locked" in refused.text
    assert "op=unlock" in refused.text
    assert api.get(m1).json == locked


def test_unlocked_machine_is_changed_as_before(api, m1) -> None:
    api.post(f"{m1}?op=lock")
    assert done(api.post(f"{m1}?op=unlock"))["locked"] is False
    assert done(api.put(m1, data={"description": "x"}))["description"] == "x"
    assert api.post(f"{m1}?op=power_on").status_code == 200
    assert api.delete(m1).status_code == 204


def test_every_operation_that_changes_a_machine_is_tried_on_a_locked_one() -> None:
    """A new one that forgets the lock has to be named here first."""
    changing = {op or method for method, op in machines.one.actions if method != "GET"}
    known = {query.removeprefix("?op=") or method for method, query, _data in CHANGES.values()}
    assert changing - known == {"lock", "unlock"}


def test_locked_machine_is_shown_asked_and_tagged(api, m1) -> None:
    api.post("tags/", data={"name": "ssd"})
    api.post(f"{m1}?op=lock")
    system_id = m1.split("/")[1]
    assert api.post("tags/ssd/?op=update_nodes", data={"add": system_id}).json == {"added": 1, "removed": 0}
    (listed,) = api.get("machines/?fields=locked,tag_names").json
    assert listed == {"locked": True, "tag_names": ["ssd"]}
    assert api.get(f"{m1}?op=power_parameters").json["power_user"] == "maas"
    assert api.get(f"{m1}?op=boot_timeline").status_code == 200


def test_second_lock_and_unlock_are_refused_as_in_maas(api, m1) -> None:
    assert "m1 is not locked" in api.post(f"{m1}?op=unlock").text
    api.post(f"{m1}?op=lock")
    again = api.post(f"{m1}?op=lock")
    assert (again.status_code, "m1 is already locked" in again.text) == (409, True)


def test_locks_are_in_the_log_with_who_and_why(api, m1) -> None:
    api.post(f"{m1}?op=lock", data={"comment": "in use"})
    api.post(f"{m1}?op=unlock")
    assert events(api, "REQUEST_NODE_LOCK", "REQUEST_NODE_UNLOCK") == [
        ("REQUEST_NODE_UNLOCK", "unlocked", "admin"),
        ("REQUEST_NODE_LOCK", "locked: in use", "admin"),
    ]


def test_broken_machine_says_why_and_is_ready_when_it_is_fixed(api, m1, change_machine, clock) -> None:
    change_machine(m1.split("/")[1], status=4, commissioned_at=clock.now())
    broken = done(api.post(f"{m1}?op=mark_broken", data={"comment": "fan 3 is loud"}))
    assert (broken["status"], broken["status_name"]) == (8, "Broken")
    assert broken["error_description"] == broken["status_message"] == "fan 3 is loud"
    fixed = done(api.post(f"{m1}?op=mark_fixed", data={"comment": "new fan"}))
    assert (fixed["status_name"], fixed["error_description"], fixed["status_message"]) == ("Ready", "", "")
    assert events(api, "REQUEST_NODE_MARK_BROKEN", "REQUEST_NODE_MARK_FIXED") == [
        ("REQUEST_NODE_MARK_FIXED", "marked as fixed: new fan", "admin"),
        ("REQUEST_NODE_MARK_BROKEN", "marked as broken: fan 3 is loud", "admin"),
    ]


@pytest.mark.parametrize("op", ["lock", "mark_broken"])
def test_comment_that_would_garble_a_terminal_is_refused(api, m1, op: str) -> None:
    before = api.get(m1).json
    refused = api.post(f"{m1}?op={op}", data={"comment": "\x1b[2J"})
    assert (refused.status_code, list(refused.json)) == (400, ["comment"])
    assert api.get(m1).json == before


@pytest.mark.parametrize("status", [Status.NEW, Status.FAILED_COMMISSIONING, Status.READY, Status.DEPLOYED])
def test_machine_may_be_broken_whenever_nothing_is_under_way(api, m1, change_machine, status: Status) -> None:
    change_machine(m1.split("/")[1], status=int(status))
    assert done(api.post(f"{m1}?op=mark_broken"))["status_name"] == "Broken"


def test_machine_that_is_broken_already_is_refused(api, m1) -> None:
    api.post(f"{m1}?op=mark_broken", data={"comment": "first"})
    again = api.post(f"{m1}?op=mark_broken", data={"comment": "second"})
    assert (again.status_code, "m1 is Broken" in again.text) == (409, True)
    assert api.get(m1).json["error_description"] == "first"


def test_machine_under_commissioning_is_refused_until_that_is_aborted(api, m1, change_machine) -> None:
    change_machine(m1.split("/")[1], status=1)
    refused = api.post(f"{m1}?op=mark_broken")
    assert refused.status_code == 409
    assert "m1 is Commissioning; abort that first (op=abort), then mark it as broken" in refused.text
    assert api.get(m1).json["status_name"] == "Commissioning"


def test_only_a_broken_machine_can_be_fixed(api, m1) -> None:
    refused = api.post(f"{m1}?op=mark_fixed")
    assert (refused.status_code, "m1 is New" in refused.text) == (409, True)


def test_broken_machine_that_was_never_commissioned_cannot_be_ready(api, m1) -> None:
    api.post(f"{m1}?op=mark_broken")
    refused = api.post(f"{m1}?op=mark_fixed")
    assert (refused.status_code, "op=commission" in refused.text) == (409, True)
    assert api.get(m1).json["status_name"] == "Broken"


def test_aborted_commissioning_of_a_broken_machine_leaves_it_broken(api, m1, change_machine) -> None:
    change_machine(m1.split("/")[1], status=1, previous_status=8)
    aborted = done(api.post(f"{m1}?op=abort"))
    assert aborted["status_name"] == "Broken"
    assert aborted["error_description"] == "commissioning aborted by admin"
