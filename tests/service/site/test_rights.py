# SPDX-License-Identifier: GPL-3.0-or-later
"""Groups of users and operators of resource pools: who may do what because of what they were given."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from rackyard.region.errors import RackyardError
from rackyard.region.services.site import users
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.status import Status
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


def test_owner_has_rights_over_the_own_machine_among_several_while_it_is_given_out(api, ann, machine, execute) -> None:
    other = made(api, "m2", "web").json["system_id"]
    api.post("zones/", data={"name": "east"})
    api.post("tags/", data={"name": "gpu"})
    of_ann = (
        "UPDATE machine SET owner_id = account.id, status = %s FROM account WHERE username = 'ann' AND hostname = 'm1'"
    )
    for status, may in ((Status.READY, False), (Status.ALLOCATED, True)):
        execute(of_ann, (status,))
        for nodes, asked in ((machine, may), ([machine, other], False), (other, False)):
            for url, sent in (
                ("machines/?op=set_zone", {"nodes": nodes, "zone": "east"}),
                ("nodes/?op=set_zone", {"nodes": nodes, "zone": "default"}),
                ("tags/gpu/?op=update_nodes", {"add": nodes}),
                ("tags/gpu/?op=update_nodes", {"remove": nodes}),
            ):
                answer = ann.post(url, data=sent)
                assert (answer.status_code in (200, 204), answer.status_code == 403) == (asked, not asked), (url, nodes)


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


def test_two_administrators_cannot_take_each_others_rights_at_once(api, api_of, client) -> None:
    """Each sees the other as one that is left; one of the requests waits, sees that it is not so, and is refused."""
    api.post("users/", data={"username": "ann", "password": "correct horse", "is_superuser": "1"})
    login = client.post("/MAAS/accounts/authenticate/", data={"username": "ann", "password": "correct horse"}).json
    ann = api_of(f"{login['consumer_key']}:{login['token_key']}:{login['token_secret']}")
    for _ in range(5):
        with ThreadPoolExecutor() as threads:
            answers = list(threads.map(demoted, (api, ann), ("ann", "admin")))
        assert answers != [200, 200]
        (left,) = [who for who in (api, ann) if who.get("users/").status_code == 200]
        for other in ("ann", "admin"):
            assert left.put(f"users/{other}/", data={"is_superuser": "true"}).status_code == 200


def demoted(who: Api, other: str) -> int:
    return who.put(f"users/{other}/", data={"is_superuser": "false"}).status_code


def test_last_administrator_stays(api, ctx) -> None:
    assert api.put("users/admin/", data={"is_superuser": "false"}).status_code == 400
    assert api.delete("users/admin/").status_code == 400
    for remove in (
        lambda: users.remove(ctx, COMMAND_LINE, "admin", None),
        lambda: users.change(ctx, COMMAND_LINE, "admin", None, False),
    ):
        with pytest.raises(RackyardError, match="administrator"):
            remove()
    assert api.get("users/admin/").json["is_superuser"] is True
