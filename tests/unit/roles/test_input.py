# SPDX-License-Identifier: GPL-3.0-or-later
"""What roles do with their input before they change anything: by ansible-playbook, on this machine, in check mode."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).resolve().parents[3]


def ansible(folder: Path, tasks: list[dict[str, Any]], given: dict[str, str], **variables: Any) -> str:
    """Run tasks for a host region1, with extra variables as words (`-e name=value`); the output, a recap at its end."""
    play = {"hosts": "region1", "gather_facts": False, "vars": variables, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    (folder / "hosts").write_text("region1 ansible_connection=local\nrack1\n")
    (folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / 'collections'}\n")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts", "--check"]
    command += ["-e", f"ansible_python_interpreter={sys.executable}"]
    command += [word for name, value in given.items() for word in ("-e", f"{name}={value}")]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    environment["PG_CLUSTER_CONF_ROOT"] = str(folder / "clusters")
    done = subprocess.run(
        [*command, "play.yml"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return " ".join((done.stdout + done.stderr).split())


def judge(role: str) -> dict[str, Any]:
    """The task that judges a role's input."""
    return {"ansible.builtin.import_role": {"name": f"rackyard.metal.{role}", "tasks_from": "assert"}}


def options() -> dict[str, dict[str, Any]]:
    """Every option of every role by its name."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"].values():
            found |= entry.get("options") or {}
    return found


JUDGED = sorted(
    path.parents[1].name for path in ROOT.glob("roles/*/tasks/assert.yml") if path.parents[1].name != "postgres"
)


def test_numbers_and_truths_may_come_as_words(tmp_path: Path) -> None:
    """`-e http_cache_max_gib=20` gives a text; what it says counts."""
    defaults: dict[str, Any] = {}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        defaults |= yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    words = {
        name: str(defaults[name]).lower()
        for name, option in options().items()
        if option["type"] in ("int", "bool") and "{{" not in str(defaults.get(name, "{{"))
    }
    assert {"http_cache_max_gib", "ntp_set_system_clock", "dhcp_lease_s"} <= set(words)
    site = {
        "rackyard_tiers": ["rack"],
        "region_service_url": "http://192.0.2.11:5240/MAAS",
        "region_service_addresses": ["192.0.2.11"],
        "api_gateway_address": "192.0.2.9",
        "api_gateway_interface": "eth0",
        "api_gateway_own_address": "192.0.2.21",
        "api_gateway_regions": ["192.0.2.11"],
    }
    facts = {"ansible.builtin.setup": {"gather_subset": ["!all", "min", "distribution"]}}
    said = ansible(tmp_path, [facts, *(judge(role) for role in JUDGED)], words, **site)
    assert "failed=0" in said, said


@pytest.mark.parametrize(
    ("role", "given", "words"),
    [
        ("http", {"http_cache_max_gib": "0"}, "http_cache_max_gib 0 must be above 0"),
        ("dhcp", {"dhcp_lease_s": "59"}, "dhcp_lease_s 59 must be at least 60"),
        ("region_service", {"region_service_url": ""}, "must be where operators reach the region"),
    ],
)
def test_a_value_out_of_range_is_named(tmp_path: Path, role: str, given: dict[str, str], words: str) -> None:
    site = {"rackyard_tiers": ["rack"], "region_service_addresses": ["192.0.2.11"]}
    assert words in ansible(tmp_path, [judge(role)], given, **site)


LOCAL = [
    "dbname=rackyard user=rackyard host=/var/run/postgresql",
    "dbname=rackyard",
    "host=localhost dbname=rackyard",
    "host='/run/postgresql' dbname=rackyard",
    "postgresql:///rackyard",
    "postgresql://rackyard@127.0.0.1/rackyard",
]
REMOTE = [
    "dbname=rackyard host=db.example.net",
    "hostaddr=192.0.2.5 dbname=rackyard",
    "postgresql://r@db.example.net/r",
]


def test_two_regions_with_a_database_each_are_refused_and_with_a_common_one_are_not(tmp_path: Path) -> None:
    site = {"region_service_url": "http://192.0.2.11/MAAS", "region_service_addresses": ["192.0.2.11"]}
    site["region_service_regions"] = ["region1", "region2"]
    tasks = [{**judge("region_service"), "vars": {"region_service_database": text}} for text in REMOTE]
    assert "failed=0" in ansible(tmp_path, tasks, {}, **site)
    for text in LOCAL:
        said = ansible(tmp_path, [{**judge("region_service"), "vars": {"region_service_database": text}}], {}, **site)
        assert "The regions region1, region2 would each have a database of their own" in said, text


def test_a_region_may_share_its_database_with_regions_that_know_where_it_is(tmp_path: Path) -> None:
    site = {"rackyard_region_url": "http://192.0.2.11/MAAS", "rackyard_region_addresses": ["192.0.2.11", "192.0.2.12"]}
    site |= {"region_service_regions": ["region1", "region2"], "rackyard_database_password": "of the vault"}
    network = {"ansible.builtin.import_role": {"name": "rackyard.metal.postgres", "tasks_from": "input"}}
    tasks = [judge("region_service"), network]
    shared, elsewhere = {"rackyard_database_clients": ["192.0.2.12"]}, {"rackyard_database_hosts": ["db1", "db2"]}
    for place in (shared, elsewhere):
        assert "failed=0" in ansible(tmp_path, tasks, {}, **site, **place), place
        said = ansible(tmp_path, tasks, {}, **{**site, **place, "rackyard_database_password": "short"})
        assert "postgres_password has 5 characters" in said, place


@pytest.mark.parametrize(
    "members",
    [{"region1": "192.0.2.11"}, {"a": "192.0.2.1", "b": "192.0.2.2"}, {"a": "x", "b": "y", "c": "z"}],
    ids=str,
)
def test_members_that_could_not_agree_are_refused(tmp_path: Path, members: dict[str, str]) -> None:
    """One or two outlive nobody, and a name would have to be looked up before there is a network."""
    network = {"ansible.builtin.import_role": {"name": "rackyard.metal.postgres", "tasks_from": "input"}}
    site = {"rackyard_database_password": "of the vault", "rackyard_region_addresses": ["192.0.2.11"]}
    said = ansible(tmp_path, [network], {}, **site, rackyard_database_members=members)
    assert "which must be three hosts, or another odd number" in said


def cluster(folder: Path, version: str, port: int) -> None:
    """What Debian's PostgreSQL leaves in /etc for a cluster."""
    place = folder / "clusters" / version / "main"
    place.mkdir(parents=True)
    (place / "postgresql.conf").write_text(f"port = {port}\ndata_directory = '{folder}'\n")


@pytest.mark.parametrize(("port", "refused"), [(5432, True), (5433, False)], ids=["in use", "upgraded and kept"])
def test_a_cluster_of_the_former_debian_is_not_left_behind(tmp_path: Path, port: int, refused: bool) -> None:
    """After an upgrade of Debian: data in 15/main, while the packages are those of 17."""
    cluster(tmp_path, "15", port)
    installed = {"__daemon_installed": ["postgresql-15", "postgresql-17"], "__postgres_version": "17"}
    facts = {"ansible.builtin.setup": {"gather_subset": ["!all", "min", "distribution"]}}
    said = ansible(tmp_path, [facts, {**judge("postgres"), "vars": installed}], {})
    assert ("pg_upgradecluster 15 main" in said) is refused
    assert ("failed=0" in said) is not refused, said


def test_the_inventory_wins_over_what_playbooks_derive_from_groups(tmp_path: Path) -> None:
    (tmp_path / "group_vars").symlink_to(ROOT / "playbooks/group_vars")
    inventory = tmp_path / "site"
    (inventory / "group_vars").mkdir(parents=True)
    (inventory / "hosts").write_text("[regions]\nregion1\nregion2\nsmall1\n[racks]\nrack1\nsmall1\n")
    (inventory / "group_vars/all.yml").write_text("rackyard_first_region: region2\n")
    shown = "{{ inventory_hostname }} {{ controller_identity_tiers | join(',') }} {{ controller_identity_authority }}"
    play = {
        "hosts": "all",
        "gather_facts": False,
        "vars_files": [str(ROOT / "roles/controller_identity/defaults/main.yml")],
        "tasks": [{"ansible.builtin.debug": {"msg": shown}}],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "site/hosts", "play.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    for line in ("region1 region region2", "rack1 rack region2", "small1 region,rack region2"):
        assert line in done.stdout, done.stdout + done.stderr


def enrolled(folder: Path, name: str, days: int) -> None:
    """What a rack has that was enrolled under a name: its certificate, ending in so many days, and the name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "abc123")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=40)).not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "rack.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "name").write_text(f"{name}\n")


@pytest.mark.parametrize(
    ("known_as", "days", "words"),
    [
        ("rack1", 20, "failed=0"),
        ("old-name", 20, "region1 is enrolled as old-name, and its region knows it by this name only"),
        ("old-name", -1, "Would enrol rack1 with region9"),
    ],
    ids=["the same name", "another name", "another name, but its certificate has ended"],
)
def test_a_rack_is_not_renamed_behind_its_regions_back(tmp_path: Path, known_as: str, days: int, words: str) -> None:
    enrolled(tmp_path, known_as, days)
    given = {"__controller_identity_rack_dir": str(tmp_path), "controller_identity_name": "rack1"}
    given |= {"controller_identity_authority": "region9"}
    role = {"name": "rackyard.metal.controller_identity", "tasks_from": "rack"}
    assert words in ansible(tmp_path, [{"ansible.builtin.import_role": role}], given)
