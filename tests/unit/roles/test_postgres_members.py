# SPDX-License-Identifier: GPL-3.0-or-later
"""Members of the database as role postgres makes them: nobody comes in without a certificate or a password, nobody
makes an empty database, and whose data counts is decided before anything is touched.

That they lose nothing is proved on real ones, by tests/lab/ha/test_patroni_leader.py.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from role_variables import trusted

ROLE = Path(__file__).resolve().parents[3] / "roles/postgres"
MEMBERS = {"region1": "192.0.2.11", "region2": "2001:db8::12", "witness1": "192.0.2.31"}
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
    assert environment["ETCD_INITIAL_CLUSTER"].split(",")[1] == "region2=https://[2001:db8::12]:2380"


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
    hosts = {name: {"__postgres_version_file": {"stat": {"exists": name in with_data}}} for name in MEMBERS}
    seen = {"hostvars": hosts, "ansible_play_hosts": list(MEMBERS)}
    founders = {
        (name, known)
        for name, known in itertools.product(MEMBERS, ("", "7300000000000000001"))
        if value("__postgres_is_founder", host=name, __postgres_known={"stdout": known}, **seen)
    }
    assert founders == {(next(iter(with_data), "region1"), "")}


def test_two_with_data_and_one_who_is_not_asked_are_told_apart() -> None:
    hosts = {name: {"__postgres_version_file": {"stat": {"exists": True}}} for name in ("region1", "region2")}
    seen = {"hostvars": hosts, "ansible_play_hosts": ["region2", "region1"]}
    assert value("__postgres_with_data", **seen) == ["region1", "region2"]
    assert value("__postgres_unseen", **seen) == ["witness1"]
