# SPDX-License-Identifier: GPL-3.0-or-later
"""What a release is made of and has to pass: `./run release` and `./run sanity`. Long, so no part of `./run test`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from noxfile import (  # noqa: E402 - it is found by the line above
    CACHE,
    LOCK,
    Part,
    ansible_test_home,
    environment_of,
    sanity_tests_that_cannot_run,
    unpacked_artefact,
)

HERE, DIST = ROOT / "release", ROOT / "dist"


@dataclass(frozen=True)
class Core:
    """A release of ansible-core: the Pythons it runs on, best first, what is pinned, the pip of its ansible-test."""

    pythons: tuple[str, ...]
    lock: Path
    pip: str


# Those that are supported today; the first is that of requirements.txt, in the environment of all tools.
CORES = {
    "2.19": Core((f"{sys.version_info.major}.{sys.version_info.minor}",), LOCK, "24_2"),
    "2.20": Core(("3.13", "3.12", "3.14"), HERE / "ansible-core-2.20.txt", "25_2"),
    "2.21": Core(("3.13", "3.12", "3.14"), HERE / "ansible-core-2.21.txt", "25_2"),
}


@nox.session
def release(session: nox.Session) -> None:
    """The collection's file of HEAD, its bills of materials and their sums, in dist: `./run release`."""
    session.chdir(ROOT)
    with Part(session) as part:
        if session.run("git", "status", "--porcelain", silent=True, external=True):
            session.warn("what is not committed is not in it")
        session.run("python", "release/versions.py", *session.posargs)
        shutil.rmtree(DIST, ignore_errors=True)
        session.run("python", "release/tarball.py", "HEAD", str(DIST))
        (tarball,) = DIST.glob("*.tar.gz")
        bills_of_materials(session)
        sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(DIST.iterdir())]
        (DIST / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
        imported(session, part, tarball)
        session.log(f"{DIST}: {', '.join(sorted(file.name for file in DIST.iterdir()))}")


def bills_of_materials(session: nox.Session) -> None:
    """What the controller's environment has, which `./run` has made, and what hosts need of Debian."""
    environment = CACHE / f"venv-{hashlib.sha256((ROOT / 'requirements.txt').read_bytes()).hexdigest()[:12]}"
    if not (environment / ".complete").exists():
        session.error("the controller's environment is not there; start this with ./run release")
    python = environment_of(session, "materials", HERE / "materials.txt") / "bin" / "python"
    moment = str(session.run("git", "log", "-1", "--format=%ct", silent=True, external=True)).strip()
    session.run(str(python), "release/materials.py", str(environment), str(DIST), moment)


def imported(session: nox.Session, part: Part, tarball: Path) -> None:
    """Galaxy's own judgement of the file. What it warns of is shown."""
    binaries = environment_of(session, "importer", HERE / "importer.txt") / "bin"
    with tempfile.TemporaryDirectory() as place:
        alone = {
            "HOME": place,
            "PATH": f"{binaries}:/usr/bin:/bin",
            "ANSIBLE_CONFIG": None,
            "GALAXY_IMPORTER_CONFIG": str(HERE / "importer.cfg"),
        }
        with session.chdir(place):
            command = (str(binaries / "python"), str(HERE / "importer.py"), str(tarball))
            part.check(*command, name="galaxy-importer", env=alone)


@nox.session
def cores(session: nox.Session) -> None:
    """ansible-test sanity and the plugins' tests on each ansible-core, or on one: `./run sanity --core 2.21`."""
    session.chdir(ROOT)
    one = session.posargs[1] if session.posargs[:1] == ["--core"] and len(session.posargs) == 2 else ""
    if session.posargs and one not in CORES:
        session.error(f"sanity takes nothing, or --core and one of {', '.join(CORES)}")
    left_out = []
    with Part(session) as part:
        for name in [one] if one else CORES:
            if python := interpreter(CORES[name].pythons):
                on_core(session, part, name, python)
                continue
            left_out.append(f"ansible-core {name} was not tried: it runs on Python {' or '.join(CORES[name].pythons)}")
        if one and left_out:
            session.error(left_out[0])
        for words in left_out:
            session.warn(words)


def interpreter(versions: tuple[str, ...]) -> str | None:
    """The first of some Pythons that is on this host, by its name or of pyenv."""
    for version in versions:
        if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
            return sys.executable
        found = shutil.which(f"python{version}")
        others = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"))
        for candidate in (*filter(None, [found]), *map(str, others)):
            # pyenv has a program of that name also where it was not told to use that Python: it fails.
            if (
                subprocess.run([candidate, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode
                == 0
            ):
                return candidate
    return None


def on_core(session: nox.Session, part: Part, name: str, python: str) -> None:
    """Sanity of the built collection, then the tests of its plugins, in an environment of one ansible-core."""
    core, ours = CORES[name], CORES[name].lock == LOCK
    environment = environment_of(session, *(("tools", LOCK) if ours else (f"core-{name}", core.lock, python)))
    path = os.pathsep.join((str(environment / "bin"), os.environ["PATH"]))
    home = ansible_test_home(CACHE / f"ansible-test-{name}", core.pip, path)
    version = str(session.run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])", silent=True)).strip()
    skipped = [word for each in sanity_tests_that_cannot_run() for word in ("--skip-test", each)]
    with session.chdir(unpacked_artefact(session, CACHE / f"sanity-{name}")):
        # ansible-test takes the list of files to look at from git.
        session.run("git", "init", "--quiet", external=True)
        session.run("git", "add", "--all", external=True)
        # By its path: nox looks for programs where it was started.
        command = (str(environment / "bin" / "ansible-test"), "sanity", "--python", version, "--color", "yes", *skipped)
        part.check(*command, name=f"sanity {name}", env={"HOME": str(home), "PATH": path, "ANSIBLE_CONFIG": None})
    tests = (str(environment / "bin" / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/plugins")
    part.check(*tests, name=f"plugins {name}", env={"PATH": path})
