# SPDX-License-Identifier: GPL-3.0-or-later
"""What `./run fresh` says to a slip, and where another release's packages come from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "roles" / "lab_hosts" / "files" / "lab-package-sources"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "fresh demo, or fresh test"),
        (["lint"], "fresh demo, or fresh test"),
        (["demo", "--suite", "sid"], "bookworm (Debian 12) and trixie (Debian 13)"),
        (["demo", "--suite"], "--suite needs a Debian release"),
        (["test", "--verbose"], '"--verbose"'),
        (["demo", "--topology"], "--topology needs a topology of the lab"),
        (["demo", "--topology=pair"], "single, ha and ipv6"),
        (["test", "--topology", "ha"], "--topology is for fresh demo"),
    ],
)
def test_a_slip_is_answered_before_anything_is_made(arguments: list[str], said: str, tmp_path: Path) -> None:
    command = [str(ROOT / "tests" / "fresh" / "fresh"), *arguments]
    environment = {**os.environ, "RACKYARD_CACHE": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


class Apt:
    """An APT of its own: sources, settings, and the Release files that an update would have brought."""

    def __init__(self, home: Path) -> None:
        self.home = home
        for folder in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "etc/apt/sources.list.d", "lists/partial"):
            (home / folder).mkdir(parents=True)
        (home / "etc/apt.conf").write_text(
            'APT::Architecture "amd64"; APT::Architectures { "amd64"; };\n'
            f'Dir::Etc "{home}/etc/apt"; Dir::State::lists "{home}/lists"; Dir::Cache "{home}/cache";\n'
            f'Dir::Etc::parts "{home}/etc/apt/apt.conf.d"; Acquire::http::Proxy "http://proxy.example:3128";\n'
        )

    def knows(self, line: str, origin: str) -> None:
        """One entry, fetched before."""
        _, uri, suite, _ = line.split()
        with (self.home / "etc/apt/sources.list").open("a") as file:
            file.write(f"{line}\n")
        name = f"{uri.removeprefix('http://').replace('/', '_')}_dists_{suite}"
        (self.home / "lists" / f"{name}_InRelease").write_text(f"Origin: {origin}\nCodename: {suite}\nSuite: {suite}\n")
        (self.home / "lists" / f"{name}_main_binary-amd64_Packages").touch()

    def sources_for(self, suite: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "APT_CONFIG": str(self.home / "etc/apt.conf")}
        command = [str(SOURCES), str(self.home), suite]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def apt(tmp_path: Path) -> Apt:
    return Apt(tmp_path)


def own_release() -> str:
    lines = Path("/etc/os-release").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)["VERSION_CODENAME"]


def test_another_release_comes_from_the_same_mirrors_without_backports_and_strangers(apt: Apt) -> None:
    own = own_release()
    apt.knows(f"deb http://mirror.example/debian {own} main", "Debian")
    apt.knows(f"deb http://mirror.example/security {own}-security main", "Debian")
    apt.knows(f"deb http://mirror.example/debian {own}-backports main", "Debian Backports")
    apt.knows(f"deb http://stranger.example/tools {own} main", "Stranger")
    done = apt.sources_for("forky")
    assert done.returncode == 0, done.stderr
    signed = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    assert (apt.home / "sources.list").read_text().splitlines() == [
        f"{signed} http://mirror.example/debian/ forky main",
        f"{signed} http://mirror.example/security/ forky-security main",
    ]
    assert (apt.home / "apt.conf").read_text() == 'Acquire::http::Proxy "http://proxy.example:3128";\n'


def test_it_is_said_when_this_host_has_no_debian_source(apt: Apt) -> None:
    apt.knows(f"deb http://stranger.example/tools {own_release()} main", "Stranger")
    done = apt.sources_for("trixie")
    assert done.returncode == 1
    assert "apt-get update" in done.stderr
