# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs as AWX runs them: ansible-runner, a private folder, an unprivileged user, the collection as a site has it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import ansible
import yaml

ROOT = Path(__file__).resolve().parents[4]
COLLECTIONS = "ansible_collections"
# An account that this host does not have, and a group that owns nothing.
USER, GROUP = 64321, 65534
# The repository is an empty folder that only root may enter, and the user has an entry in passwd, as the entry point of
# an execution environment makes one. Mounts are gone with the process.
ALONE = 'mount -t tmpfs -o mode=0 none "$1"; mount --bind "$2" /etc/passwd; cd /; shift 2; exec "$@"'
NO_ENTRY = re.compile(r"passw(or)?d|secret|api_key", re.IGNORECASE)
Event = dict[str, Any]


@dataclass(frozen=True)
class Job:
    """What is left of a job: its exit status, what it said, and its events."""

    status: int
    stdout: str
    events: list[Event]

    def of(self, kind: str) -> list[Event]:
        """The data of its events of a kind: runner_on_ok."""
        return [event["event_data"] for event in self.events if event["event"] == kind]

    @property
    def changed(self) -> int:
        """How many changes its hosts count."""
        (stats,) = self.of("playbook_on_stats")
        return sum(stats["changed"].values())

    @property
    def failures(self) -> list[str]:
        """What failed and was not foreseen, with its words."""
        return [
            f"{data['task']}: {data['res'].get('msg', '')}"
            for data in self.of("runner_on_failed")
            if not data.get("ignore_errors")
        ]

    @property
    def unreachable(self) -> set[str]:
        """Hosts that were not reached."""
        return {data["host"] for data in self.of("runner_on_unreachable")}

    @property
    def validated(self) -> set[str]:
        """Roles whose arguments Ansible has found to be as specified."""
        done = self.of("runner_on_ok")
        return {data["role"] for data in done if data["task_action"] == "ansible.builtin.validate_argument_spec"}


@dataclass
class Controller:
    """Where jobs run."""

    binaries: Path
    folder: Path
    secrets: tuple[str, ...] = ()
    more_collections: tuple[Path, ...] = ()
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def collections(self) -> Path:
        """Has our collection, and those that it depends on."""
        return self.folder / "collections"

    @property
    def collection(self) -> Path:
        """Ours, as it is installed."""
        return self.collections / COLLECTIONS / "rackyard" / "metal"

    def install(self) -> None:
        """Build the collection and install it beside those that galaxy.yml names, and no other."""
        dependencies = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
        for name in dependencies:
            copy_collection(name, self.collections)
        self.galaxy("build", "--output-path", str(self.folder), str(ROOT))
        (archive,) = self.folder.glob("rackyard-metal-*.tar.gz")
        self.galaxy("install", "--offline", "--collections-path", str(self.collections), str(archive))
        home = self.folder / "home"
        home.mkdir()
        os.chown(home, USER, GROUP)
        line = f"runner:x:{USER}:{GROUP}::{home}:/bin/sh\n"
        (self.folder / "passwd").write_text(Path("/etc/passwd").read_text(encoding="utf-8") + line, encoding="utf-8")

    def galaxy(self, *words: str) -> None:
        """ansible-galaxy collection …"""
        program = str(self.binaries / "ansible-galaxy")
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LC_ALL": "C.UTF-8"}
        subprocess.run([program, "collection", *words], check=True, capture_output=True, env=environment, cwd="/")

    def run(
        self,
        playbook: str,
        *options: str,
        inventory: str | Path = "",
        variables: str = "",
        environment: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        project: Mapping[str, str] | None = None,
    ) -> Job:
        """
        Run a playbook by its name in the collection, or by its path in the project.

        The inventory is a text, or a folder of the installed collection; variables are the text of env/extravars;
        files are those that a credential injects: an environment variable, and what its file has.
        """
        private = self.folder / f"job{next(self._numbers)}"
        for name in ("env", "inventory", "project"):
            (private / name).mkdir(parents=True)
        if isinstance(inventory, Path):
            shutil.copytree(inventory, private / "inventory" / inventory.name)
        else:
            (private / "inventory" / "site.rackyard.yml").write_text(inventory, encoding="utf-8")
        given = {"ANSIBLE_COLLECTIONS_PATH": ":".join(map(str, (self.collections, *self.more_collections)))}
        for variable, text in (files or {}).items():
            injected = private / "env" / f"injected_{variable.lower()}"
            injected.write_text(text, encoding="utf-8")
            injected.chmod(0o600)
            given[variable] = str(injected)
        (private / "env" / "envvars").write_text(json.dumps({**given, **(environment or {})}), encoding="utf-8")
        (private / "env" / "extravars").write_text(variables or "{}", encoding="utf-8")
        for name, text in (project or {}).items():
            path = private / "project" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        subprocess.run(["chown", "-R", f"{USER}:{GROUP}", str(private)], check=True)
        command = [str(self.binaries / "ansible-runner"), "run", str(private), "--playbook", playbook, "--ident", "1"]
        if isinstance(inventory, Path):
            command += ["--inventory", inventory.name]
        done = self.unprivileged(*command, *([f"--cmdline={' '.join(options)}"] if options else []))
        artifacts = private / "artifacts" / "1"
        assert artifacts.is_dir(), done.stdout + done.stderr
        self.keeps_quiet(artifacts, by_environment=bool(environment))
        events = [json.loads(path.read_text(encoding="utf-8")) for path in (artifacts / "job_events").glob("*.json")]
        events.sort(key=lambda event: event["counter"])
        return Job(done.returncode, (artifacts / "stdout").read_text(encoding="utf-8"), events)

    def unprivileged(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program as a user who has nothing, where the repository is not."""
        home = str(self.folder / "home")
        environment = ("env", "-i", f"HOME={home}", f"PATH={self.binaries}:/usr/bin:/bin", "LANG=C.UTF-8")
        user = ("setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups", "--no-new-privs")
        alone = ("unshare", "--mount", "sh", "-ec", ALONE, "sh", str(ROOT), str(self.folder / "passwd"))
        return subprocess.run(
            [*alone, *user, *environment, *command], capture_output=True, text=True, timeout=300, check=False
        )

    def keeps_quiet(self, artifacts: Path, by_environment: bool) -> None:
        """No secret is in what is kept of a job, and no path of the repository."""
        kept = [path for path in artifacts.rglob("*") if path.is_file()]
        assert {"stdout", "command"} <= {path.name for path in kept}
        assert any(path.parent.name == "job_events" for path in kept)
        for path in kept:
            text = path.read_text(encoding="utf-8")
            assert str(ROOT) not in text, path
            # There ansible-runner writes down the environment that it was given. AWX hides it by variables' names.
            if path.name == "command" and by_environment:
                text = hidden(text)
            assert not [secret for secret in self.secrets if secret in text], path


def hidden(command: str) -> str:
    """The file `command` without variables whose names say that they are secret."""
    known = json.loads(command)
    kept = {name: value for name, value in known["env"].items() if not NO_ENTRY.search(name)}
    return json.dumps({**known, "env": kept})


def copy_collection(name: str, to: Path) -> None:
    """A collection that package ansible has, which is in the environment of the tests."""
    namespace, short = name.split(".")
    source = Path(ansible.__file__).parents[1] / COLLECTIONS / namespace / short
    shutil.copytree(source, to / COLLECTIONS / namespace / short)
