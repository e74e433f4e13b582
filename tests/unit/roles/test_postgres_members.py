# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of the database as role postgres makes them: nobody comes in without a certificate or a password, nobody
makes an empty database, and whose data counts is decided before anything is touched.

That they lose nothing is proved on real ones, by tests/lab/ha/test_patroni_leader.py.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from role_variables import trusted

ROLE = Path(__file__).resolve().parents[3] / "roles/postgres"
MEMBERS = {"region1": "192.0.2.11", "region2": "2001:db8::12", "witness1": "192.0.2.31"}
INITIALIZED = "/postgresql-common/15-main/initialize\n7300000000000000001"
FOUND = ["/var/lib/postgresql/15/main/PG_VERSION"]
SITE = {
    "rackyard_database_members": MEMBERS,
    "rackyard_region_addresses": ["192.0.2.11", "2001:db8::12"],
    "rackyard_database_password": "of the vault",
    "__daemon_host": {"release": "12", "packages": []},
}


def templar(host: str = "region2", **more: Any) -> Templar:
    files = (ROLE / "defaults/main.yml", ROLE / "vars/main.yml")
    variables = {name: value for path in files for name, value in yaml.safe_load(path.read_text("utf-8")).items()}
    return Templar(loader=DataLoader(), variables=trusted(variables) | SITE | {"inventory_hostname": host} | more)


def value(expression: str, **more: Any) -> Any:
    return templar(**more).template(trust_as_template(f"{{{{ {expression} }}}}"))


def rendered(template: str) -> str:
    return str(templar().template(trust_as_template((ROLE / "templates" / template).read_text("utf-8"))))


@pytest.fixture(scope="module")
def patroni() -> dict[str, Any]:
    return dict(yaml.safe_load(rendered("etc/patroni/member.yml.j2")))


def test_three_members_make_the_mode() -> None:
    assert value("postgres_mode") == "patroni"
    assert value("postgres_hosts") == list(MEMBERS.values())


def test_only_members_and_regions_come_in_and_by_tls(patroni: dict[str, Any]) -> None:
    rules = [line.split() for line in patroni["postgresql"]["pg_hba"]]
    by_network = [rule for rule in rules if rule[0] != "local"]
    assert {rule[0] for rule in by_network} == {"hostssl"}
    ways = {(rule[1], rule[2]): rule[4] for rule in by_network}
    assert ways == {
        ("replication", "replicator"): "cert",
        ("postgres", "rewind"): "cert",
        ("rackyard", "rackyard"): "scram-sha-256",
    }
    assert {rule[3] for rule in by_network} == {"192.0.2.11/32", "2001:db8::12/128", "192.0.2.31/32"}
    assert "192.0.2.31/32" not in {rule[3] for rule in by_network if rule[1] == "rackyard"}, "a witness is no region"
    maps = [line.split() for line in patroni["postgresql"]["pg_ident"]]
    assert {rule[1] for rule in maps if rule[0] == "members"} == {"rackyard-database"}, "racks have other names"


def test_nothing_between_members_is_in_the_clear(patroni: dict[str, Any]) -> None:
    assert patroni["etcd3"]["protocol"] == "https"
    assert patroni["etcd3"]["hosts"] == ["127.0.0.1:2379"], "racks have certificates of the same authority"
    assert patroni["restapi"]["verify_client"] == "required"
    assert patroni["restapi"]["allowlist"] == list(MEMBERS.values())
    roles = patroni["postgresql"]["authentication"]
    assert {roles[use]["sslmode"] for use in ("replication", "rewind")} == {"verify-full"}
    environment = dict(
        line.split("=", 1) for line in rendered("etc/rackyard/etcd/etcd.env.j2").splitlines() if "=" in line
    )
    assert {environment[f"ETCD_{name}_CLIENT_URLS"] for name in ("LISTEN", "ADVERTISE")} == {"https://127.0.0.1:2379"}
    peers = {environment[f"ETCD_{name}_PEER_URLS"] for name in ("LISTEN", "INITIAL_ADVERTISE")}
    assert peers == {"https://[2001:db8::12]:2380"}
    for side in ("", "PEER_"):
        assert environment[f"ETCD_{side}CLIENT_CERT_AUTH"] == "true"
    assert environment["ETCD_PEER_CERT_ALLOWED_HOSTNAME"] == "rackyard-database"


def test_nobody_makes_an_empty_database_and_commits_wait_for_a_second_disk(patroni: dict[str, Any]) -> None:
    bootstrap = patroni["bootstrap"]
    assert bootstrap[bootstrap["method"]] == {"command": "/bin/false"}
    assert bootstrap["dcs"]["synchronous_mode"] is True
    assert bootstrap["dcs"]["postgresql"]["parameters"]["max_connections"] == 400
    assert "synchronous_commit" not in patroni["postgresql"]["parameters"]
    assert {"remove_data_directory_on_rewind_failure", "remove_data_directory_on_diverged_timelines"}.isdisjoint(
        bootstrap["dcs"]["postgresql"]
    )


@pytest.mark.parametrize("with_data", [set(), {"region1"}, {"witness1"}], ids=str)
def test_the_one_with_data_founds_the_cluster_or_the_first(with_data: set[str]) -> None:
    hosts = {name: {"__postgres_found": {"stdout_lines": FOUND if name in with_data else []}} for name in MEMBERS}
    seen = {"hostvars": hosts, "ansible_play_hosts": list(MEMBERS)}
    founders = {
        (name, known)
        for name, known in itertools.product(MEMBERS, ("", INITIALIZED))
        if value("__postgres_is_founder", host=name, __postgres_known={"stdout": known}, **seen)
    }
    assert founders == {(next(iter(with_data), "region1"), "")}


def test_two_with_data_and_one_who_is_not_asked_are_told_apart() -> None:
    hosts = {name: {"__postgres_found": {"stdout_lines": FOUND}} for name in ("region1", "region2")}
    seen = {"hostvars": hosts, "ansible_play_hosts": ["region2", "region1"]}
    assert value("__postgres_with_data", **seen) == ["region1", "region2"]
    assert value("__postgres_unseen", **seen) == ["witness1"]


def listed(name: str, address: str, *, has_run: bool = True) -> dict[str, Any]:
    """A member as etcdctl lists it: what is empty is left out."""
    entry = {"ID": 0xFEDC000000000001, "name": name, "peerURLs": [f"https://{address}:2380"]}
    return {key: each for key, each in entry.items() if each} | (
        {"clientURLs": ["https://127.0.0.1:2379"]} if has_run else {}
    )


ONE, TWO, THREE = listed("region1", "192.0.2.11"), listed("region2", "[2001:db8::12]"), listed("witness1", "192.0.2.31")
GONE = listed("region9", "192.0.2.19")


@pytest.mark.parametrize(
    ("known", "stale", "is_awaited", "state"),
    [
        ([ONE, THREE, TWO], [TWO], False, "existing"),
        ([ONE, THREE, GONE], [GONE], False, "existing"),
        ([ONE, THREE], [], False, "existing"),
        ([ONE, THREE, listed("region2", "192.0.2.12")], [listed("region2", "192.0.2.12")], False, "existing"),
        ([ONE, THREE, listed("", "[2001:db8::12]", has_run=False)], [], True, "existing"),
        ([ONE, THREE, listed("region2", "[2001:db8::12]", has_run=False)], [], True, "new"),
        ([], [], False, "new"),
    ],
    ids=[
        "lost its disk",
        "in place of another",
        "left before",
        "another address",
        "added before",
        "founding",
        "nobody",
    ],
)
def test_a_member_without_data_joins_those_who_know_it(
    known: list[dict[str, Any]], stale: list[dict[str, Any]], is_awaited: bool, state: str
) -> None:
    said = [
        {"item": "region1", "unreachable": True},
        {"item": "witness1", "rc": 0, "stdout": json.dumps({"members": known}) if known else ""},
    ]
    facts = {"__postgres_asked": {"results": said}}
    assert value("__postgres_stale", **facts) == stale
    assert value("__postgres_awaited | length > 0", **facts) is is_awaited
    assert value("__postgres_silent", **facts) == []
    source = trust_as_template((ROLE / "templates/run/rackyard-etcd.env.j2").read_text("utf-8"))
    environment = dict(
        line.split("=", 1) for line in str(templar(**facts).template(source)).splitlines() if "=" in line
    )
    assert environment["ETCD_INITIAL_CLUSTER_STATE"] == state
    assert environment["ETCD_INITIAL_CLUSTER"].split(",")[1] == "region2=https://[2001:db8::12]:2380"


def test_a_cluster_that_does_not_answer_is_told_from_none() -> None:
    said = [{"item": "region1", "rc": 1, "stdout": ""}, {"item": "witness1", "rc": 0, "stdout": ""}]
    assert value("__postgres_silent", __postgres_asked={"results": said}) == ["region1"]
    assert value("__postgres_speaker", __postgres_asked={"results": said}) == ""


def test_what_patroni_keeps_in_etcd_spares_questions() -> None:
    said = {"config": '{"ttl": 20}', "initialize": "73", "leader": "region1", "members/region2": '{"state": "running"}'}
    known = {"stdout": "\n".join(f"/postgresql-common/15-main/{key}\n{each}" for key, each in said.items())}
    assert value("__postgres_state", __postgres_known=known) == said
    assert value("__postgres_shared", __postgres_known=known) == {"ttl": 20}
    assert value("__postgres_runs", __postgres_known=known) is True
    assert value("__postgres_runs", host="witness1", __postgres_known=known) is False


@pytest.mark.parametrize(
    ("known", "answering", "may_go"),
    [
        ([ONE, TWO, THREE], ["region2", "witness1"], True),
        ([ONE, TWO, THREE], ["witness1"], False),
        ([ONE, TWO], ["region2"], True),
        ([ONE, TWO, THREE, GONE], ["region2", "witness1"], True),
        ([ONE, TWO, THREE, GONE, GONE], ["region2", "witness1"], False),
    ],
    ids=["three", "three, one is dead", "two", "four, one is dead", "five, two are dead"],
)
def test_nobody_leaves_when_most_of_those_that_stay_would_be_away(
    known: list[dict[str, Any]], answering: list[str], may_go: bool
) -> None:
    said = json.dumps({"members": known})
    asked = [
        {"item": name, "rc": 0, "stdout": said} if name in answering else {"item": name, "unreachable": True}
        for name in ("region2", "witness1")
    ]
    facts = {"__postgres_asked": {"results": asked}}
    assert value("__postgres_most_stay", host="region1", **facts) is may_go
    assert value("__postgres_absent", host="region1", **facts) == [
        name for name in ("region2", "witness1") if name not in answering
    ]
