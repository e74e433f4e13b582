# SPDX-License-Identifier: GPL-3.0-or-later
"""What `./run lab kill|partition|slow|…` makes of words: faults, rules of the packet filter, relays, and refusals."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

FILES = Path(__file__).parents[3] / "roles" / "lab_network" / "files"
HOSTS = """\
rack1 ry-rack1-mgmt0 ry-mgmt
rack1 ry-rack1-pxe0 ry-pxe-a
rack1 ry-rack1-bmc0 ry-bmc-a
region1 ryvbbff4065b483 ry-mgmt
"""
MACHINES = """\
m1 swa-m1-1 ry-pxe-a
m1 swa-m1-2 ry-pxe-a
m1-bmc ry-m1-bmc ry-bmc-a
"""


def loaded(name: str) -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(FILES / name))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[loader.name] = module  # dataclasses look their module up
    loader.exec_module(module)
    return module


fault = loaded("lab-fault")
relay = loaded("lab-relay")
PLACES = fault.places_of(HOSTS, MACHINES)


def after(*commands: str) -> Any:
    """The faults after some commands on a whole lab."""
    faults: Any = {}
    for command in commands:
        verb, *words = command.split()
        faults = fault.changed_faults(verb, words, PLACES, faults)
    return faults


def test_hosts_machines_and_bmcs_have_names() -> None:
    assert {name: place.kind for name, place in PLACES.items()} == {
        "rack1": "host",
        "region1": "host",
        "m1": "machine",
        "m1-bmc": "BMC",
    }


def test_partition_cuts_both_directions_and_one_way_the_named_one() -> None:
    assert after("partition rack1 region1") == {("rack1", "region1"): fault.CUT, ("region1", "rack1"): fault.CUT}
    assert after("partition rack1 region1 --one-way") == {("rack1", "region1"): fault.CUT}
    assert after("partition --one-way rack1 region1") == {("rack1", "region1"): fault.CUT}


def test_partitions_add_up() -> None:
    both = after("partition rack1 region1 --one-way", "partition region1 rack1 --one-way")
    assert both == after("partition rack1 region1")
    assert after("partition rack1 region1", "partition rack1 region1 --one-way") == both


def test_slowness_is_halved_between_the_directions_and_loss_is_not() -> None:
    half = fault.Condition(delay_ms=50, loss_percent=2)
    assert after("slow rack1 region1 100 2") == {("rack1", "region1"): half, ("region1", "rack1"): half}


def test_last_slowness_counts_and_a_partition_takes_its_place() -> None:
    assert after("slow rack1 region1 100 2", "slow region1 rack1 10 0") == after("slow rack1 region1 10 0")
    assert after("slow rack1 region1 100 2", "partition rack1 region1") == after("partition rack1 region1")


def test_heal_undoes_one_pair_or_all() -> None:
    broken = ("partition rack1 region1", "slow rack1 m1 10 0", "partition rack1 m1-bmc")
    assert after(*broken, "heal region1 rack1") == after(*broken[1:])
    assert after(*broken, "heal") == {}
    assert after("heal", "heal rack1 m1") == {}


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("partition rack1 rack9", 'no "rack9". hosts: rack1, region1; machines: m1; BMCs: m1-bmc'),
        ("partition rack1 rack1", "one and the same"),
        ("partition region1 m1", "region1 (ry-mgmt) and m1 (ry-pxe-a) share no network"),
        ("partition m1 m1-bmc", "share no network"),
        ("partition rack1", "wrong number of words"),
        ("heal rack1", "wrong number of words"),
        ("heal rack1 rack9", 'no "rack9"'),
        ("slow rack1 region1 100", "wrong number of words"),
        ("slow rack1 region1 100 1 --one-way", "wrong number of words"),
        ("slow rack1 region1 soon 1", 'MS is a number from 0 to 60000, not "soon"'),
        ("slow rack1 region1 -1 1", 'not "-1"'),
        ("slow rack1 region1 nan 1", 'not "nan"'),
        ("slow rack1 region1 10 101", 'LOSS is a number from 0 to 100, not "101"'),
        ("slow rack1 region1 0 0", "./run lab heal rack1 region1"),
    ],
)
def test_refusal_names_what_is_wrong_and_what_there_is(command: str, said: str) -> None:
    with pytest.raises(fault.Refused) as refused:
        after(command)
    assert said in str(refused.value)


def test_cut_direction_is_not_made_slow_which_would_mend_it() -> None:
    with pytest.raises(fault.Refused, match=r"no packet passes from rack1 to region1; first: \./run lab heal"):
        after("partition rack1 region1 --one-way", "slow region1 rack1 10 0")


def test_rules_name_each_pair_of_ports_on_a_common_bridge() -> None:
    text = fault.rules(after("partition rack1 region1 --one-way", "slow m1 rack1 10 0"), PLACES)
    elements = text.split("elements = { ")[1].split(" }")[0].split(", ")
    assert sorted(elements) == [
        '"ry-rack1-mgmt0" . "ryvbbff4065b483"',
        '"ry-rack1-pxe0" . "swa-m1-1"',
        '"ry-rack1-pxe0" . "swa-m1-2"',
        '"swa-m1-1" . "ry-rack1-pxe0"',
        '"swa-m1-2" . "ry-rack1-pxe0"',
    ]
    assert "iifname . oifname @apart drop" in text


def test_whole_lab_has_no_rules_at_all() -> None:
    assert fault.rules({}, PLACES) == "table bridge ry_lab_faults\ndelete table bridge ry_lab_faults\n"


def test_relays_carry_what_is_slow_and_not_what_is_cut() -> None:
    assert fault.relays(after("slow rack1 region1 15 2.5", "partition rack1 m1"), PLACES) == {
        ("ry-rack1-mgmt0", "ryvbbff4065b483", "7.5", "2.5"),
        ("ryvbbff4065b483", "ry-rack1-mgmt0", "7.5", "2.5"),
    }
    assert fault.relays(after("slow rack1 region1 15 100"), PLACES) == set()


HERE, THERE, UNKNOWN = b"\x02\0\0\0\0\x01", b"\x02\0\0\0\0\x02", b"\x02\0\0\0\0\x03"
# As the kernel has it in brforward: address, port, own, age, high byte of the port, padding.
TABLE = b"".join(
    struct.pack("=6sBBIBBH", *entry)
    for entry in ((HERE, 7, 0, 0, 1, 0, 0), (THERE, 8, 0, 2999, 0, 0, 0), (b"\x02\0\0\0\0\xff", 7, 1, 0, 1, 0, 0))
)


@pytest.mark.parametrize(
    ("destination", "passed"),
    [
        (HERE, True),
        (THERE, False),
        (UNKNOWN, True),
        (b"\x02\0\0\0\0\xff", False),
        (b"\xff" * 6, True),
        (b"\x33\x33\0\0\0\x01", True),
        (b"\x01\x80\xc2\0\0\x0e", False),
    ],
    ids=["behind the port", "behind another", "unknown", "the bridge's own", "broadcast", "IPv6 group", "LLDP"],
)
def test_relay_takes_what_the_bridge_would_have_passed(destination: bytes, passed: bool) -> None:
    assert relay.goes_to(0x107, destination, relay.ports_by_address(TABLE)) is passed


@pytest.fixture
def described(tmp_path: Path) -> dict[str, str]:
    """The environment of a lab whose hosts and machines are described and not there."""
    for folder in ("hosts.d", "machines.d"):
        (tmp_path / folder).mkdir()
    interfaces = "mgmt0,ry-mgmt,10.10.0.7/24,10.10.0.1 bmc0,ry-bmc-a,10.30.0.7/24, "
    (tmp_path / "hosts.d/nobody-such.conf").write_text(f'suite=bookworm\ninterfaces="{interfaces}"\n')
    machine = 'firmware=bios\ndisks_mib="64"\nports="swa-t1-1,ry-pxe-a "\nbmc=10.30.0.77/24,ry-bmc-a\n'
    (tmp_path / "machines.d/t1.conf").write_text(machine)
    return {**os.environ, "RACKYARD_LAB": str(tmp_path)}


def test_ports_are_told_by_those_who_make_them(described: dict[str, str]) -> None:
    told = [
        subprocess.check_output([program, "ports"], env=described, text=True)
        for program in (fault.HOSTS, fault.MACHINES)
    ]
    places = fault.places_of(*told)
    assert {name: place.kind for name, place in places.items()} == {
        "nobody-such": "host",
        "t1": "machine",
        "t1-bmc": "BMC",
    }
    assert [bridge for _, bridge in places["nobody-such"].ports] == ["ry-mgmt", "ry-bmc-a"]
    assert all(len(port) <= 15 for place in places.values() for port, _ in place.ports)
    assert places["t1-bmc"].ports == (("ry-t1-bmc", "ry-bmc-a"),)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("kill rack9", 'no "rack9". hosts: nobody-such; machines: t1; BMCs: t1-bmc'),
        ("kill", "kill: name one"),
        ("pause t1", "t1 is a machine; pause is for hosts"),
        ("kill t1-bmc", "./run lab partition HOST t1-bmc"),
        ("pause nobody-such", "nobody-such is off; start it first: ./run lab start nobody-such"),
        ("resume nobody-such", "nobody-such is off; start it: ./run lab start nobody-such"),
        ("explode nobody-such", "Usage: ./run lab VERB"),
        ("", "Usage: ./run lab VERB"),
    ],
)
def test_command_line_refuses_with_the_next_step(described: dict[str, str], words: str, said: str) -> None:
    command = [str(FILES / "lab-fault"), *words.split()]
    done = subprocess.run(command, env=described, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr


def test_killing_what_is_off_is_no_error(described: dict[str, str]) -> None:
    command = [str(FILES / "lab-fault"), "kill", "nobody-such"]
    assert subprocess.check_output(command, env=described, text=True) == "nobody-such: that is so already\n"
