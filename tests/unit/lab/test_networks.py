# SPDX-License-Identifier: GPL-3.0-or-later
"""lab-network with real bridges, in namespaces of its own: who may take the networks down, and what comes back then."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "roles" / "lab_network" / "files" / "lab-network"
INOTIFY = "/proc/sys/fs/inotify/max_user_instances"
# Files of this machine are hidden; its one kernel setting that no namespace holds is replaced by a file.
PLACE = f"""
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t sysfs sysfs /sys
echo 128 >/run/inotify
mount --bind /run/inotify {INOTIFY}
exec sleep 300
"""


class Place:
    """Where lab-network runs; `down` knows a network that `describe` has described."""

    def __init__(self) -> None:
        command = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "sh", "-euc", PLACE]
        self.process = subprocess.Popen(command)
        while "sleep" not in Path(f"/proc/{self.process.pid}/comm").read_text():
            assert self.process.poll() is None

    def run(self, script: str) -> str:
        """Run a shell script there; what it said."""
        command = ["nsenter", "--net", "--mount", "--target", str(self.process.pid), "sh", "-euc", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def lab_network(self, *words: str) -> str:
        return self.run(f"{PROGRAM} {' '.join(words)}")

    def describe(self) -> None:
        self.run(
            "mkdir -p /var/lib/rackyard-lab/network; cd /var/lib/rackyard-lab/network;"
            "echo 'ry-one - -' >bridges; echo 'table inet ry_lab { }' >rules.nft"
        )

    @property
    def there(self) -> bool:
        """Whether the network is up."""
        return "ry-one" in self.run("ls /sys/class/net")


@pytest.fixture
def place() -> Iterator[Place]:
    place = Place()
    place.describe()
    yield place
    place.process.kill()
    place.process.wait()


def test_networks_go_with_the_last_of_those_who_use_them(place: Place) -> None:
    place.lab_network("up", "lab")
    place.lab_network("up", "molecule-dns")
    assert "used by molecule-dns" in place.lab_network("down", "lab")
    assert place.there
    assert "changed: bridge ry-one removed" in place.lab_network("down", "molecule-dns")
    assert not place.there


def test_networks_stay_for_one_who_is_yet_to_describe_them(place: Place) -> None:
    place.lab_network("up", "molecule-dns")
    place.lab_network("claim", "molecule-dhcp")
    place.lab_network("down", "molecule-dns")
    place.lab_network("up", "molecule-dhcp")
    assert place.there


def test_networks_stay_while_something_is_plugged_in_unless_all_is_to_go(place: Place) -> None:
    place.lab_network("up", "lab")
    place.run("ip link add port type veth peer name inside; ip link set port master ry-one")
    assert "used by port" in place.lab_network("down", "lab")
    assert place.there
    place.lab_network("down", "--all")
    assert not place.there


def test_one_waits_for_another(place: Place) -> None:
    place.lab_network("up", "lab")
    said = place.run(f"flock /run sh -c 'sleep 1; echo first' & sleep 0.3; {PROGRAM} down lab; wait")
    assert said.startswith("first\nchanged: ")


@pytest.mark.parametrize(("before", "meanwhile"), [("128", "1024"), ("4096", "4096")])
def test_inotify_instances_are_raised_and_restored(place: Place, before: str, meanwhile: str) -> None:
    place.run(f"echo {before} >{INOTIFY}")
    place.lab_network("up", "lab")
    place.lab_network("up", "molecule-dns")
    assert place.run(f"cat {INOTIFY}").strip() == meanwhile
    assert "changed" not in place.lab_network("up", "lab")
    place.lab_network("down", "--all")
    assert place.run(f"cat {INOTIFY}").strip() == before
