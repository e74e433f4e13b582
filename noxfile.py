# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the project, one session each; `./run test` and `./run lint` call them in order.

All sessions share one virtual environment in the cache directory, named after the contents of requirements-dev.txt:
made once, made anew when that file changes, so that a warm session starts at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("RACKYARD_CACHE") or Path.home() / ".cache" / "rackyard").resolve()
LOCK = ROOT / "requirements-dev.txt"
# Real daemons and their checkers, which tests start on free ports or ask to judge files.
TEST_PACKAGES = (
    "bind9", "bind9-utils", "chrony", "isc-dhcp-server", "nginx", "openipmi", "postgresql", "rsyslog", "squid",
)  # fmt: skip
# With which the lab's tests make disks that have something on them.
DISK_TOOLS = ("dosfstools", "e2fsprogs", "fdisk", "mtools", "qemu-utils")
POLICY = Path("/usr/sbin/policy-rc.d")
PYTHON_SOURCES = ("src", "plugins", "tests", "noxfile.py")
IMPORT_PATH = os.pathsep.join((str(ROOT / "src"), str(ROOT / "plugins" / "module_utils")))

nox.options.sessions = ["lint", "unit", "service"]
nox.options.default_venv_backend = "none"


def tools(session: nox.Session) -> None:
    """Put the pinned tools first on PATH, installing them when the lock has changed."""
    lock = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:12]
    environment = CACHE / f"tools-{lock}"
    complete = environment / ".complete"
    if not complete.exists():
        session.log(f"making the tools environment {environment} (about 1 min)")
        shutil.rmtree(environment, ignore_errors=True)
        session.run(sys.executable, "-m", "venv", str(environment))
        session.run(str(environment / "bin" / "pip"), "install", "--quiet", "--requirement", str(LOCK))
        complete.touch()
    binaries = str(environment / "bin")
    if binaries not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((binaries, os.environ["PATH"]))
    os.environ["ANSIBLE_CONFIG"] = str(ROOT / "ansible.cfg")


def debian(session: nox.Session, packages: tuple[str, ...]) -> None:
    """Install Debian packages that are missing, without starting the daemons in them."""
    query = ("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\n", *packages)
    known = str(session.run(*query, silent=True, success_codes=[0, 1])).splitlines()
    missing = [name for name in packages if f"{name} installed" not in known]
    if not missing:
        return
    if os.geteuid() != 0:
        session.error(f"missing Debian packages; install them with: sudo apt-get install {' '.join(missing)}")
    ours = not POLICY.exists()
    if ours:
        POLICY.write_text("#!/bin/sh\nexit 101\n", encoding="utf-8")
        POLICY.chmod(0o755)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    try:
        session.run("apt-get", "-qq", "update")
        session.run("apt-get", "-qq", "install", "--no-install-recommends", *missing, env=quiet)
    finally:
        if ours:
            POLICY.unlink()


def tracked(session: nox.Session, *patterns: str) -> list[str]:
    """Files that git knows or would add and that still exist, matching the patterns."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    listed = session.run(*command, silent=True)
    names = str(listed).splitlines()
    return [name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink()]


def shell_scripts(session: nox.Session) -> list[str]:
    """Tracked files that start with a shell's shebang, whatever their name."""
    scripts = []
    for name in tracked(session):
        if name.endswith(".j2"):
            continue  # not shell before it is rendered
        with (ROOT / name).open("rb") as file:
            first = file.readline(80)
        if first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh", b" sh")):
            scripts.append(name)
    return scripts


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types: ruff, mypy, import contracts, YAML, Ansible, changelog, spelling, shell; then sanity."""
    tools(session)
    session.notify("sanity")
    session.run("ruff", "check", *PYTHON_SOURCES)
    session.run("ruff", "format", "--check", *PYTHON_SOURCES)
    session.run("mypy")
    session.run("lint-imports", env={"PYTHONPATH": IMPORT_PATH})
    session.run("yamllint", "--strict", ".")
    session.run("codespell")
    session.run("shellcheck", "--external-sources", *shell_scripts(session))
    session.run("antsibull-changelog", "lint")
    session.run("ansible-lint", "--profile", "production")


@nox.session
def unit(session: nox.Session) -> None:
    """Tests that need no service, only Python and the checkers of our daemons."""
    tools(session)
    debian(session, TEST_PACKAGES)
    session.run("pytest", "tests/unit", *session.posargs)


@nox.session
def service(session: nox.Session) -> None:
    """Tests of the service and the modules against a real temporary PostgreSQL."""
    tools(session)
    debian(session, TEST_PACKAGES)
    session.run("pytest", "tests/service", *session.posargs)


@nox.session
def sanity(session: nox.Session) -> None:
    """ansible-test sanity on the artefact a user would install, not on the working tree."""
    tools(session)
    work = CACHE / "sanity"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    session.run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(work))
    (artefact,) = work.glob("rackyard-metal-*.tar.gz")
    collections = work / "ansible_collections" / "rackyard" / "metal"
    collections.mkdir(parents=True)
    session.run("tar", "-xzf", str(artefact), "-C", str(collections))
    session.chdir(collections)
    # ansible-test takes the list of files to look at from git.
    session.run("git", "init", "--quiet")
    session.run("git", "add", "--all")
    skipped = [word for name in sanity_tests_that_cannot_run() for word in ("--skip-test", name)]
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    home = {"HOME": str(ansible_test_home())}
    session.run("ansible-test", "sanity", "--python", python, "--color", "yes", *skipped, *session.posargs, env=home)


def ansible_test_home() -> Path:
    """A home directory for ansible-test's many environments, where it finds pip without a download of its own."""
    home = CACHE / "ansible-test"
    bootstrap = home / ".ansible" / "test" / "cache" / "get_pip_24_2.py"
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    # ansible-test runs this file with the new environment's Python and the requirements to install as arguments.
    bootstrap.write_text(
        "import subprocess, sys\n"
        "wanted = [word for word in sys.argv[1:] if word not in ('--no-setuptools', '--no-wheel')]\n"
        f"pip = [{shutil.which('pip')!r}, '--python', sys.executable, 'install', '--quiet', *wanted]\n"
        "sys.exit(subprocess.run(pip).returncode)\n",
        encoding="utf-8",
    )
    pip_settings = Path.home() / ".config" / "pip"
    link = home / ".config" / "pip"
    if pip_settings.is_dir() and not link.exists():
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(pip_settings)
    return home


def sanity_tests_that_cannot_run() -> list[str]:
    """Sanity tests whose program is not on this host."""
    programs = {"pslint": "pwsh"}
    return [test for test, program in programs.items() if shutil.which(program) is None]


@nox.session
def molecule(session: nox.Session) -> None:
    """Role and topology scenarios on lab hosts: `nox -s molecule -- dhcp` for one of them, all without a name."""
    tools(session)
    names = list(session.posargs) or sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    for name in names:
        session.run("molecule", "test", "--scenario-name", name)


@nox.session
def lab(session: nox.Session) -> None:
    """The whole product on fresh lab hosts and blank machines."""
    tools(session)
    debian(session, DISK_TOOLS)
    session.run("pytest", "tests/lab", *session.posargs)


@nox.session
def test(session: nox.Session) -> None:
    """Everything a change has to pass, the quick checks first."""
    for name in ("lint", "sanity", "unit", "service", "lab"):
        session.notify(name)
    session.notify("molecule", posargs=["site"])
