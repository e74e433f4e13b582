# SPDX-License-Identifier: GPL-3.0-or-later
"""Every check of the project, one session each; `./run test` and `./run lint` call them in order.

All sessions share one virtual environment in the cache directory: it is installed once from requirements-dev.txt and again
only when that file changes, so that a warm session starts at once.
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
PYTHON_SOURCES = ("src", "plugins", "tests", "noxfile.py")
IMPORT_PATH = os.pathsep.join((str(ROOT / "src"), str(ROOT / "plugins" / "module_utils")))
# The oldest interpreter we run on (Debian 12), which is also what ansible-test checks the artefact with.
TARGET_PYTHON = "3.11"

nox.options.envdir = str(CACHE / "nox")
nox.options.sessions = ["lint", "sanity", "unit", "service"]
nox.options.error_on_missing_interpreters = True


def tools(session: nox.Session) -> None:
    """Install the pinned tools unless the environment already is what requirements-dev.txt says."""
    stamp = Path(session.virtualenv.location) / "requirements.sha256"
    wanted = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text(encoding="utf-8") == wanted:
        return
    session.install("--quiet", "--requirement", str(LOCK))
    stamp.write_text(wanted, encoding="utf-8")


def shared(**options: object):  # noqa: ANN201 - nox does not name this decorator's type
    """A nox session in the shared virtual environment."""
    return nox.session(python=TARGET_PYTHON, venv_location=str(CACHE / "tools"), reuse_venv=True, **options)


def tracked(session: nox.Session, *patterns: str) -> list[str]:
    """Files that git knows or would add and that still exist, matching the patterns."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns)
    listed = session.run(*command, external=True, silent=True)
    names = str(listed).splitlines()
    return [name for name in names if (ROOT / name).is_file() and not (ROOT / name).is_symlink()]


def shell_scripts(session: nox.Session) -> list[str]:
    """Tracked files that start with a shell's shebang, whatever their name."""
    scripts = []
    for name in tracked(session):
        with (ROOT / name).open("rb") as file:
            first = file.readline(80)
        if first.startswith(b"#!") and first.rstrip().endswith((b"bash", b"/sh", b" sh")):
            scripts.append(name)
    return scripts


@shared()
def lint(session: nox.Session) -> None:
    """Style and types: ruff, mypy, import contracts, yamllint, ansible-lint, changelog, spelling, shell."""
    tools(session)
    session.run("ruff", "check", *PYTHON_SOURCES)
    session.run("ruff", "format", "--check", *PYTHON_SOURCES)
    session.run("mypy")
    session.run("lint-imports", env={"PYTHONPATH": IMPORT_PATH})
    session.run("yamllint", "--strict", ".")
    session.run("codespell")
    session.run("shellcheck", "--external-sources", *shell_scripts(session))
    session.run("antsibull-changelog", "lint")
    session.run("ansible-lint", "--profile", "production", env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})


@shared()
def unit(session: nox.Session) -> None:
    """Tests that need nothing but Python."""
    tools(session)
    session.run("pytest", "tests/unit", *session.posargs)


@shared()
def service(session: nox.Session) -> None:
    """Tests of the service and the modules against a real temporary PostgreSQL."""
    tools(session)
    session.run("pytest", "tests/service", *session.posargs)


@shared()
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
    session.run("tar", "-xzf", str(artefact), "-C", str(collections), external=True)
    session.chdir(collections)
    # ansible-test takes the list of files to look at from git.
    session.run("git", "init", "--quiet", external=True)
    session.run("git", "add", "--all", external=True)
    skipped = [word for name in sanity_tests_that_cannot_run() for word in ("--skip-test", name)]
    session.run("ansible-test", "sanity", "--python", TARGET_PYTHON, "--color", "yes", *skipped, *session.posargs)


def sanity_tests_that_cannot_run() -> list[str]:
    """Sanity tests whose program is not on this host."""
    programs = {"pslint": "pwsh"}
    return [test for test, program in programs.items() if shutil.which(program) is None]


@shared()
def molecule(session: nox.Session) -> None:
    """Role and topology scenarios on lab hosts: `nox -s molecule -- dhcp` for one of them, all without a name."""
    tools(session)
    names = list(session.posargs) or sorted(path.parent.name for path in (ROOT / "molecule").glob("*/molecule.yml"))
    for name in names:
        session.run("molecule", "test", "--scenario-name", name, env={"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})


@shared()
def lab(session: nox.Session) -> None:
    """The whole product on fresh lab hosts and blank machines."""
    tools(session)
    session.run("pytest", "tests/lab", *session.posargs)
