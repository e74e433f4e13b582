# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's chassis: the QEMU that a machine's definition and boot device lead to."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "roles" / "lab_machines" / "files" / "lab-chassis"
MACHINE: dict[str, Any] = {
    "name": "t1",
    "firmware": "bios",
    "cpus": 2,
    "memory_mib": 512,
    "uuid": "8d7a3d1c-7b0e-5a38-9f3b-0d5d4b0d3a11",
    "disks": [
        {"serial": "D1", "size_mib": 64, "bus": "virtio"},
        {"serial": "D2", "size_mib": 64, "bus": "nvme"},
    ],
    "nics": [{"mac": "52:54:00:00:00:01", "port": "p1"}, {"mac": "52:54:00:00:00:02", "port": "p2"}],
    "system": {"manufacturer": "Example, Inc.", "product": "T", "serial": "S1"},
}


@pytest.fixture(scope="module")
def chassis() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader("lab_chassis", str(PROGRAM))
    spec = importlib.util.spec_from_loader("lab_chassis", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def devices_in_boot_order(argv: list[str]) -> list[str]:
    devices = [argument for argument in argv if "bootindex=" in argument]
    found = [re.search(r"(?:netdev|drive)=([a-z0-9]+).*bootindex=(\d+)", device) for device in devices]
    return [match[1] for match in sorted((match for match in found if match), key=lambda match: int(match[2]))]


def argv(chassis: ModuleType, boot: str, **changes: Any) -> list[str]:
    result = chassis.qemu_argv(MACHINE | changes, Path("/home/t1"), Path("/run/t1"), "tcg", boot, [7, 8])
    assert isinstance(result, list)
    return result


def test_pxe_puts_the_network_before_the_disks(chassis: ModuleType) -> None:
    assert devices_in_boot_order(argv(chassis, "pxe")) == ["net0", "net1", "disk0", "disk1"]


@pytest.mark.parametrize("boot", ["none", "default", "disk"])
def test_any_other_boot_device_puts_the_disks_first(chassis: ModuleType, boot: str) -> None:
    assert devices_in_boot_order(argv(chassis, boot)) == ["disk0", "disk1", "net0", "net1"]


def test_firmware_s_own_order_counts_unless_the_bmc_says_network(chassis: ModuleType) -> None:
    assert "bootindex" not in " ".join(argv(chassis, "none", boot_order="nvram"))
    assert devices_in_boot_order(argv(chassis, "pxe", boot_order="nvram")) == ["net0", "net1", "disk0", "disk1"]


def test_secure_boot_firmware_is_guarded_by_smm_and_keeps_its_own_variables(chassis: ModuleType) -> None:
    line = " ".join(argv(chassis, "pxe", firmware="uefi_secureboot"))
    assert "q35,smm=on" in line
    assert "driver=cfi.pflash01,property=secure,value=on" in line
    assert "file=/home/t1/firmware-vars.fd" in line


def test_bios_has_no_flash(chassis: ModuleType) -> None:
    assert "pflash" not in " ".join(argv(chassis, "pxe"))


def test_a_comma_in_the_manufacturer_is_not_a_new_option(chassis: ModuleType) -> None:
    assert "type=1,manufacturer=Example,, Inc.,product=T,serial=S1" in argv(chassis, "pxe")


def test_every_serial_number_and_address_is_given_to_qemu(chassis: ModuleType) -> None:
    line = " ".join(argv(chassis, "pxe"))
    for wanted in ("serial=D1", "serial=D2", "mac=52:54:00:00:00:01", "mac=52:54:00:00:00:02", "fd=7", "fd=8"):
        assert wanted in line
