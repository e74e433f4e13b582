# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host says of itself, read from /proc, /sys and os-release of a made-up root."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rackyard.daemons import own_host

MEMINFO = "MemTotal:       16323456 kB\nMemFree:         1000000 kB\nSwapTotal:       1048572 kB\n"
CPUINFO = (
    "processor\t: 0\nmodel name\t: AMD EPYC 7543\ncpu MHz\t\t: 2794.750\n\nprocessor\t: 1\ncpu MHz\t\t: 1500.000\n"
)
UUID = "4c4c4544-0042-3510-8052-b4c04f4b3332"
DMI = {
    "sys_vendor": "Dell Inc.\n", "product_name": "PowerEdge R650\n", "product_serial": "5B2RK32\n",
    "product_uuid": f"{UUID.upper()}\n", "board_vendor": "Dell\x07 Inc.\n", "chassis_type": "23\n",
    "bios_version": "\n",
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Callable[..., Path]:
    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return write


def test_host_tells_what_the_kernel_shows(root: Callable[..., Path]) -> None:
    release = 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nVERSION_CODENAME=trixie\nID="debian"\n'
    dmi = {f"sys__class__dmi__id__{name}": text for name, text in DMI.items()}
    found = own_host.facts(root(proc__meminfo=MEMINFO, proc__cpuinfo=CPUINFO, **{"etc__os-release": release}, **dmi))
    assert (found["memory_mib"], found["swap_bytes"], found["cpu_speed_mhz"]) == (15940, 1048572 * 1024, 2794)
    assert (found["osystem"], found["distro_series"]) == ("debian", "trixie")
    assert found["cpu_count"] >= 1
    assert found["hardware"] == {
        "system_vendor": "Dell Inc.", "system_product": "PowerEdge R650", "system_serial": "5B2RK32",
        "hardware_uuid": UUID, "mainboard_vendor": "Dell Inc.", "chassis_type": "23", "cpu_model": "AMD EPYC 7543",
    }  # fmt: skip
    faster = root(sys__devices__system__cpu__cpu0__cpufreq__cpuinfo_max_freq="3675000\n")
    assert own_host.facts(faster)["cpu_speed_mhz"] == 3675, "what it can do, not what it does"


def test_what_is_not_shown_is_not_made_up(root: Callable[..., Path]) -> None:
    """A container without SMBIOS, a release without a code name, firmware with a UUID that is none."""
    bare = root(**{"etc__os-release": "ID=Arch Linux\n"}, sys__class__dmi__id__product_uuid="Not Settable\n")
    found = own_host.facts(bare)
    assert (found["memory_mib"], found["cpu_speed_mhz"], found["osystem"], found["distro_series"]) == (0, 0, "", "")
    assert found["hardware"] == {}
    assert "swap_bytes" not in found


def link(name: str, number: int, **more: Any) -> dict[str, Any]:
    known = {"ifname": name, "flags": ["UP", "LOWER_UP"], "mtu": 1500, "address": f"52:54:00:00:00:{number:02x}"}
    return {**known, "addr_info": [], **more}


def test_interfaces_say_what_they_are_and_what_they_are_made_of() -> None:
    address = {"local": "10.20.0.2", "prefixlen": 24, "scope": "global"}
    links = [
        link("eth0", 1, master="bond0", flags=["UP"]),
        link("bond0", 1, linkinfo={"info_kind": "bond"}, mtu=9000),
        link("bond0.20", 1, link="bond0", linkinfo={"info_kind": "vlan"}, addr_info=[address]),
        link("br0", 2, linkinfo={"info_kind": "bridge"}),
        link("veth1", 3, master="br0", linkinfo={"info_kind": "veth"}),
        link("host0", 4, linkinfo={"info_kind": "veth"}, addr_info=[address]),
    ]
    speeds = {"eth0": 25_000, "bond0": -1}
    found = {each["name"]: each for each in own_host.parse_interfaces(links, lambda name: speeds.get(name, 0))}
    assert {name: (each["type"], each["parents"]) for name, each in found.items()} == {
        "eth0": ("physical", []),
        "bond0": ("bond", ["eth0"]),
        "bond0.20": ("vlan", ["bond0"]),
        "br0": ("bridge", []),
        "host0": ("physical", []),
    }, "a container's end that comes and goes is left out, also as a port"
    eth0, bond0 = found["eth0"], found["bond0"]
    assert (eth0["enabled"], eth0["link_connected"], eth0["link_speed_mbps"], eth0["mtu"]) == (
        True,
        False,
        25_000,
        1500,
    )
    assert (bond0["link_connected"], bond0["link_speed_mbps"], bond0["mtu"]) == (True, 0, 9000)


def test_agent_user_reads_what_tmpfiles_lets_it() -> None:
    """The kernel keeps serial numbers for root; each of the files that the rule opens is one that is read."""
    roles = Path(own_host.__file__).parents[3] / "roles"
    text = (roles / "service_runtime/templates/etc/tmpfiles.d/rackyard.conf.j2").read_text(encoding="utf-8")
    opened = {line.split()[1].rpartition("/")[2]: line.split()[2:5] for line in text.splitlines() if line[:1] == "z"}
    assert opened.keys() == {"product_uuid", "product_serial", "board_serial", "chassis_serial"}
    for mode, user, group in opened.values():
        assert (int(mode, 8) & (stat.S_IWGRP | stat.S_IRWXO), user, group) == (0, "root", "rackyard")
