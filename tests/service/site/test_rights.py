# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of users and operators of resource pools: who may do what because of what they were given."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from rackyard.region.errors import BadRequest, Invalid
from rackyard.region.services.site import accounts, users
from rackyard.region.services.site.authorisation import COMMAND_LINE
from tests.service.conftest import Api

OF_WEB = {"role": "operator", "pool": "web"}


@pytest.fixture
def ann(api, api_of, key_of) -> Api:
    """An account that was given nothing; there are pools web and db."""
    for pool in ("web", "db"):
        assert api.post("resourcepools/", data={"name": pool}).status_code == 200
    return api_of(key_of("ann"))


@pytest.fixture
def machine(api, ann) -> str:
    """The system_id of a machine in pool web."""
    return made(api, "m1", "web").json["system_id"]


def made(api, hostname: str, pool: str):
    mac = f"52:54:00:00:00:{int(hostname[1:]):02}"
    data = {"commission": "false", "hostname": hostname, "mac_addresses": mac, "pool": pool}
    return api.post("machines/", data=data)


def may(who: Api, system_id: str) -> bool:
    answer = who.put(f"machines/{system_id}/", data={"description": "of whoever may"})
    assert answer.status_code in (200, 403), answer.text
    return answer.status_code == 200


def give(api, to: str = "users/ann", **grant: str) -> None:
    answer = api.post(f"{to}/?op=grant", data=grant or OF_WEB)
    assert answer.status_code == 200, answer.text


def test_operator_of_a_pool_has_its_machines_and_no_other(api, ann, machine) -> None:
    other = made(api, "m2", "db").json["system_id"]
    assert not may(ann, machine)
    give(api)
    assert may(ann, machine)
    assert not may(ann, other)
    known = api.get("users/ann/").json
    assert (known["role"], known["grants"]) == ("operator", [OF_WEB])
    assert ann.get(f"machines/{machine}/?op=power_parameters").status_code == 403
    assert api.post("users/ann/?op=revoke", data=OF_WEB).status_code == 200
    assert not may(ann, machine), "from the next request on"


def test_operator_of_all_pools_has_those_that_come_later(api, ann, machine) -> None:
    give(api, role="operator", pool="*")
    assert api.post("resourcepools/", data={"name": "new"}).status_code == 200
    assert may(ann, machine)
    assert may(ann, made(api, "m2", "new").json["system_id"])


def test_group_gives_its_members_what_it_has(api, ann, machine) -> None:
    assert api.post("usergroups/", data={"name": "web team", "description": "of the web"}).status_code == 200
    group = "usergroups/web team"
    give(api, group)
    assert not may(ann, machine)
    assert api.post(f"{group}/?op=add_member", data={"username": ["ann", "admin"]}).status_code == 200
    assert may(ann, machine)
    assert api.get(f"{group}/").json == {
        "name": "web team",
        "description": "of the web",
        "members": ["admin", "ann"],
        "grants": [OF_WEB],
        "resource_uri": "/MAAS/api/2.0/usergroups/web team/",
    }
    known = api.get("users/ann/").json
    assert (known["role"], known["grants"], known["groups"]) == ("operator", [], ["web team"])
    assert api.put(f"{group}/", data={"name": "web"}).json["members"] == ["admin", "ann"]
    group = "usergroups/web"
    assert api.post(f"{group}/?op=remove_member", data={"username": "ann"}).json["members"] == ["admin"]
    assert not may(ann, machine)
    api.post(f"{group}/?op=add_member", data={"username": "ann"})
    assert api.post(f"{group}/?op=revoke", data=OF_WEB).json["grants"] == []
    assert not may(ann, machine)
    give(api, group)
    assert may(ann, machine)
    assert api.delete(f"{group}/").status_code == 204
    assert not may(ann, machine)
    assert api.get("usergroups/").json == []


def test_grant_ends_with_its_pool_and_never_becomes_one_for_all(api, ann, machine) -> None:
    give(api)
    api.put(f"machines/{machine}/", data={"pool": "db"})
    assert api.delete("resourcepool/web/").status_code == 204
    assert api.get("users/ann/").json["grants"] == []
    assert not may(ann, machine)


def test_request_about_several_machines_is_refused_whole_for_one_of_another_pool(api, ann, machine) -> None:
    give(api)
    other = made(api, "m2", "db").json["system_id"]
    api.post("zones/", data={"name": "east"})
    api.post("tags/", data={"name": "gpu"})
    refused = ann.post("machines/?op=set_zone", data={"nodes": [machine, other], "zone": "east"})
    assert (refused.status_code, "m2" in refused.text) == (403, True)
    assert ann.post("tags/gpu/?op=update_nodes", data={"add": [machine, other]}).status_code == 403
    shown = api.get(f"machines/{machine}/").json
    assert (shown["zone"]["name"], shown["tag_names"]) == ("default", [])
    assert ann.post("machines/?op=set_zone", data={"nodes": machine, "zone": "east"}).status_code in (200, 204)
    assert ann.post("tags/gpu/?op=update_nodes", data={"add": machine}).status_code == 200
    shown = api.get(f"machines/{machine}/").json
    assert (shown["zone"]["name"], shown["tag_names"]) == ("east", ["gpu"])


def test_operator_registers_moves_and_deletes_within_own_pools(api, ann, machine) -> None:
    give(api)
    assert made(ann, "m2", "db").status_code == 403
    assert made(ann, "m2", "").status_code == 403, "the default pool is another one"
    own = made(ann, "m2", "web").json["system_id"]
    assert ann.put(f"machines/{own}/", data={"pool": "db"}).status_code == 403
    give(api, role="operator", pool="db")
    assert ann.put(f"machines/{own}/", data={"pool": "db"}).json["pool"]["name"] == "db"
    assert ann.delete(f"machines/{own}/").status_code == 204


@pytest.mark.parametrize(
    ("grant", "field", "words"),
    [
        ({"role": "king", "pool": "web"}, "role", "cannot be given"),
        ({"role": "administrator", "pool": "web"}, "role", "is_superuser"),
        ({"role": "operator"}, "pool", "for all of them"),
        ({"role": "operator", "pool": "nowhere"}, "pool", "no resource pool"),
    ],
)
def test_bad_grant_is_refused_in_words(api, ann, grant, field, words) -> None:
    answer = api.post("users/ann/?op=grant", data=grant)
    assert answer.status_code == 400
    assert words in answer.json[field][0]
    assert api.get("users/ann/").json["grants"] == []


def test_bad_group_is_refused_in_words(api, ann) -> None:
    assert api.post("usergroups/", data={"name": ""}).status_code == 400
    assert api.post("usergroups/", data={"name": "a"}).status_code == 200
    assert "exists already" in api.post("usergroups/", data={"name": "a"}).json["name"][0]
    assert api.get("usergroups/b/").status_code == 404
    refused = api.post("usergroups/a/?op=add_member", data={"username": ["ann", "nobody"]})
    assert (refused.status_code, "nobody" in refused.text) == (400, True)
    assert api.get("usergroups/a/").json["members"] == [], "all of them or none"


def by_demoting(_ctx, who: Api, other: str) -> bool:
    return who.put(f"users/{other}/", data={"is_superuser": "false"}).status_code == 200


def by_removing(_ctx, who: Api, other: str) -> bool:
    return who.delete(f"users/{other}/").status_code == 204


def by_command(ctx, _who: Api, other: str) -> bool:
    try:
        users.change(ctx, COMMAND_LINE, other, None, is_admin=False)
    except Invalid:
        return False
    return True


@pytest.mark.parametrize(
    "takes",
    [
        (by_demoting, by_demoting),
        (by_removing, by_removing),
        (by_demoting, by_removing),
        (by_command, by_removing),
        (by_command, by_command),
    ],
)
def test_two_who_take_each_others_rights_at_once_leave_an_administrator(ctx, api_of, execute, takes) -> None:
    """Each sees the other as one that is left; one of them waits, sees that it is not so, and is refused."""
    for turn in range(4):
        names = f"ann{turn}", f"ben{turn}"
        ann, ben = (api_of(accounts.create_admin(ctx, COMMAND_LINE, name)) for name in names)
        execute("UPDATE account SET is_admin = false WHERE username <> ALL (%s)", (list(names),))
        with ThreadPoolExecutor() as threads:
            done = list(threads.map(lambda take, *whose: take(ctx, *whose), takes, (ann, ben), reversed(names)))
        assert sorted(done) == [False, True]
        assert len(execute("SELECT username FROM account WHERE is_admin")) == 1


def test_last_administrator_stays_whoever_asks(ctx, api) -> None:
    assert api.put("users/admin/", data={"is_superuser": "false"}).status_code == 400
    assert api.delete("users/admin/").status_code == 400
    with pytest.raises(BadRequest, match="the last administrator"):
        users.remove(ctx, COMMAND_LINE, "admin")
    with pytest.raises(Invalid, match="the last administrator"):
        users.change(ctx, COMMAND_LINE, "admin", None, is_admin=False)
    assert api.get("users/admin/").json["is_superuser"] is True
