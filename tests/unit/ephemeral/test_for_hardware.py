# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest

from rackyard.region.ephemeral.runner.uploaded import is_for


@pytest.fixture
def root(tmp_path: Path) -> str:
    """What the kernel says of a machine with one PCI and one USB device."""
    said = {
        "class/dmi/id/sys_vendor": "Acme Inc\n",
        "class/dmi/id/board_name": "X11\n",
        "bus/pci/devices/0000:00:03.0/vendor": "0x8086\n",
        "bus/pci/devices/0000:00:03.0/device": "0x1572\n",
        "bus/pci/devices/0000:00:03.0/modalias": "pci:v00008086d00001572sv00008086sd00000001bc02sc00i00\n",
        "bus/usb/devices/1-1/idVendor": "0781\n",
        "bus/usb/devices/1-1/idProduct": "5581\n",
    }
    for name, text in said.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(tmp_path)


@pytest.mark.parametrize(
    ("hardware", "wanted"),
    [
        ([], True),
        (["pci:8086:1572"], True),
        (["pci:8086:1573"], False),
        (["pci:ffff:ffff", "usb:0781:5581"], True),
        (["usb:8086:1572"], False),
        (["modalias:pci:v00008086d00001572*"], True),
        (["modalias:usb:*"], False),
        (["system_vendor:acme inc"], True),
        (["system_vendor:Acme"], False),
        (["mainboard_product:X11"], True),
        (["mainboard_vendor:X11"], False),
    ],
)
def test_script_is_for_a_machine_that_has_any_of_its_hardware(root: str, hardware: list[str], wanted: bool) -> None:
    assert is_for(hardware, root) is wanted
