# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine on real files, with the daemons' own checkers, run as an unprivileged user."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from rackyard.daemons import DAEMONS, apply

REPOSITORY = Path(__file__).resolve().parents[3]
DATA = REPOSITORY / "tests/data"
PACKAGES = {
    "dhcpd": "isc-dhcp-server",
    "named-checkconf": "bind9-utils",
    "nginx": "nginx",
    "squid": "squid",
    "rsyslogd": "rsyslog",
    "chronyd": "chrony",
}


def document() -> dict[str, Any]:
    """A desired state as the region sends it: everything once, IPv6 where the daemons take it."""
    desired: dict[str, Any] = json.loads((DATA / "desired_rack.json").read_text())
    return desired


def empty() -> dict[str, Any]:
    """A rack that has nothing to do and knows no region."""
    return {name: {} for name in ("dhcp", "dhcp6", "ra", "dns", "http", "proxy", "syslog", "ntp", "tftp")}


@pytest.fixture(autouse=True, scope="module")
def _checkers() -> None:
    for name, package in PACKAGES.items():
        if shutil.which(name, path="/usr/sbin:/usr/bin") is None:
            pytest.fail(f"{name} is missing; install it with: apt-get install {package}")


class Units:
    """Supervisor of units that obey; ``broken`` ones do not stay up with what they were given last."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.stopped: set[str] = set()
        self.broken: set[str] = set()

    def act(self, verb: str, unit: str) -> str:
        self.calls.append((verb, unit))
        (self.stopped.add if verb == "stop" else self.stopped.discard)(unit)
        return ""

    def is_active(self, unit: str) -> bool:
        return unit not in self.stopped

    def stays_active(self, unit: str) -> bool:
        if unit in self.broken:
            # It comes up again with the file that is put back.
            self.broken.discard(unit)
            return False
        return self.is_active(unit)


@pytest.fixture
def units() -> Units:
    return Units()


def content(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("desired", [document(), empty()], ids=["full", "empty"])
def test_checkers_accept_what_is_rendered(tmp_path: Path, units: Units, desired: dict[str, Any]) -> None:
    outcomes = apply(desired, tmp_path, units)
    assert {name: outcome.message for name, outcome in outcomes.items() if not outcome.ok} == {}


def test_an_ordinary_user_can_run_every_checker(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("run the tests as root: this one changes to the user nobody")
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    path = tmp_path / "desired.json"
    path.write_text(json.dumps(document()))
    command = ["-m", "rackyard.rack.cli", "apply", "--desired", str(path), "--root", str(tmp_path / "root"), "--check"]
    # A copy, since this user cannot go where the repository may be: below /root, say.
    for package in (REPOSITORY / "src/rackyard", REPOSITORY / "plugins/module_utils/rackyard_core"):
        shutil.copytree(package, tmp_path / "code" / package.name)
    environment = {
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "PYTHONPATH": str(tmp_path / "code"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", sys.executable, *command],
        capture_output=True,
        text=True,
        env=environment,
        cwd="/",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout


def test_daemons_are_told_once_and_dhcpd_last(tmp_path: Path, units: Units) -> None:
    apply(document(), tmp_path, units)
    assert units.calls == [
        ("reload-or-restart", "named"),
        ("reload-or-restart", "chrony"),
        ("reload-or-restart", "nginx"),
        ("restart", "rsyslog"),
        ("reload-or-restart", "squid"),
        ("restart", "isc-dhcp-server6"),
        ("restart", "radvd"),
        ("restart", "isc-dhcp-server"),
    ]


def test_second_apply_changes_nothing(tmp_path: Path, units: Units) -> None:
    apply(document(), tmp_path, units)
    before, times = content(tmp_path), {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    units.calls.clear()
    outcomes = apply(document(), tmp_path, units)
    assert not any(outcome.changed for outcome in outcomes.values())
    assert units.calls == []
    assert content(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}.items() <= times.items()


def test_check_changes_nothing_and_tells_the_truth(tmp_path: Path, units: Units) -> None:
    outcomes = apply(document(), tmp_path, units, check_only=True)
    assert all(outcome.ok and outcome.changed for outcome in outcomes.values())
    assert "+upstream rackyard_regions {" in outcomes["http"].diff
    assert content(tmp_path) == {}
    assert units.calls == []


def test_dhcpd_is_stopped_when_there_is_nothing_to_serve_and_started_again(tmp_path: Path, units: Units) -> None:
    apply(document(), tmp_path, units)
    apply({"dhcp": {"networks": []}}, tmp_path, units)
    assert units.calls[-1] == ("stop", "isc-dhcp-server")
    assert (tmp_path / "dhcp/dhcpd.conf").read_bytes() == b""
    apply(document(), tmp_path, units)
    assert units.calls[-1] == ("restart", "isc-dhcp-server")


def test_file_that_the_checker_refuses_never_replaces_the_good_one(tmp_path: Path, units: Units) -> None:
    apply(document(), tmp_path, units)
    good = content(tmp_path)
    desired = document()
    # Each value is well formed, but an address can be in one pool only: that is for dhcpd to tell.
    pools = desired["dhcp"]["networks"][0]["subnets"][0]["pools"]
    pools.append({"start": "10.20.0.150", "end": "10.20.0.220"})
    units.calls.clear()
    outcome = apply(desired, tmp_path, units)["dhcp"]
    assert not outcome.ok
    assert not outcome.changed
    assert "isc-dhcp-server refuses the new configuration" in outcome.message
    assert f"{tmp_path}/dhcp/dhcpd.conf line " in outcome.message
    assert "lease 10.20.0.150 is declared twice!" in outcome.message
    assert "Internet Systems Consortium" not in outcome.message
    assert "The previous configuration keeps serving" in outcome.message
    assert content(tmp_path) == good
    assert units.calls == []


def test_refused_value_does_not_stop_the_other_daemons(tmp_path: Path, units: Units) -> None:
    desired = document()
    desired["http"]["tls_regions"][0]["address"] = "evil;"
    outcomes = apply(desired, tmp_path, units)
    assert [name for name, outcome in outcomes.items() if not outcome.ok] == ["http"]
    assert ("restart", "isc-dhcp-server") in units.calls


def test_file_that_the_daemon_does_not_survive_is_taken_back(tmp_path: Path, units: Units) -> None:
    apply(document(), tmp_path, units)
    good = content(tmp_path)
    desired = document()
    desired["http"]["tls_regions"] = [{"address": "10.10.0.12", "port": 5250}]
    units.broken.add("nginx")
    outcome = apply(desired, tmp_path, units)["http"]
    assert not outcome.ok
    assert "nginx does not run" in outcome.message
    assert "the previous configuration was put back and serves" in outcome.message
    assert content(tmp_path) == good


def test_apply_that_was_cut_off_after_the_swap_is_finished(tmp_path: Path, units: Units) -> None:
    apply(document(), tmp_path, units)
    target = tmp_path / "http/regions.conf"
    (tmp_path / "http/regions.conf.previous").write_bytes(b"# older\n")
    units.calls.clear()
    apply(document(), tmp_path, units)
    assert units.calls == [("reload-or-restart", "nginx")]
    assert target.exists()
    assert not (tmp_path / "http/regions.conf.previous").exists()


def test_daemon_that_died_is_started_although_its_file_is_right(tmp_path: Path, units: Units) -> None:
    apply(document(), tmp_path, units)
    units.calls.clear()
    units.stopped.add("squid")
    outcome = apply(document(), tmp_path, units)["proxy"]
    assert units.calls == [("start", "squid")]
    assert outcome.ok
    assert outcome.changed


def test_absent_section_is_left_alone(tmp_path: Path, units: Units) -> None:
    assert set(apply({"ntp": document()["ntp"]}, tmp_path, units)) == {"ntp"}
    assert set(content(tmp_path)) == {"ntp/chrony.conf"}


def test_every_daemon_has_a_checker_for_a_broken_file(tmp_path: Path) -> None:
    for daemon in DAEMONS:
        workdir = tmp_path / daemon.name
        workdir.mkdir()
        candidate = workdir / "candidate"
        candidate.write_text("this { is no configuration\n")
        done = subprocess.run(daemon.check(candidate, workdir), capture_output=True, cwd=workdir, check=False)
        assert done.returncode != 0, daemon.name


def loader(data: bytes, **changes: Any) -> dict[str, Any]:
    entry = {
        "name": "bootx64.efi",
        "path": "/MAAS/images/abc/bootx64.efi",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
    }
    return {"tftp": {"loaders": [{**entry, **changes}]}}


def test_loader_is_fetched_once_and_checked(tmp_path: Path, units: Units) -> None:
    fetched: list[str] = []

    def fetch(path: str, size_bytes: int) -> bytes:
        fetched.append(path)
        return b"loader"

    assert apply(loader(b"loader"), tmp_path, units, fetch=fetch)["tftp"].changed
    assert not apply(loader(b"loader"), tmp_path, units, fetch=fetch)["tftp"].changed
    assert fetched == ["/MAAS/images/abc/bootx64.efi"]
    assert (tmp_path / "tftp/bootx64.efi").read_bytes() == b"loader"
    assert (tmp_path / "tftp/bootx64.efi").stat().st_mode & 0o777 == 0o644


def test_loader_that_is_not_what_was_announced_never_replaces_the_good_one(tmp_path: Path, units: Units) -> None:
    apply(loader(b"loader"), tmp_path, units, fetch=lambda path, size: b"loader")
    outcome = apply(loader(b"newer!"), tmp_path, units, fetch=lambda path, size: b"forged")["tftp"]
    assert not outcome.ok
    assert "is not what the region announced" in outcome.message
    assert (tmp_path / "tftp/bootx64.efi").read_bytes() == b"loader"


@pytest.mark.parametrize(
    "changes",
    [{"name": "../../etc/passwd"}, {"name": "a/b"}, {"name": ".hidden"}, {"path": "/a/../b"}, {"path": "//evil/x"},
     {"path": "http://evil/x"}, {"sha256": "xyz"}, {"size_bytes": 2**40}, {"size_bytes": True}],
)  # fmt: skip
def test_hostile_loader_is_refused_before_it_is_fetched(tmp_path: Path, units: Units, changes: dict[str, Any]) -> None:
    def fetch(path: str, size_bytes: int) -> bytes:
        pytest.fail("fetched")

    assert not apply(loader(b"x", **changes), tmp_path, units, fetch=fetch)["tftp"].ok
    assert content(tmp_path) == {}
