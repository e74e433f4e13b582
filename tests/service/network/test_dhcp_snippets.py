# SPDX-License-Identifier: GPL-3.0-or-later
"""`dhcp-snippets/`: what they hold, what they refuse, and that a real dhcpd has judged each of them before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from judge import judging

from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.services.racks import desired, dhcp_checks
from rackyard.region.services.racks.dhcp_snippets import names_in

MAC = "52:54:00:00:00:01"
GOOD = "option time-offset 0;"
BROKEN = "option time-offset 0;\noption time-offset noon;"


def ok(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json


def refused(response: Any, field: str) -> str:
    assert response.status_code == 400, response.text
    assert list(response.json) == [field], response.json
    return str(response.json[field][0])


@pytest.fixture
def rack(api: Any, add_rack: Any, execute: Any) -> Rack:
    """A rack that serves 10.20.0.0/24; 10.21.0.0/24 and 2001:db8:21::/64 are declared, and nobody serves them."""
    system_id = add_rack("rack1", "10.20.0.2/24")
    ((rack_id,),) = execute("UPDATE rack SET abilities = '{dhcp_check}' RETURNING id")
    fabric = ok(api.post("fabrics/", data={"name": "lab"}))
    ok(api.post(f"fabrics/{fabric['id']}/vlans/", data={"vid": "7"}))
    for name, cidr in (("boot", "10.20.0.0/24"), ("far", "10.21.0.0/24"), ("far6", "2001:db8:21::/64")):
        vid = 0 if name == "boot" else 7
        ok(api.post("subnets/", data={"name": name, "cidr": cidr, "fabric": fabric["id"], "vid": vid}))
    ok(api.post("ipranges/", data={"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.199"}))
    ok(api.post("ipranges/", data={"type": "reserved", "start_ip": "10.20.0.10", "end_ip": "10.20.0.19"}))
    ok(api.put(f"fabrics/{fabric['id']}/vlans/0/", data={"dhcp_on": "true", "primary_rack": system_id}))
    return Rack(rack_id, system_id, "rack1")


@pytest.fixture
def judge(ctx: Context, rack: Rack, tmp_path: Path) -> Iterator[list[str]]:
    with judging(ctx, rack, tmp_path) as asked:
        yield asked


@pytest.fixture
def node(api: Any) -> str:
    machine = {"commission": "false", "hostname": "m1", "mac_addresses": MAC}
    return str(ok(api.post("machines/", data=machine))["system_id"])


def told(ctx: Context, rack: Rack) -> dict[str, Any]:
    return desired.for_rack(ctx, rack).body


def test_documents_without_snippets_say_nothing_of_them(ctx: Context, rack: Rack, api: Any, judge: list[str]) -> None:
    before = told(ctx, rack)
    made = ok(api.post("dhcp-snippets/", data={"name": "all", "value": GOOD}))
    assert told(ctx, rack)["dhcp"]["snippets"] == [{"name": "all", "value": GOOD}]
    ok(api.put(f"dhcp-snippets/{made['id']}/", data={"enabled": "false"}))
    assert told(ctx, rack)["dhcp"] == before["dhcp"]
    assert api.delete(f"dhcp-snippets/{made['id']}/").status_code == 204
    after = told(ctx, rack)
    assert (after["dhcp"], after["dhcp6"]) == (before["dhcp"], before["dhcp6"])
    assert ok(api.get("dhcp-snippets/")) == []


@pytest.mark.parametrize(
    ("scope", "asked"),
    [
        ({}, ["dhcp", "dhcp6"]),
        ({"global_snippet": "true"}, ["dhcp", "dhcp6"]),
        ({"subnet": "boot"}, ["dhcp"]),
        ({"subnet": "cidr:10.21.0.0/24"}, ["dhcp"]),
        ({"subnet": "far6"}, ["dhcp6"]),
        ({"iprange": "1", "subnet": "boot"}, ["dhcp"]),
        ({"node": "m1"}, ["dhcp"]),
    ],
)
def test_snippet_is_judged_where_it_would_stand_and_refused_with_dhcpds_words_and_its_own_line(
    ctx: Context, rack: Rack, api: Any, judge: list[str], node: str, scope: dict[str, str], asked: list[str]
) -> None:
    data = {"name": "clock", **scope, **({"node": node} if "node" in scope else {})}
    broken = refused(api.post("dhcp-snippets/", data={**data, "value": BROKEN, "enabled": "false"}), "value")
    assert "dhcpd of rack1 would not take it" in broken
    assert "line 2 of the snippet: " in broken
    assert ok(api.get("dhcp-snippets/")) == []
    judge.clear()
    made = ok(api.post("dhcp-snippets/", data={**data, "value": GOOD, "description": "noon is noon"}))
    assert sorted(judge) == asked
    assert (made["name"], made["value"], made["enabled"]) == ("clock", GOOD, True)
    assert made["global_snippet"] == (not scope or "global_snippet" in scope)
    assert (made["node"] or {}).get("system_id") == (node if "node" in scope else None)
    assert [each["value"] for each in made["history"]] == [GOOD]
    for name in ("subnet", "iprange"):
        assert (made[name] is None) == (name not in scope)
    serves = not {"far6", "cidr:10.21.0.0/24"} & {*scope.values()}
    assert names_in(told(ctx, rack)["dhcp"]) == ({"clock"} if serves else set())
    assert ok(api.get(f"dhcp-snippets/{made['id']}/")) == made


def test_what_it_said_stays_and_can_be_said_again(api: Any, judge: list[str]) -> None:
    made = ok(api.post("dhcp-snippets/", data={"name": "clock", "value": GOOD, "subnet": "boot"}))
    path = f"dhcp-snippets/{made['id']}/"
    second = ok(api.put(path, data={"value": "option time-offset 1;\r\n", "name": "clocks"}))
    assert [each["value"] for each in second["history"]] == ["option time-offset 1;", GOOD]
    assert ok(api.put(path, data={"value": "option time-offset 1;"})) == second, "nothing is new"
    assert "line 2 of the snippet" in refused(api.put(path, data={"value": BROKEN}), "value")
    back = ok(api.post(f"{path}?op=revert", data={"to": "-1"}))
    assert (back["value"], len(back["history"]), back["subnet"]["name"]) == (GOOD, 3, "boot")
    by_id = ok(api.post(f"{path}?op=revert", data={"to": second["history"][0]["id"]}))
    assert by_id["value"] == "option time-offset 1;"
    assert "has no -9" in refused(api.post(f"{path}?op=revert", data={"to": "-9"}), "to")
    assert "how many steps" in refused(api.post(f"{path}?op=revert", data={"to": "first"}), "to")
    assert ok(api.put(path, data={"global_snippet": "true"}))["subnet"] is None
    entries = ok(api.get("events/?op=query&level=AUDIT"))["events"]
    assert entries[0]["description"] == "DHCP snippet clocks was changed: subnet boot → nothing"


def test_snippets_are_judged_together_in_the_order_in_which_they_came(api: Any, judge: list[str]) -> None:
    uses = {"name": "uses", "value": "option noon 12;", "subnet": "boot"}
    assert "unknown option" in refused(api.post("dhcp-snippets/", data=uses), "value")
    defined = "option noon code 222 = unsigned integer 8;"
    defines = ok(api.post("dhcp-snippets/", data={"name": "defines", "value": defined}))
    ok(api.post("dhcp-snippets/", data=uses))
    path = f"dhcp-snippets/{defines['id']}/"
    assert "of the whole configuration" in refused(api.put(path, data={"value": GOOD}), "value")


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"value": "}\ngroup {"}, "value", "line 1: this brace closes one"),
        ({"value": 'if known { execute("/bin/sh"); }'}, "value", "execute is not taken: dhcpd runs no programs"),
        ({"value": ""}, "value", "it says nothing"),
        ({"name": "a\nb"}, "name", "cannot be a snippet's name"),
        ({"name": ""}, "name", "cannot be a snippet's name"),
        ({"subnet": "moon"}, "subnet", "no subnet 'moon'"),
        ({"node": "moon"}, "node", "no machine 'moon'"),
        ({"iprange": "99"}, "iprange", "no IP range '99'"),
        ({"iprange": "1", "subnet": "far"}, "iprange", "is not in subnet far"),
        ({"iprange": "2"}, "iprange", "is reserved"),
        ({"node": "x", "subnet": "boot"}, "node", "give one of node, subnet only"),
        ({"global_snippet": "true", "subnet": "boot"}, "subnet", "give one of subnet, global_snippet only"),
    ],
)
def test_refusals_need_no_dhcpd(api: Any, rack: Rack, changed: dict[str, str], field: str, words: str) -> None:
    assert words in refused(api.post("dhcp-snippets/", data={"name": "clock", "value": GOOD, **changed}), field)


def test_nothing_is_kept_that_no_rack_has_judged_and_trouble_can_be_switched_off_all_the_same(
    api: Any, rack: Rack, execute: Any, ctx: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with judging(ctx, rack, tmp_path):
        made = ok(api.post("dhcp-snippets/", data={"name": "clock", "value": GOOD}))
    other = {"name": "other", "value": GOOD}
    path = f"dhcp-snippets/{made['id']}/"
    monkeypatch.setattr(dhcp_checks, "WAIT_S", 0.3)
    for state, words in (
        ("UPDATE rack SET alive = true", "rack1 did not say within"),
        ("UPDATE rack SET abilities = '{}'", "rack1 cannot check it yet; upgrade a rack"),
        ("UPDATE rack SET alive = false", "No rack that could check snippet other is alive, so it is not kept"),
    ):
        execute(state)
        answer = api.post("dhcp-snippets/", data=other)
        assert (answer.status_code, words in answer.text) == (409, True), answer.text
        assert api.put(path, data={"value": "option time-offset 1;"}).status_code == 409
    assert execute("SELECT count(*) FROM dhcp_check") == [(0,)]
    assert ok(api.put(path, data={"enabled": "false", "description": "trouble"}))["enabled"] is False
    assert api.put(path, data={"enabled": "true"}).status_code == 409
    assert [each["name"] for each in ok(api.get("dhcp-snippets/"))] == ["clock"]
    assert api.delete(path).status_code == 204


@pytest.mark.parametrize("gone", ["subnets/boot/", "ipranges/1/", "machines/{node}/"])
def test_snippet_goes_with_what_it_is_for(api: Any, judge: list[str], node: str, gone: str) -> None:
    kind = {"s": "subnet", "i": "iprange", "m": "node"}[gone[0]]
    scope = {"subnet": "boot", "iprange": "1", "node": node}[kind]
    ok(api.post("dhcp-snippets/", data={"name": "clock", "value": GOOD, kind: scope}))
    ok(api.put("fabrics/lab/vlans/0/", data={"dhcp_on": "false"}))
    assert api.delete(gone.format(node=node)).status_code == 204
    assert ok(api.get("dhcp-snippets/")) == []
