# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the project, one session each; `./run test` and `./run lint` call them in order.

All sessions share one virtual environment in the cache directory, named after the contents of requirements-dev.txt:
made once, made anew when that file changes, so that a warm session starts at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import nox
import yaml
from nox.command import CommandFailed

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests"))
import scenarios  # noqa: E402 - beside the tests

CACHE = Path(os.environ.get("RACKYARD_CACHE") or Path.home() / ".cache" / "rackyard").resolve()
LOCK = ROOT / "requirements-dev.txt"
# Real daemons and their checkers, which tests start on free ports or ask to judge files; tools of their networks; the
# shell of the ephemeral system's initramfs.
TEST_PACKAGES = (
    "bind9", "bind9-utils", "busybox", "chrony", "haproxy", "iproute2", "gnupg", "isc-dhcp-relay", "isc-dhcp-server",
    "keepalived", "nftables", "nginx", "openipmi", "openssh-client", "openssl", "postgresql", "procps",
    "python3-sdnotify", "radvd", "rsyslog", "rsyslog-relp", "squid", "systemd",
)  # fmt: skip
# What the lab's tests look with, and make disks with that have something on them; the lab's roles install what the lab
# is made of.
LAB_PACKAGES = (
    "dosfstools", "e2fsprogs", "fdisk", "iproute2", "mtools", "nftables", "openssh-client", "procps", "qemu-utils",
    "tcpdump",
)  # fmt: skip
# Juju's library for MAAS, and what makes a program of it.
GO_PACKAGES = ("golang-github-juju-gomaasapi-dev", "golang-go")
POLICY = Path("/usr/sbin/policy-rc.d")
PYTHON_SOURCES = ("src", "plugins", "extensions", "docs/site", "release", "tests", "noxfile.py")
PROCESSORS = len(os.sched_getaffinity(0))
IMPORT_PATH = os.pathsep.join((str(ROOT / "src"), str(ROOT / "plugins" / "module_utils")))

# Benchmarks that want a database, by the name that `./run bench` has for them: below tests/load.
BENCHES = {
    "retention": "retention.py", "api": "lists.py", "racks": "racks.py", "inventory": "inventory.py",
    "machines": "declare.py",
}  # fmt: skip

# The parts of `./run test`, the quick ones first.
PARTS = ("unit", "service", "lint", "sanity", "docs", "molecule", "lab")
# Where `./run test` wants to find what each part did: PART.json, and below PART/ reports in JUnit's format.
REPORT = Path(os.environ["RACKYARD_REPORT"]) if "RACKYARD_REPORT" in os.environ else None

nox.options.sessions = ["unit", "service", "lint"]
nox.options.default_venv_backend = "none"


class Part:
    """One part of a run: goes through all its checks, notes time and failures for the summary of `./run test`."""

    def __init__(self, session: nox.Session) -> None:
        self._session = session
        self._began = time.monotonic()
        self._passed = 0
        self._took: dict[str, float] = {}
        self._reasons: list[str] = []

    def __enter__(self) -> Part:
        """Prepare the tools that every part has in common."""
        try:
            tools(self._session)
        except Exception as error:
            self._note(error)
            raise
        return self

    def check(
        self,
        *command: str,
        name: str = "",
        counts: bool = True,
        explain: Callable[[], str] = str,
        **options: Any,
    ) -> bool:
        """Run one command, whether it passed; a failure fails the part, but not before its other checks have run.

        What does not count is no check, but what one needs. `explain` has more words for a failure."""
        name = name or Path(command[0]).name
        began = time.monotonic()
        try:
            self._session.run(*command, **options)
            self._passed += counts
        except CommandFailed as error:
            words = str(error) if error.return_code is None else f"exit {error.return_code}"
            self._reasons.append(": ".join(filter(None, (name, words, explain()))))
            return False
        finally:
            self._took[name] = round(time.monotonic() - began, 1)
        return True

    def pytest(self, *arguments: str, name: str = "pytest") -> None:
        """Run tests; the report names those that failed."""
        report = (f"--junit-xml={REPORT / self._session.name / f'{name}.xml'}",) if REPORT else ()
        self.check("pytest", *report, *arguments, name=name)

    def pytest_side_by_side(self, folder: str, processes: int, dist: str) -> None:
        """Run a folder's tests in several processes, but for those that measure and want little beside them."""
        self.pytest(folder, "-m", "not alone and not rulebooks", "-n", str(processes), "--dist", dist)

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Write the note; fail the session if a check has failed."""
        self._note(error)
        if self._reasons and error is None:
            self._session.error("; ".join(self._reasons))

    def _note(self, error: BaseException | None) -> None:
        if error is not None:
            self._reasons.append(str(error) or type(error).__name__)
        if REPORT:
            seconds = round(time.monotonic() - self._began, 1)
            note = {"seconds": seconds, "passed": self._passed, "took": self._took, "reasons": self._reasons}
            (REPORT / f"{self._session.name}.json").write_text(json.dumps(note), encoding="utf-8")


def environment_of(session: nox.Session, name: str, lock: Path, python: str = "") -> Path:
    """A virtual environment with what a file pins, made anew when the file has changed; of that Python, or of ours."""
    digest = hashlib.sha256(lock.read_bytes() + (python or sys.version).encode()).hexdigest()[:12]
    environment = CACHE / f"{name}-{digest}"
    complete = environment / ".complete"
    if not complete.exists():
        session.log(f"making the {name} environment {environment} (about 1 min)")
        shutil.rmtree(environment, ignore_errors=True)
        session.run(python or sys.executable, "-m", "venv", str(environment))
        session.run(str(environment / "bin" / "pip"), "install", "--quiet", "--requirement", str(lock))
        complete.touch()
    return environment


def clients(session: nox.Session) -> str:
    """The Python that has MAAS's clients. They are AGPL: programs beside ours, in no environment of ours."""
    return str(environment_of(session, "clients", ROOT / "tests/service/clients/requirements.txt") / "bin" / "python")


def go_client(session: nox.Session) -> Path:
    """The program that uses gomaasapi, made with Debian's packages of Go and of that library."""
    debian(session, GO_PACKAGES)
    source = ROOT / "tests/service/clients/gomaasapi_program.go"
    compiler = str(session.run("go", "version", silent=True, external=True))
    program = CACHE / f"gomaasapi-{hashlib.sha256(source.read_bytes() + compiler.encode()).hexdigest()[:12]}"
    if not program.exists():
        session.log(f"making {program} (about 1 min)")
        # Debian's Go libraries are sources in a GOPATH, not modules.
        go = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(CACHE / "go"), "CGO_ENABLED": "0"}
        session.run("go", "build", "-o", str(program), str(source), env=go, external=True)
    return program


def tools(session: nox.Session) -> None:
    """Put the pinned tools first on PATH, installing them when the lock has changed."""
    environment = environment_of(session, "tools", LOCK)
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
def unit(session: nox.Session) -> None:
    """Tests that need no service, only Python and the checkers of our daemons."""
    with Part(session) as part:
        debian(session, TEST_PACKAGES)
        if session.posargs:
            part.pytest("tests/unit", *session.posargs)
        else:  # what takes long to make, a file's tests share
            part.pytest_side_by_side("tests/unit", PROCESSORS, "loadfile")


@nox.session
def service(session: nox.Session) -> None:
    """Tests of the service and the modules against a real temporary PostgreSQL."""
    with Part(session) as part:
        debian(session, TEST_PACKAGES + host_python_packages())
        os.environ["RACKYARD_CLIENTS_PYTHON"] = clients(session)
        os.environ["RACKYARD_GO_CLIENT"] = str(go_client(session))
        if session.posargs:
            part.pytest("tests/service", *session.posargs)
        else:  # they wait as much as they work
            part.pytest_side_by_side("tests/service", PROCESSORS + 1, "worksteal")
            part.pytest("tests/service", "-m", "alone", "-n", "2", "--dist", "loadgroup", name="alone")


@nox.session
def runner(session: nox.Session) -> None:
    """The collection as AWX has it run: installed, by ansible-runner, as an unprivileged user: `./run runner`."""
    folder = ROOT / "tests/service/modules/runner"
    with Part(session) as part:
        debian(session, TEST_PACKAGES + host_python_packages())
        os.environ["RACKYARD_RUNNER_ENVIRONMENT"] = str(environment_of(session, "runner", folder / "requirements.txt"))
        if session.posargs:
            part.pytest(str(folder), *session.posargs)
        else:
            part.pytest_side_by_side(str(folder), PROCESSORS, "worksteal")


def host_python_packages() -> tuple[str, ...]:
    """What our hosts' own Python has, for tests that run the service with it."""
    variables = yaml.safe_load((ROOT / "roles/service_runtime/vars/main.yml").read_text(encoding="utf-8"))
    packages = {name for names in variables["__service_runtime_packages"].values() for name in names}
    return tuple(sorted(name for name in packages if name.startswith("python3-")))


@nox.session
def lint(session: nox.Session) -> None:
    """Style and types: ruff, mypy, import contracts, YAML, Ansible, changelog, spelling, shell; then sanity."""
    session.notify("sanity")
    with Part(session) as part:
        part.check("ruff", "check", *PYTHON_SOURCES)
        part.check("ruff", "format", "--check", *PYTHON_SOURCES, name="ruff format")
        part.check("mypy")
        part.check("lint-imports", env={"PYTHONPATH": IMPORT_PATH})
        part.check("yamllint", "--strict", ".")
        part.check("codespell")
        part.check("shellcheck", "--external-sources", *shell_scripts(session))
        part.check("antsibull-changelog", "lint")
        part.check("ansible-lint", "--profile", "production")


@nox.session
def sanity(session: nox.Session) -> None:
    """ansible-test sanity on the artefact a user would install, not on the working tree."""
    with Part(session) as part:
        session.chdir(unpacked_artefact(session))
        # ansible-test takes the list of files to look at from git.
        session.run("git", "init", "--quiet")
        session.run("git", "add", "--all")
        skipped = [word for name in sanity_tests_that_cannot_run() for word in ("--skip-test", name)]
        python = f"{sys.version_info.major}.{sys.version_info.minor}"
        home = {"HOME": str(ansible_test_home())}
        command = ("ansible-test", "sanity", "--junit", "--python", python, "--color", "yes", *skipped)
        part.check(*command, *session.posargs, env=home)
        if REPORT:
            shutil.copytree("tests/output/junit", REPORT / "sanity", dirs_exist_ok=True)


def unpacked_artefact(session: nox.Session, work: Path = CACHE / "sanity") -> Path:
    """Build the collection and unpack it where Ansible finds collections."""
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    session.run("ansible-galaxy", "collection", "build", "--force", "--output-path", str(work))
    (artefact,) = work.glob("rackyard-metal-*.tar.gz")
    collection = work / "ansible_collections" / "rackyard" / "metal"
    collection.mkdir(parents=True)
    session.run("tar", "-xzf", str(artefact), "-C", str(collection))
    return collection


def ansible_test_home(home: Path = CACHE / "ansible-test", wants: str = "24_2", path: str | None = None) -> Path:
    """A home directory for ansible-test's many environments, where it finds pip without a download of its own.

    It asks for the version that it wants, and gets the one that is first on a search path."""
    bootstrap = home / ".ansible" / "test" / "cache" / f"get_pip_{wants}.py"
    bootstrap.parent.mkdir(parents=True, exist_ok=True)
    # ansible-test runs this file with the new environment's Python and the requirements to install as arguments.
    bootstrap.write_text(
        "import subprocess, sys\n"
        "wanted = [word for word in sys.argv[1:] if word not in ('--no-setuptools', '--no-wheel')]\n"
        f"pip = [{shutil.which('pip', path=path)!r}, '--python', sys.executable, 'install', '--quiet', *wanted]\n"
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
    """Roles by themselves and a whole site, on lab hosts: `nox -s molecule -- dhcp` for one of them."""
    if REPORT and not (REPORT / "parts.json").exists():
        (REPORT / "parts.json").write_text(json.dumps(["molecule"]), encoding="utf-8")
    with Part(session) as part:
        scenarios.run(part.check, session.posargs, REPORT)


@nox.session
def lab(session: nox.Session) -> None:
    """The whole product on fresh lab hosts and blank machines."""
    with Part(session) as part:
        debian(session, LAB_PACKAGES)
        part.pytest("tests/lab", "--ignore", "tests/lab/ha", "--ignore", "tests/lab/ipv6", *session.posargs)


@nox.session
def rulebooks(session: nox.Session) -> None:
    """The collection's rulebooks in ansible-rulebook: `./run rulebooks`."""
    with Part(session) as part:
        debian(session, (*TEST_PACKAGES, *host_python_packages(), "default-jre-headless"))
        made = environment_of(session, "rulebooks", ROOT / "tests/service/rpc/rulebooks_requirements.txt")
        os.environ["RACKYARD_RULEBOOK"] = str(made / "bin" / "ansible-rulebook")
        part.pytest("tests/service/rpc", "-m", "rulebooks", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """What dies, hangs, is parted or full, in a lab of two regions and two racks: `./run test --faults`."""
    if REPORT:
        (REPORT / "parts.json").write_text(json.dumps(["faults"]), encoding="utf-8")
    with Part(session) as part:
        debian(session, LAB_PACKAGES)
        part.pytest("tests/lab/ha", *session.posargs)


@nox.session
def ipv6(session: nox.Session) -> None:
    """A machine commissioned by IPv6 alone, in a lab of its own: `./run test --ipv6`."""
    if REPORT:
        (REPORT / "parts.json").write_text(json.dumps(["ipv6"]), encoding="utf-8")
    with Part(session) as part:
        debian(session, LAB_PACKAGES)
        part.pytest("tests/lab/ipv6", *session.posargs)


@nox.session
def docs(session: nox.Session) -> None:
    """The pages for operators, as a folder for a browser: `./run docs`. A warning fails, and so does a dead link."""
    site, build = ROOT / "docs/site", ROOT / "docs/build"
    with Part(session) as part:
        if session.posargs[:1] == ["--diagrams"]:
            debian(session, ("chromium",))
            part.check("python", str(site / "diagrams.py"), *session.posargs[1:], name="diagrams")
            return
        # The API's pages are made by the region's own code.
        debian(session, host_python_packages())
        binaries = environment_of(session, "docs", site / "requirements.txt") / "bin"
        source, html = str(build / "source"), str(build / "html")
        Path(source).mkdir(parents=True, exist_ok=True)
        session.run("python", str(site / "sources.py"), source, env={"PYTHONPATH": IMPORT_PATH})
        collection = ("collection", "--use-current", "--fail-on-error", "--cleanup", "similar-files-and-dirs")
        session.run(str(binaries / "antsibull-docs"), *collection, "--dest-dir", source, "rackyard.metal")
        sphinx = ("-b", "html", "-c", str(site), "-d", str(build / "doctrees"), "-j", "auto", "-q", "-n", "-W")
        if part.check(str(binaries / "sphinx-build"), *sphinx, "--keep-going", source, html, name="sphinx"):
            part.check("python", str(site / "links.py"), html, name="links")
            session.log(f"the pages are in {html}/index.html")
        if "--pictures" in session.posargs:
            debian(session, ("chromium",))
            part.check("python", str(site / "pictures.py"), html, str(build / "pictures"), name="pictures")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure with a database that is gone afterwards: `./run bench NAME`."""
    name, *arguments = session.posargs
    with Part(session) as part:
        debian(session, TEST_PACKAGES + host_python_packages())
        command = ("tests/load/with-database", "python", f"tests/load/{BENCHES[name]}", "dbname=postgres")
        path = os.pathsep.join((IMPORT_PATH, str(ROOT / "tests" / "service")))
        part.check(*command, *arguments, name=name, env={"PYTHONPATH": path})


@nox.session
def test(session: nox.Session) -> None:
    """Everything a change has to pass, the quick parts first."""
    if REPORT:
        (REPORT / "parts.json").write_text(json.dumps(PARTS), encoding="utf-8")
    of_today = scenarios.of_day(date.today().toordinal())
    for name in PARTS:
        session.notify(name, posargs={"molecule": of_today, "docs": ("--pictures",)}.get(name))
