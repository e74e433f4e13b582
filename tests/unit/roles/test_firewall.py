# SPDX-License-Identifier: GPL-3.0-or-later
"""Role firewall: its table is that of the documentation, and its filters say what nft will do with it.

What the rules do with packets is in tests/service/roles/test_firewall.py.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import firewall_role
import pytest
import yaml

from ansible_collections.rackyard.metal.plugins.filter import firewall

ROOT = Path(__file__).resolve().parents[3]
TIERS = ("region", "rack")
# A host of the last one has nothing but the database, and is in no other.
HOSTS = (*TIERS, "witness")
SITE = {
    "firewall_operators": ["192.0.2.0/25"],
    "firewall_regions": ["192.0.2.11", "2001:db8::11"],
    "firewall_racks": ["192.0.2.21"],
    "firewall_gateways": ["192.0.2.31"],
    "firewall_machine_networks": ["198.51.100.0/24"],
    "firewall_bmc_networks": ["192.0.2.128/25"],
}
# Sender, tier, protocol, port.
Opening = tuple[str, str, str, str]


def documented() -> set[Opening]:
    """Openings of the hosts, by the table of docs/ports.md."""
    page = (ROOT / "docs/ports.md").read_text(encoding="utf-8")
    found = set()
    for sender, tier, words in re.findall(r"^\| (\w+) \| (\w+) \| ([^|]+) \|", page, re.MULTILINE):
        if tier in HOSTS:
            if words == "VRRP":
                found.add((sender, tier, "vrrp", ""))
                continue
            said = re.fullmatch(r"((?:tcp|udp)(?: and tcp)?) (\d[\d-]*(?: and \d[\d-]*)?)", words)
            assert said, f"{words!r} is not written as protocols and ports"
            found |= {(sender, tier, how, port) for how in said[1].split(" and ") for port in said[2].split(" and ")}
    return found


def opened() -> set[Opening]:
    """Openings of the hosts, by the role's own table."""
    names = {
        "operators": "operator", "racks": "rack", "machines": "machine", "regions": "region", "gateways": "gateway",
        "database_members": "member",
    }  # fmt: skip
    rows, _parties = firewall_role.table(["region"], **SITE)
    return {
        (names[row["from"]], row["to"], protocol, str(port))
        for row in rows
        if row["from"] in names
        for protocol in row["protocols"]
        for port in row["ports"] or [""]
    }


def test_the_documentation_has_the_roles_table() -> None:
    assert documented() == opened()
    assert len(opened()) > 25


def test_what_the_documentation_keeps_on_loopback_is_open_to_nobody() -> None:
    page = (ROOT / "docs/ports.md").read_text(encoding="utf-8")
    (words,) = re.findall(r"^On loopback only: (.*)$", page, re.MULTILINE)
    closed = {int(port) for port in re.findall(r"\b(\d{4})\b", words)}
    assert closed == {2379, 5244, 5246, 5249, 7911, 5432}
    rows, parties = firewall_role.table(list(TIERS), **SITE)
    for port in closed:
        for sender in ("192.0.2.1", "192.0.2.11", "192.0.2.21", "198.51.100.7", "192.0.2.200", "203.0.113.1"):
            assert not firewall.firewall_admits(rows, TIERS, parties, sender, "tcp", port), f"{sender} {port}"


@pytest.mark.parametrize(
    ("role", "template", "pattern", "tier"),
    [
        ("http", "etc/nginx/conf.d/rackyard-region.conf", r"listen \[::\]:(\d+)", "region"),
        ("http", "etc/nginx/conf.d/rackyard-rack.conf", r"listen \[::\]:(\d+)", "rack"),
        ("proxy", "etc/squid/squid.conf", r"^http_port (?:\S+:)?(\d+)", "region"),
        ("proxy", "etc/squid/squid.conf", r"^http_port (?:\S+:)?(\d+)", "rack"),
        ("syslog", "etc/rsyslog.d/50-rackyard.conf", r'type="im(?:tcp|udp)" port="(\d+)"', "region"),
        ("syslog", "etc/rsyslog.d/50-rackyard.conf", r'type="im(?:tcp|udp)" port="(\d+)"', "rack"),
    ],
)
def test_what_daemons_listen_on_is_open_to_somebody(role: str, template: str, pattern: str, tier: str) -> None:
    text = (ROOT / "roles" / role / "templates" / f"{template}.j2").read_text(encoding="utf-8")
    ports = set(re.findall(pattern, text, re.MULTILINE))
    assert ports, "the template says it in another way now"
    assert ports <= {port for _sender, to, _protocol, port in opened() if to == tier}


def test_networks_inside_others_and_mistakes_are_sorted_out() -> None:
    given = ["10.0.0.1/8", "10.1.0.0/16", "192.0.2.1", "192.0.2.0", "2001:DB8::1", "fd00::/64"]
    rows = [{"to": "rack", "from": "racks", "protocols": ["tcp"], "ports": [647, "7000-7009"]}]
    parties = {"racks": given, "bmcs": [], "machines": None}
    plan = firewall.firewall_rules(rows, ["rack"], parties)
    assert plan["sets"] == [
        {"name": "racks4", "type": "ipv4_addr", "elements": ["10.0.0.0/8", "192.0.2.0", "192.0.2.1"]},
        {"name": "racks6", "type": "ipv6_addr", "elements": ["2001:db8::1", "fd00::/64"]},
    ]
    assert plan["named"] == [
        "ip saddr @racks4 tcp dport { 647, 7000-7009 } accept",
        "ip6 saddr @racks6 tcp dport { 647, 7000-7009 } accept",
    ]
    assert firewall.not_networks([*given, "rack1", "10.0.0.0/33", ""]) == ["rack1", "10.0.0.0/33", ""]


def test_nobody_gets_no_rule_and_anybody_one_without_a_sender() -> None:
    rows = [{"to": "rack", "from": name, "protocols": ["udp"], "ports": [port]} for name, port in (("a", 1), ("b", 2))]
    plan = firewall.firewall_rules(rows, ["rack"], {"a": [], "b": None})
    assert plan == {"sets": [], "named": [], "machines": [], "anybody": ["udp dport { 2 } accept"]}


def link(name: str, *addresses: str) -> dict[str, Any]:
    """An interface as `ip -json address` tells it."""
    return {"ifname": name, "addr_info": [{"local": address} for address in addresses]}


def test_only_an_interface_that_leads_to_bmcs_alone_is_closed_as_a_whole() -> None:
    links = [
        link("lo", "127.0.0.1"), link("bmc-0", "10.30.0.2", "fe80::1"), link("mixed", "10.30.0.3", "10.20.0.2"),
        link("mixed2", "10.30.0.4", "2001:db8::4"), link("v6", "fd30::2"), link("none", "fe80::2"), {},
    ]  # fmt: skip
    assert firewall.interfaces_within(links, ["10.30.0.0/24", "fd30::/64"]) == ["bmc-0", "v6"]
    assert firewall.interfaces_within(links, []) == []
    assert 'iifname { "bmc-0", "v6" } jump refuse' in firewall_role.rules(
        ["rack"], links, firewall_bmc_networks=["10.30.0.0/24", "fd30::/64"]
    )


# By ansible-playbook, on this machine, in check mode.


def ansible(folder: Path, parts: list[tuple[str, dict[str, Any]]], ssh: str = "") -> str:
    """Run parts of the role, each with variables, as if Ansible had come by such a connection of ssh; what it says."""
    tasks = [
        {
            "ansible.builtin.import_role": {"name": "rackyard.metal.firewall", "tasks_from": part},
            "vars": SITE | given,
            "ignore_errors": True,
        }
        for part, given in parts
    ]
    play = {"hosts": "localhost", "gather_facts": False, "vars": {"rackyard_tiers": ["rack"]}, "tasks": tasks}
    (folder / "play.yml").write_text(yaml.safe_dump([play], sort_keys=False))
    (folder / "ansible.cfg").write_text(f"[defaults]\ncollections_path = {ROOT / 'collections'}\n")
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "--check"]
    environment = {**os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default"}
    done = subprocess.run(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}", "play.yml"],
        cwd=folder, env=environment | {"SSH_CONNECTION": ssh}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return " ".join((done.stdout + done.stderr).split())


def test_ansible_is_not_locked_out(tmp_path: Path) -> None:
    said = ansible(tmp_path, [("assert", {}), ("look", {}), ("reach", {})], "203.0.113.5 40000 192.0.2.21 22")
    assert "Ansible has come from 203.0.113.5 to port 22, which the rules would close" in said
    assert "Add the address to firewall_operators, or the port to firewall_ssh_ports" in said
    assert "ignored=1" in said


@pytest.mark.parametrize(
    ("senders", "refused"),
    [
        # An operator, and one who has not come by ssh.
        (["192.0.2.5 40000 192.0.2.21 22", ""], 0),
        # An operator by another port, a machine, a BMC.
        (["192.0.2.5 1 192.0.2.21 2222", "198.51.100.9 1 192.0.2.21 22", "192.0.2.200 1 192.0.2.21 22"], 3),
    ],
)
def test_who_would_be_locked_out(tmp_path: Path, senders: list[str], refused: int) -> None:
    said = ansible(tmp_path, [("reach", {"__firewall_ssh": sender.split()}) for sender in senders])
    assert f"ok={len(senders)} " in said
    assert f"ignored={refused}" in said


def test_what_names_no_network_or_port_is_named(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"firewall_racks": ["192.0.2.21", "rack2.example.net"]}, "addresses or networks are ['rack2.example.net']"),
        ({"firewall_bmc_networks": ["192.0.2.128/99"]}, "addresses or networks are ['192.0.2.128/99']"),
        ({"firewall_extra": [{"ports": ["ssh"], "protocols": ["tcp"]}]}, "are ['ssh']"),
        ({"firewall_extra": [{"ports": [9100]}]}, "Each entry of firewall_extra has ports and protocols"),
        ({"firewall_extra": [{"from": ["192.0.2.1"]}]}, "Each entry of firewall_extra has ports and protocols"),
        ({"firewall_extra": [{"ports": [1], "protocols": ["tcp"], "from": ["prometheus"]}]}, "are ['prometheus']"),
    ]
    said = ansible(tmp_path, [("assert", given) for given, _words in wrong] + [("assert", {})])
    for _given, words in wrong:
        assert words in said
    assert f"ok={len(wrong) + 1} " in said
    assert f"ignored={len(wrong)}" in said


def test_a_host_of_both_tiers_says_who_is_no_operator(tmp_path: Path) -> None:
    both: dict[str, Any] = {"firewall_tiers": ["region", "rack"]}
    nobody: dict[str, Any] = {"firewall_operators": [], "firewall_machine_networks": []}
    cases: list[dict[str, Any]] = [both, both | nobody, nobody]
    said = ansible(tmp_path, [("assert", given) for given in cases])
    assert "its machines would reach the operators' API" in said
    assert "ok=3 " in said
    assert "ignored=1" in said


@pytest.mark.parametrize("operators", [["192.0.2.0/25"], []])
def test_machines_of_a_host_of_both_tiers_reach_what_is_the_racks(operators: list[str]) -> None:
    both = ["region", "rack"]
    table, parties = firewall_role.table(both, **SITE | {"firewall_operators": operators})

    def admitted(sender: str) -> set[int]:
        ports = (22, 53, 5240, 5247, 5248, 5250, 5443, 8000)
        return {port for port in ports if firewall.firewall_admits(table, both, parties, sender, "tcp", port)}

    assert admitted("198.51.100.7") == {53, 5247, 5248, 8000}
    assert admitted("192.0.2.21") >= {53, 5240, 5247, 5250, 8000}
    assert admitted("192.0.2.5") == {22, 5240, 5443}
    assert admitted("192.0.2.200") == set()


def test_racks_have_the_addresses_that_the_inventory_says(tmp_path: Path) -> None:
    """Their own list of addresses, else how Ansible reaches them, else a name, which the role refuses."""
    (tmp_path / "group_vars").symlink_to(ROOT / "playbooks/group_vars")
    hosts = (
        "[regions]\nregion1\n[racks]\nrack1 ansible_host=192.0.2.21\n"
        'rack2 ansible_host=rack2.example.net rackyard_addresses=\'["192.0.2.22","2001:db8::22"]\'\nrack3.example.net\n'
    )
    (tmp_path / "hosts").write_text(hosts)
    play = {
        "hosts": "region1",
        "gather_facts": False,
        "vars_files": [str(ROOT / "roles/firewall/defaults/main.yml")],
        "tasks": [{"ansible.builtin.debug": {"msg": "{{ firewall_racks | sort | join(' ') }}"}}],
    }
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "hosts", "play.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "192.0.2.21 192.0.2.22 2001:db8::22 rack3.example.net" in done.stdout, done.stdout + done.stderr
