# SPDX-License-Identifier: GPL-3.0-or-later
"""A known machine that is not being commissioned boots its disk, although its firmware asks the network first.

Each of the three loaders does it on real firmware: GRUB under Secure Boot and iPXE on the lab's machines, through the
rack; lpxelinux on a machine of its own, because QEMU's network cards bring iPXE, and iPXE gets other files of a rack.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import disk_system
import pytest
from lab_site import STATE, Lab, bmc_password, boot_files, given

from rackyard.rack import boot_config

LIMIT_S = 240.0  # under emulation, with all three at once; about 60 s on an idle machine


# How terminals are told to move and to colour; firmware and pxelinux do so in the middle of a word.
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?=!]*[A-Za-z]|[()][0-9A-Z])")


def said_by(console: Path) -> str:
    """What a machine has written on its serial console so far, as plain text."""
    return _ESCAPES.sub("", console.read_text(errors="replace")) if console.exists() else ""


def console(name: str) -> Path:
    return STATE / "machines" / name / "console.log"


def disk_of(name: str) -> Path:
    return STATE / "machines" / name / "disk0.qcow2"


def put_system(lab: Lab, name: str) -> None:
    """Replace what is on the machine's first disk by a system that can be booted; what was there is kept aside."""
    shutil.copyfile(disk_of(name), lab.work / f"{name}-before.qcow2")
    work = lab.work / f"disk-of-{name}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    raw, files = work / "disk.raw", boot_files()
    disk_system.write(raw, given(name)["disks"][0]["size_mib"], files / "vmlinuz", files / "bootx64.efi", work)
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(disk_of(name))], check=True)
    shutil.rmtree(work)


@pytest.fixture(scope="module")
def pxelinux(lab: Lab) -> Iterator[Path]:
    """The console of a BIOS machine that lpxelinux boots, with the file that a rack has for a machine in Ready."""
    home = lab.work / "pxelinux"
    shutil.rmtree(home, ignore_errors=True)
    (home / "tftp" / "pxelinux.cfg").mkdir(parents=True)
    (home / "parts").mkdir()
    files = boot_files()
    for module in ("lpxelinux.0", "ldlinux.c32", "chain.c32", "libcom32.c32", "libutil.c32"):
        shutil.copy(files / module, home / "tftp")
    local = boot_config.render("pxelinux", boot_config.BootConfig("local", "m9"), "10.0.2.2")
    (home / "tftp" / "pxelinux.cfg" / "default").write_text(local)
    disk_system.write(home / "disk.raw", 512, files / "vmlinuz", files / "bootx64.efi", home / "parts")
    command = [
        *("qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "q35,graphics=off", "-m", "256"),
        *("-accel", "tcg", "-no-reboot", "-serial", f"file:{home / 'console.log'}"),
        *("-drive", f"if=none,id=disk0,format=raw,file={home / 'disk.raw'}"),
        *("-device", "virtio-blk-pci,drive=disk0,bootindex=2"),
        *("-netdev", f"user,id=net0,tftp={home / 'tftp'},bootfile=lpxelinux.0"),
        *("-device", "virtio-net-pci,netdev=net0,bootindex=1"),
    ]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as machine:
        yield home / "console.log"
        machine.kill()


@pytest.fixture(scope="module")
def booted(lab: Lab, pxelinux: Path) -> Iterator[dict[str, Callable[[], str]]]:
    """Starts all three; what each has said on its console. The lab's machines get their disks back afterwards: this
    system switches its machine off, and other tests want one that stays on."""
    for name in ("m1", "m2"):
        assert lab.machine(name)["status_name"] == "Ready"
        put_system(lab, name)
    bmc = given("m1")["bmc"]
    ipmitool = f"IPMI_PASSWORD='{bmc_password('m1')}' ipmitool -I lanplus -E -H {bmc['address']} -U {bmc['user']}"
    lab.ssh("rack1", "command -v ipmitool >/dev/null || apt-get -qq install -y ipmitool >/dev/null")
    lab.ssh("rack1", f"{ipmitool} chassis bootdev pxe && {ipmitool} chassis power on")
    # m2's firmware asks the network first by itself: its variables say so since it was commissioned.
    lab.playbook("power", "-e", '{"rackyard_power": ["m2"], "rackyard_power_state": "on"}')
    yield {
        "ipxe": lambda: said_by(console("m1")),
        "grub": lambda: said_by(console("m2")),
        "pxelinux": lambda: said_by(pxelinux),
    }
    lab.playbook("power", "-e", '{"rackyard_power": ["m1", "m2"], "rackyard_power_state": "off"}')
    for name in ("m1", "m2"):
        shutil.copyfile(lab.work / f"{name}-before.qcow2", disk_of(name))


@pytest.mark.parametrize(
    ("loader", "hostname", "marker"),
    [
        ("pxelinux", "m9", disk_system.BIOS_MARKER),
        ("ipxe", "m1", disk_system.BIOS_MARKER),
        ("grub", "m2", disk_system.UEFI_MARKER),
    ],
)
def test_ready_machine_that_asks_the_network_first_boots_its_disk(
    booted: dict[str, Callable[[], str]], loader: str, hostname: str, marker: str
) -> None:
    deadline = time.monotonic() + LIMIT_S
    while marker not in booted[loader]() and time.monotonic() < deadline:
        time.sleep(1)
    said = booted[loader]()
    assert marker in said, said[-2000:]
    before_the_disk = said[: said.index(marker)]
    assert f"rackyard: {hostname}: booting from disk" in before_the_disk, "the network was asked first"


def test_system_on_the_disk_of_the_uefi_machine_runs_under_secure_boot(booted: dict[str, Callable[[], str]]) -> None:
    assert "secureboot: Secure boot enabled" in booted["grub"]()
