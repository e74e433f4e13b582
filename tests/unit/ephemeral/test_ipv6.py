# SPDX-License-Identifier: GPL-3.0-or-later
"""How the initramfs sets its port up: by live-boot's own way, or at the address of IPv6 that the firmware was given."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

LATE = Path(__file__).parents[3] / "roles/boot_image/files/recipe/late/usr/lib"
SCRIPT = LATE / "live/boot/9999-rackyard-ipv6.sh"
# What live-boot has, with a function after it that is not to be taken along.
LIVE_BOOT = """do_netsetup ()
{
\techo by ipv4
}

other ()
{
\techo other
}
"""
LINE = "boot=live fetch=http://[fd00:20::2]:5248/images/x/filesystem.squashfs BOOTIF=01-52-54-00-00-00-01 panic=20"


def run(tmp_path: Path, line: str, device: str = "ens1") -> list[str]:
    """What is done, with `ip` and the kernel's settings played by files."""
    busybox = shutil.which("busybox")
    assert busybox, "the initramfs' shell: install busybox"
    for folder in ("bin", "conf/ens1", "boot"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("sed", "cat"):
        (tmp_path / "bin" / name).symlink_to(busybox)
    ip = tmp_path / "bin/ip"
    ip.write_text(f'#!{busybox} sh\necho "ip $*"\n')
    ip.chmod(0o755)
    (tmp_path / "boot/9990-networking.sh").write_text(LIVE_BOOT)
    text = SCRIPT.read_text()
    for place, instead in (
        ("/lib/live/boot", f"{tmp_path}/boot"),
        ("/proc/sys/net/ipv6/conf", f"{tmp_path}/conf"),
        ("/etc/resolv.conf", f"{tmp_path}/resolv.conf"),
    ):
        assert place in text
        text = text.replace(place, instead)
    (tmp_path / "script").write_text(text)
    environment = {
        "PATH": str(tmp_path / "bin"), "DEVICE": device, "LIVE_BOOT_CMDLINE": line,
        "FETCH": "http://[fd00:20::2]:5248/images/x/filesystem.squashfs",
    }  # fmt: skip
    done = subprocess.run(
        [busybox, "sh", "-c", f"set -e; . {tmp_path}/script; do_netsetup"],
        env=environment, timeout=20, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_machine_that_booted_by_ipv6_keeps_the_address_of_its_firmware(tmp_path: Path) -> None:
    assert run(tmp_path, f"{LINE} rackyard.address6=fd00:20::1:a/64")[:2] == [
        "ip link set ens1 up",
        "ip -6 address add fd00:20::1:a/64 dev ens1",
    ]
    assert (tmp_path / "conf/ens1/accept_dad").read_text() == "0\n", "an address that is not good yet is no source"
    assert (tmp_path / "resolv.conf").read_text() == "nameserver fd00:20::2\n"


@pytest.mark.parametrize(
    ("line", "device"),
    [
        (LINE, "ens1"),
        (f"{LINE} rackyard.address6=", "ens1"),
        (f"{LINE} rackyard.address6=$(reboot)/64", "ens1"),
        (f"{LINE} rackyard.address6=fd00:20::1:a/64", ""),
    ],
)
def test_any_other_goes_live_boots_way(tmp_path: Path, line: str, device: str) -> None:
    assert run(tmp_path, line, device) == ["by ipv4"]
    assert not (tmp_path / "resolv.conf").exists()


def port(tmp_path: Path, line: str) -> list[str]:
    """What systemd-networkd is told of the port that has booted, of a machine with this kernel line."""
    (tmp_path / "cmdline").write_text(f"{line}\n")
    (tmp_path / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    text = (LATE / "rackyard/boot-port").read_text()
    for place, instead in (
        ("/proc/cmdline", f"{tmp_path}/cmdline"),
        ("/etc/resolv.conf", f"{tmp_path}/resolv.conf"),
        ("/run/systemd/network", f"{tmp_path}/network"),
    ):
        assert place in text
        text = text.replace(place, instead)
    subprocess.run(["sh", "-c", text], timeout=20, check=True)
    return (tmp_path / "network/05-rackyard-boot.network").read_text().splitlines()


def test_system_that_booted_by_ipv6_asks_racks_for_the_time(tmp_path: Path) -> None:
    """Its own, then whoever has the name: of servers that DHCP for IPv6 names, Debian 12 tells timesyncd nothing."""
    url = "cloud-config-url=http://fd00-20----64.rackyard.internal:5248/MAAS/metadata/latest/by-id/x/?op=get_preseed"
    words = f"{LINE} {url} log_host=fd00:20::2 log_port=5247"
    found = port(tmp_path, f"{words} rackyard.address6=fd00:20::1:a/64")
    assert "NTP=fd00:20::2 fd00-20----64.rackyard.internal" in found[found.index("[Network]") : found.index("[DHCPv6]")]
    assert found[:2] == ["[Match]", "MACAddress=52:54:00:00:00:01"]
    assert not [each for each in port(tmp_path, words) if each.startswith("NTP=")]
