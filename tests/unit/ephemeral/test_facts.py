# SPDX-License-Identifier: GPL-3.0-or-later
"""Facts from commissioning results; data/commissioning holds what real boots of the image have printed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.ephemeral import facts
from rackyard.region.ephemeral.facts import FactsError, parse_results

DATA = Path(__file__).parent / "data" / "commissioning"


def sample(machine: str) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in (DATA / machine).glob("*.json")}


def changed(script: str, change: Any) -> dict[str, bytes]:
    """The BIOS machine with one document changed in place by ``change``."""
    outputs = sample("bios")
    document = json.loads(outputs[script])
    change(document)
    return outputs | {script: json.dumps(document).encode()}


def problem(outputs: dict[str, bytes]) -> str:
    with pytest.raises(FactsError) as caught:
        parse_results(outputs)
    return str(caught.value)


def test_a_bios_machine_is_described() -> None:
    found = parse_results(sample("bios"))
    assert (found.firmware.firmware_type, found.firmware.secure_boot) == ("bios", False)
    assert (found.firmware.system_vendor, found.firmware.system_serial) == ("Rackyard", "SN-M1")
    assert (found.cpu.count, found.cpu.architecture) == (2, "x86_64")
    assert found.memory.total_mib == 2048
    assert [(disk.name, disk.serial, disk.size_bytes) for disk in found.disks] == [
        ("sda", "RYDISK0002", 1 << 30),
        ("vda", "RYDISK0001", 3 << 30),
    ]
    assert found.storage_mb == 4294
    assert found.boot_mac == "52:54:00:aa:00:01"
    assert [(nic.mac, nic.driver, nic.link_speed_mbps) for nic in found.nics] == [
        ("52:54:00:aa:00:01", "virtio_net", 0),
        ("52:54:00:aa:00:02", "e1000", 1000),
    ]
    assert found.bmc is not None
    assert (found.bmc.manufacturer, found.bmc.channel) == ("MontaVista Software, Inc.", 1)
    assert found.firmware.system_uuid == "5d9e8d6a-0f5c-4c8e-9f0a-5c1f0a3c9b11"


def test_the_switch_port_of_a_nic_is_learned() -> None:
    found = parse_results(sample("bios"))
    neighbour = found.neighbour_of("enp0s3")
    assert neighbour is not None
    assert (neighbour.chassis_name, neighbour.port_id, neighbour.vlan) == ("leaf1", "swp7", 20)
    assert neighbour.port_description == "rack 1, port 7"
    assert neighbour.management_addresses == ("10.0.0.1",)
    assert found.neighbour_of("enp0s2") is None


def test_a_uefi_machine_is_described() -> None:
    found = parse_results(sample("uefi"))
    assert (found.firmware.firmware_type, found.firmware.secure_boot) == ("uefi", False)
    assert found.firmware.vendor == "EFI Development Kit II / OVMF"
    outputs = sample("uefi")
    outputs["10-firmware"] = outputs["10-firmware"].replace(b'"secure_boot": false', b'"secure_boot": true')
    assert parse_results(outputs).firmware.secure_boot


def test_a_machine_without_bmc_says_so() -> None:
    assert parse_results(sample("bios") | {"30-bmc": b'{"present": false}'}).bmc is None


def test_memory_of_the_kernel_counts_when_smbios_is_not_believable() -> None:
    for installed in (0, 100, 1 << 20):
        outputs = changed("20-memory", lambda document, n=installed: document.update(installed_mib=n))
        assert parse_results(outputs).memory.total_mib == 1964


@pytest.mark.parametrize("script", ["10-firmware", "20-cpu", "20-memory", "20-storage", "20-network"])
def test_a_missing_result_is_named(script: str) -> None:
    outputs = sample("bios")
    del outputs[script]
    assert problem(outputs) == f"{script}: the machine sent no result of this script"


def test_bmc_and_lldp_may_be_missing() -> None:
    outputs = sample("bios")
    del outputs["30-bmc"], outputs["30-lldp"]
    assert parse_results(outputs).neighbours == ()


@pytest.mark.parametrize(
    ("script", "change", "message"),
    [
        ("20-network", lambda d: d["nics"][1].update(mac="52:54:00:AA:00:02"), "20-network: nics[1].mac: not a MAC"),
        ("20-network", lambda d: d["nics"][0].update(mac="01:00:5e:00:00:01"), "nics[0].mac: not the address of a"),
        ("20-network", lambda d: d["nics"][0].update(mac="52:54:00:aa:00:02"), "nics.mac: the same value twice"),
        ("20-network", lambda d: d["nics"][0].update(name="a;b"), "nics[0].name: not an interface name"),
        ("20-network", lambda d: d["nics"][0].update(name="../../etc"), "nics[0].name: not an interface name"),
        ("20-network", lambda d: d["nics"][0].update(addresses=["10.0.0.300/24"]), "addresses[0]: not an IP address"),
        ("20-network", lambda d: d["nics"][0].update(link_speed_mbps=-1), "link_speed_mbps: -1 is not within"),
        ("20-network", lambda d: d.update(nics=d["nics"][:1] * 300), "nics: 300 entries, at most 256"),
        ("20-network", lambda d: d.pop("boot_mac"), "20-network: boot_mac: missing"),
        ("20-storage", lambda d: d["disks"][0].update(size_bytes="big"), "size_bytes: expected a whole number"),
        ("20-storage", lambda d: d["disks"][0].update(size_bytes=True), "size_bytes: expected a whole number"),
        ("20-storage", lambda d: d["disks"][0].update(size_bytes=1e12), "size_bytes: expected a whole number"),
        ("20-storage", lambda d: d["disks"][0].update(size_bytes=10**30), "is not within 1 to"),
        ("20-storage", lambda d: d["disks"][0].update(path="/dev/../etc/passwd"), "path: not a device path"),
        ("20-storage", lambda d: d["disks"][0].update(serial="x" * 257), "serial: 257 characters, at most 256"),
        ("20-storage", lambda d: d["disks"][0].update(serial="a\nb"), "serial: unprintable characters"),
        ("20-storage", lambda d: d["disks"][0].update(serial="a\x1b[2J"), "serial: unprintable characters"),
        ("20-storage", lambda d: d["disks"][0].update(serial="a\u202eb"), "serial: unprintable characters"),
        ("20-storage", lambda d: d.update(disks={}), "20-storage: disks: expected a list"),
        ("20-cpu", lambda d: d.update(count=0), "20-cpu: count: 0 is not within 1 to 65536"),
        ("20-memory", lambda d: d.update(kernel_mib=None), "kernel_mib: expected a whole number, got None"),
        ("10-firmware", lambda d: d["firmware"].update(type="coreboot"), "firmware.type: expected one of bios, uefi"),
        ("10-firmware", lambda d: d["firmware"].update(secure_boot="yes"), "secure_boot: expected true or false"),
        ("10-firmware", lambda d: d["system"].update(uuid="none"), "system.uuid: not a UUID"),
        ("10-firmware", lambda d: d.update(system=[]), "10-firmware: system: expected an object"),
        ("30-bmc", lambda d: d.pop("lan"), "30-bmc: lan: missing"),
        ("30-bmc", lambda d: d["lan"].update(address="1.2.3"), "30-bmc: lan.address: not an IP address"),
        ("30-bmc", lambda d: d["lan"].update(mac="x"), "30-bmc: lan.mac: not a MAC address"),
        ("30-lldp", lambda d: d["neighbours"][0].update(vlan=4096), "neighbours[0].vlan: 4096 is not within"),
        ("30-lldp", lambda d: d["neighbours"][0].pop("port_id"), "30-lldp: neighbours[0].port_id: missing"),
    ],
)
def test_a_bad_field_is_named(script: str, change: Any, message: str) -> None:
    assert message in problem(changed(script, change))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "20-cpu: not JSON"),
        (b"[1]", "20-cpu: expected an object, got [1]"),
        (b'{"a": "\xff"}', "20-cpu: not UTF-8 at byte 7"),
        (b'{"count": NaN}', "20-cpu: not JSON: NaN is not JSON"),
        (b'{"count": ' + b"9" * 5000 + b"}", "20-cpu: not JSON"),
        (b'{"a": ' * 17 + b"1" + b"}" * 17, "20-cpu: nested 17 levels deep, at most 16 are accepted"),
        (b"[" * 500_000, "20-cpu: nested 500000 levels deep"),
        (b" " * ((1 << 20) + 1), "20-cpu: 1048577 bytes, at most 1048576 are accepted"),
    ],
)
def test_a_bad_document_is_refused(content: bytes, message: str) -> None:
    assert problem(sample("bios") | {"20-cpu": content}).startswith(message)


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    outputs = changed("20-cpu", lambda document: document.update(model="[" * 100 + '"\\'))
    assert parse_results(outputs).cpu.model == "[" * 100 + '"\\'


def test_neighbours_of_unknown_ports_are_left_out() -> None:
    entry = {
        "nic": "bond0",
        "protocol": "LLDP",
        "chassis_name": "sw1",
        "chassis_id": "x",
        "port_id": "1",
        "port_description": "",
        "management_addresses": [],
        "vlan": None,
    }
    outputs = changed("30-lldp", lambda d: d.update(neighbours=[entry, entry | {"nic": "enp0s3", "vlan": 7}]))
    found = parse_results(outputs)
    assert [(one.nic, one.vlan) for one in found.neighbours] == [("enp0s3", 7)]
    assert found.neighbour_of("enp0s2") is None


def test_all_dataclasses_are_frozen_and_have_slots() -> None:
    kinds = [getattr(facts, name) for name in facts.__all__ if name not in ("FactsError", "parse_results")]
    for kind in kinds:
        assert kind.__dataclass_params__.frozen
        assert "__slots__" in vars(kind)


BOOT = {
    "current": "0003",
    "order": ["0003", "000a"],
    "entries": [
        {"id": "0003", "active": True, "name": "UEFI PXEv4 (MAC:525400200201)", "path": "PciRoot(0x0)/Pci(0x2,0x0)"},
        {"id": "000a", "active": False, "name": "debian", "path": "HD(1,GPT,…)/File(\\EFI\\debian\\shimx64.efi)"},
    ],
}


def test_boot_order_of_the_firmware_is_kept_and_missing_where_there_is_none() -> None:
    assert parse_results(sample("bios")).firmware.boot is None
    assert parse_results(changed("10-firmware", lambda document: document.update(boot={}))).firmware.boot is None
    boot = parse_results(changed("10-firmware", lambda document: document.update(boot=BOOT))).firmware.boot
    assert boot is not None
    assert (boot.current, boot.order) == ("0003", ("0003", "000A"))
    assert [(entry.number, entry.name, entry.active) for entry in boot.entries] == [
        ("0003", "UEFI PXEv4 (MAC:525400200201)", True),
        ("000A", "debian", False),
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"order": ["3"]}, "four hex digits"),
        ({"order": ["0001"] * 200}, "at most 128"),
        ({"current": "zzzz"}, "four hex digits"),
        ({"entries": [{**BOOT["entries"][0], "active": 1}]}, "true or false"),
    ],
)
def test_boot_order_that_firmware_cannot_have_is_refused(change: dict[str, Any], words: str) -> None:
    assert words in problem(changed("10-firmware", lambda document: document.update(boot={**BOOT, **change})))


# What efibootmgr 17 and 18 print with -v on a machine with OVMF and a Debian.
EFIBOOTMGR = """#!/bin/sh
cat <<'END'
BootCurrent: 0002
Timeout: 0 seconds
BootOrder: 0002,000A,0001
Boot0001* UEFI QEMU NVMe Ctrl RYM2D1 1\tPciRoot(0x0)/Pci(0x3,0x0)/NVMe(0x1,00-00)
Boot0002* UEFI PXEv4 (MAC:525400200201)\tPciRoot(0x0)/Pci(0x2,0x0)/MAC(525400200201,1)
      dp: 02 01 0c 00 d0 41 03 0a
Boot000A  debian\tHD(1,GPT,4a1e)/File(\\EFI\\debian\\shimx64.efi)
END
exit ${STATUS:-0}
"""


@pytest.mark.parametrize("status", ["0", "2"])
def test_script_reads_the_boot_entries_and_a_bios_machine_has_none(tmp_path: Path, status: str) -> None:
    program = tmp_path / "efibootmgr"
    program.write_text(EFIBOOTMGR.replace("\\t", "\t"))
    program.chmod(0o755)
    script = Path(facts.__file__).parent / "scripts" / "10-firmware"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "STATUS": status}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, check=True)
    reported = json.loads(done.stdout)["boot"]
    if status != "0":
        assert reported == {}
        return
    boot = parse_results(changed("10-firmware", lambda document: document.update(boot=reported))).firmware.boot
    assert boot is not None
    assert (boot.current, boot.order) == ("0002", ("0002", "000A", "0001"))
    assert [(entry.number, entry.name, entry.active) for entry in boot.entries][1:] == [
        ("0002", "UEFI PXEv4 (MAC:525400200201)", True),
        ("000A", "debian", False),
    ]
    assert boot.entries[2].path.endswith("shimx64.efi)")
