# SPDX-License-Identifier: GPL-3.0-or-later
"""What is declared of a machine against what real boots of the image have printed."""

from __future__ import annotations

import copy
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.ephemeral.facts import parse_results
from rackyard.region.errors import Invalid
from rackyard.region.services.machines import expectation
from rackyard.region.services.machines.differences import Difference, Found, compare

DATA = Path(__file__).resolve().parents[1] / "ephemeral" / "data" / "commissioning"
SDA = {"kind": "hdd", "size_gb": 1.07, "model": "QEMU HARDDISK", "serial": "RYDISK0002"}
DECLARED: dict[str, Any] = {
    "cpu_count": 2,
    "memory": 2048,
    "architecture": "amd64",
    "bios_boot_method": "bios",
    "secure_boot": False,
    "firmware": {"bios": "1.16.2-debian-1.16.2-1", "bmc": "9.08"},
    "disks": [{"size_gb": 3.22}, SDA],
    "nics": [
        {"name": "enp0s3", "mac_address": "52:54:00:aa:00:02", "switch": "leaf1", "port": "swp7", "link_speed": 1000},
        {"mac_address": "52:54:00:aa:00:01", "link_connected": True},
    ],
}


def found_in(machine: str) -> Found:
    """What the region keeps of it."""
    facts = parse_results({path.stem: path.read_bytes() for path in (DATA / machine).glob("*.json")})
    heard = {nic.name: facts.neighbour_of(nic.name) for nic in facts.nics}
    assert facts.bmc is not None
    return Found(
        cpu_count=facts.cpu.count,
        memory_mib=facts.memory.total_mib,
        machine=facts.cpu.architecture,
        firmware_type=facts.firmware.firmware_type,
        secure_boot=facts.firmware.secure_boot,
        bios_version=facts.firmware.version,
        bmc_version=facts.bmc.firmware_version,
        disks=facts.disks,
        nics=facts.nics,
        neighbours={name: asdict(neighbour) for name, neighbour in heard.items() if neighbour},
    )


BIOS = found_in("bios")
DISK = parse_results({path.stem: path.read_bytes() for path in (DATA / "bios").glob("*.json")}).disks[0]


def declared(**changes: Any) -> dict[str, Any]:
    return expectation.parsed(json.dumps(copy.deepcopy(DECLARED) | changes))


def told(wanted: dict[str, Any], found: Found = BIOS) -> list[tuple[str, Any, Any]]:
    return [(each.what, each.declared, each.found) for each in compare(wanted, found)]


def test_machine_that_is_as_declared_differs_in_nothing_and_nothing_declared_is_nothing_asked() -> None:
    assert told(declared()) == told({}) == []
    assert told(declared(disks=[{"count": 2}]), found_in("uefi")) == [
        ("bios_boot_method", "bios", "uefi"),
        ("firmware.bios", "1.16.2-debian-1.16.2-1", "0.0.0"),
    ]


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"cpu_count": 4}, ("cpu_count", 4, 2)),
        ({"memory": 4096}, ("memory", 4096, 2048)),
        ({"architecture": "arm64"}, ("architecture", "arm64", "amd64")),
        ({"secure_boot": True}, ("secure_boot", True, False)),
        ({"firmware": {"bmc": "9.09"}}, ("firmware.bmc", "9.09", "9.08")),
        ({"disks": [{"count": 3}]}, ("disks[0]", {"count": 3}, {"count": 2})),
        (
            {"disks": [{"serial": "RYDISK0001"}]},
            ("disks", None, {"name": "sda", **SDA, "size_gb": 1.1}),
        ),
        ({"nics": [{"name": "enp0s3", "switch": "leaf2"}]}, ("nics[enp0s3].switch", "leaf2", "leaf1")),
        ({"nics": [{"name": "enp0s2", "port": "swp6"}]}, ("nics[enp0s2].port", "swp6", None)),
        ({"nics": [{"name": "enp0s2", "link_speed": 1000}]}, ("nics[enp0s2].link_speed", 1000, None)),
        (
            {"nics": [{"name": "eth0", "mac_address": "52:54:00:aa:00:02"}]},
            ("nics[eth0].name", "eth0", "enp0s3"),
        ),
        ({"nics": [{"name": "enp0s9"}]}, ("nics[enp0s9]", {"name": "enp0s9"}, None)),
    ],
)
def test_each_thing_that_is_otherwise_is_told_alone(changes: dict[str, Any], difference: tuple[str, Any, Any]) -> None:
    assert told(declared(**changes)) == [difference]


def test_what_is_gone_is_told_and_nothing_else() -> None:
    without = replace(BIOS, disks=BIOS.disks[1:])
    assert told(declared(), without) == [("disks[1]", SDA, {"count": 0})]
    assert [each[0] for each in told(declared(), replace(BIOS, nics=BIOS.nics[:1], bmc_version=""))] == [
        "firmware.bmc",
        "nics[enp0s3]",
    ]


def test_disks_count_for_the_entry_that_needs_them_most_and_sizes_have_their_tolerance() -> None:
    # The first entry fits both disks; what the second needs is left to it.
    assert told({"disks": [{"kind": "hdd"}, {"model": "QEMU HARDDISK"}]}) == []
    assert told({"disks": [{"kind": "hdd"}, {"model": ""}]}) == []
    assert told({"disks": [{"size_gb": 3.1}, {"size_gb": 1.0, "tolerance_percent": 10}]}) == []
    assert [each[0] for each in told({"disks": [{"size_gb": 3.0}, {"size_gb": 1.07}]})] == ["disks[0]", "disks"]
    flash = replace(BIOS, disks=[replace(DISK, name="nvme0n1", rotary=False)])
    assert told({"disks": [{"kind": "nvme"}]}, flash) == []
    assert [each.what for each in compare({"disks": [{"kind": "ssd"}]}, flash)] == ["disks[0]", "disks"]


def test_memory_that_a_kernel_keeps_back_is_none_that_is_missing() -> None:
    server = replace(BIOS, memory_mib=515_000)
    assert told({"memory": 516_096}, server) == []
    assert compare({"memory": 524_288}, server) == [Difference("memory", 524_288, 515_000)]


def test_very_many_disks_take_no_long_time() -> None:
    many = replace(BIOS, disks=[replace(DISK, name=f"sd{at}") for at in range(1024)])
    wanted = expectation.parsed(json.dumps({"disks": [{"count": 4, "kind": "hdd"}] * 64}))
    begun = time.monotonic()
    assert len(compare(wanted, many)) == 1024 - 256
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1]", "is not of type 'object'"),
        ("nonsense", "It is no JSON"),
        ('{"memory": NaN}', "It is no JSON"),
        ('{"cpus": 2}', "There is no 'cpus'; it takes cpu_count, memory,"),
        ('{"cpu_count": "2"}', "cpu_count: '2' is not of type 'integer'"),
        ('{"cpu_count": 0}', "cpu_count: 0 is less than the minimum of 1"),
        ('{"firmware": {"uefi": "1"}}', "firmware: there is no 'uefi'; it takes bios, bmc"),
        ('{"disks": [{}, {"kind": "flash"}]}', "disks[1].kind: 'flash' is not one of ['ssd', 'hdd', 'nvme']"),
        ('{"disks": [{"serial": "a", "count": 2}]}', "disks[0]: there is one disk of a serial number"),
        ('{"disks": [{"count": 200}, {"count": 57}]}', "disks: they are 257, and at most 256 can be declared"),
        ('{"nics": [{"switch": "leaf1"}]}', "nics[0]: it needs a name or a mac_address"),
        ('{"nics": [{"mac_address": "52-54-00-AA-00-01"}]}', "[0].mac_address: '52-54-00-AA-00-01' is no MAC"),
        ('{"nics": [{"name": "a\\u0000"}]}', "nics[0].name: 'a\\x00' is not a text of 1 to 256"),
        ('{"nics": [{"name": "\\ud800"}]}', "is not a text of 1 to 256"),
        ('{"nics": [{"name": "eth0"}, {"name": "eth0"}]}', "nics: name eth0 is there 2 times"),
        ("[" * 50_000, "It is no JSON"),
        (json.dumps({"disks": [{"model": "x" * 65_536}]}), "at most 65536 are kept"),
    ],
)
def test_what_cannot_be_declared_is_refused_with_its_place(text: str, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        expectation.parsed(text)
    ((field, (message,)),) = caught.value.fields.items()
    assert field == "expect"
    assert words in message
    assert len(message) < 400
