#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Take away what host_files has made, and what runs by it, and leave what others put there."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_removal
short_description: Take away what was put on a host, and leave what others put there
version_added: "0.1.0"
author: Rackyard contributors (@rackyard)
description:
  - Undoes what M(rackyard.metal.host_files) has done with the same O(files), stops the units and deletes the tables of nftables that came with them.
  - Units go first, then tables, files, directories, and last systemd and the daemons that stay take over what is left.
options:
  files:
    description:
      - The list that M(rackyard.metal.host_files) was given.
      - A file is removed. One with C(backup) gets back the content that it had before the first run, if it is still ours; its copies are removed. Of one with
        C(block) the marked block is removed, and C(after) is run then. A directory is removed if nothing else is in it.
    type: list
    elements: dict
    default: []
  trees:
    description: Directories, or files by pattern, that are removed with all that is in them. Not shorter than two names.
    type: list
    elements: path
    default: []
  gone:
    description:
      - RV(removed) of earlier tasks of this run. In check mode they are still there, and a directory that they leave empty would be removed.
    type: list
    elements: str
    default: []
  units:
    description: Units of systemd, or patterns of their names, that are stopped and disabled.
    type: list
    elements: str
    default: []
  tables:
    description: Tables of nftables that are deleted, with their family.
    type: list
    elements: str
    default: []
  restarted:
    description: Units that are restarted when anything was removed, if they run.
    type: list
    elements: str
    default: []
  reloaded:
    description: Units that are reloaded when anything was removed, if they run.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    description: Says what would be removed, and changes nothing.
  diff_mode:
    support: none
    description: RV(removed) has each thing in words.
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Take an example away
  rackyard.metal.host_removal:
    units: [example.service]
    files:
      - {path: /etc/example, state: directory}
      - {path: /etc/example/example.toml}
      - {path: /etc/other.conf, backup: true}
    trees: [/var/lib/example]
"""

RETURN = r"""
removed:
  description: What was, or would be, removed, in words.
  type: list
  elements: str
  returned: success
  sample: ["unit example.service stopped and disabled", "/etc/example/example.toml", "/etc/other.conf as it was before"]
"""

import glob
import os
import re
import shlex
import shutil
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host_file import read, without_block

# A file that a template of this collection has made says so within so many bytes.
HEADER = b"rackyard.metal"
HEADER_BYTES = 400
# As AnsibleModule.backup_local names copies: the process, then the time.
BACKUP = re.compile(r"\.(\d+)\.(\d{4}-\d{2}-\d{2}@\d{2}:\d{2}:\d{2})~$")
RUNS = ("active", "activating", "reloading", "deactivating")

Act = Callable[[], object]


class Removal:
    """Looks, and acts unless in check mode; `removed` has what changed, in words."""

    def __init__(self, module: AnsibleModule) -> None:
        self.module = module
        self.removed: list[str] = []

    def note(self, words: str, act: Act) -> None:
        """One change."""
        self.removed.append(words)
        if not self.module.check_mode:
            act()

    def ask(self, *command: str) -> str:
        """What a program that only looks says; nothing when it fails."""
        code, out, _err = self.module.run_command(list(command))
        return out if code == 0 else ""

    def run(self, *command: str) -> None:
        """Run a command that must succeed."""
        code, out, err = self.module.run_command(list(command))
        if code != 0:
            self.module.fail_json(msg=f"`{' '.join(command)}` failed: {(err or out).strip()}", removed=self.removed)

    def units(self, patterns: list[str]) -> None:
        """Stop and disable, those that need the others first."""
        for name in [each for pattern in patterns for each in self._matching(pattern)]:
            shown = self.ask("systemctl", "show", "--property=ActiveState,UnitFileState", "--", name)
            state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
            if state.get("ActiveState") in RUNS or state.get("UnitFileState") == "enabled":
                self.note(f"unit {name} stopped and disabled", lambda name=name: self._stop(name))

    def _stop(self, name: str) -> None:
        self.run("systemctl", "stop", "--", name)
        self.run("systemctl", "disable", "--quiet", "--", name)
        # One that had failed would be remembered as that; one that had not is refused.
        self.ask("systemctl", "reset-failed", "--", name)

    def _matching(self, pattern: str) -> list[str]:
        if not re.search(r"[*?\[]", pattern):
            return [pattern]
        loaded = self.ask("systemctl", "list-units", "--all", "--plain", "--no-legend", "--full", "--", pattern)
        return [line.split()[0] for line in loaded.splitlines() if line.split()]

    def tables(self, names: list[str]) -> None:
        """Delete tables of nftables; a host without nft has none."""
        there = self.ask("nft", "list", "tables").splitlines() if shutil.which("nft") else []
        for name in names:
            if f"table {name}" in there:
                self.note(f"nftables table {name}", lambda name=name: self.run("nft", "delete", "table", *name.split()))

    def file(self, entry: dict[str, Any]) -> None:
        """Undo one entry of host_files."""
        path = entry["path"]
        if entry.get("block"):
            self._block(entry)
        elif entry.get("backup"):
            self._former(path)
        elif os.path.lexists(path) and (os.path.islink(path) or not os.path.isdir(path)):
            self.note(path, lambda: os.unlink(path))

    def _block(self, entry: dict[str, Any]) -> None:
        path, present = entry["path"], read(entry["path"])
        rest = None if present is None else without_block(present)
        if rest is None or rest == present:
            return

        def act() -> None:
            # In place: owner, permissions and whoever watches it stay.
            with open(path, "r+b") as file:
                file.write(rest)
                file.truncate()
            if entry.get("after"):
                self.run(*shlex.split(entry["after"]))

        self.note(f"the block of Rackyard in {path}", act)

    def _former(self, path: str) -> None:
        """Put back what was there before the first run; a file that is no longer ours stays."""
        if HEADER not in (read(path) or b"")[:HEADER_BYTES]:
            return
        copies = sorted((copy for copy in glob.glob(f"{glob.escape(path)}.*~") if BACKUP.search(copy)), key=_taken_at)
        # Copies of our own earlier files are no former configuration.
        former = [copy for copy in copies if HEADER not in (read(copy) or b"")[:HEADER_BYTES]]

        def act() -> None:
            if former:
                shutil.copy2(former[0], path)
                status = os.stat(former[0])
                os.chown(path, status.st_uid, status.st_gid)
            else:
                os.unlink(path)
            for copy in copies:
                os.unlink(copy)

        self.note(f"{path} as it was before" if former else path, act)

    def tree(self, pattern: str) -> None:
        """Remove with all that is below."""
        if not re.fullmatch(r"(/[^/]+){2,}", pattern) or ".." in pattern.split("/"):
            self.module.fail_json(msg=f"{pattern} is too much to be removed; name what lies below it")
        for path in sorted(glob.glob(pattern)):
            whole = os.path.isdir(path) and not os.path.islink(path)
            self.note(f"{path}/" if whole else path, lambda path=path, whole=whole: _remove(path, whole))

    def directory(self, path: str, leaving: set[str]) -> None:
        """Remove a directory that is empty, or will be when all that leaves has left."""
        if (
            path not in leaving
            and os.path.isdir(path)
            and {os.path.join(path, name) for name in os.listdir(path)} <= leaving
        ):
            leaving.add(path)
            self.note(f"{path}/", lambda: os.rmdir(path))

    def settle(self, restarted: list[str], reloaded: list[str]) -> None:
        """Have systemd and the daemons that stay take over what is left."""
        if not self.removed or self.module.check_mode:
            return
        self.run("systemctl", "daemon-reload")
        for verb, names in (("restart", restarted), ("reload", reloaded)):
            for name in names:
                if self.ask("systemctl", "is-active", "--", name).strip() == "active":
                    self.run("systemctl", verb, "--", name)


def below(path: str, trees: list[str]) -> bool:
    """Whether a path is, or lies in, one of the trees."""
    parents = [path, *(str(parent) for parent in PurePosixPath(path).parents)]
    return any(fnmatchcase(parent, pattern) for parent in parents for pattern in trees)


def _taken_at(copy: str) -> str:
    match = BACKUP.search(copy)
    return match[2] if match else ""


def _remove(path: str, whole: bool) -> None:
    if whole:
        shutil.rmtree(path)
    else:
        os.unlink(path)


def main() -> None:
    """Go through all of it."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "default": []},
            "trees": {"type": "list", "elements": "path", "default": []},
            **{
                name: {"type": "list", "elements": "str", "default": []}
                for name in ("gone", "units", "tables", "restarted", "reloaded")
            },
        },
        supports_check_mode=True,
    )
    wanted, removal = module.params, Removal(module)
    try:
        removal.units(wanted["units"])
        removal.tables(wanted["tables"])
        # What lies in a tree goes with it.
        apart = [entry for entry in wanted["files"] if not below(entry["path"], wanted["trees"])]
        for entry in apart:
            if entry.get("state", "file") == "file":
                removal.file(entry)
        for pattern in wanted["trees"]:
            removal.tree(pattern)
        leaving = {words.rstrip("/") for words in (*wanted["gone"], *removal.removed)}
        directories = {entry["path"] for entry in apart if entry.get("state") == "directory"}
        for path in sorted(directories, key=len, reverse=True):
            removal.directory(path, leaving)
        removal.settle(wanted["restarted"], wanted["reloaded"])
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Cannot take it away: {error}", removed=removal.removed)
    module.exit_json(changed=bool(removal.removed), removed=removal.removed)


if __name__ == "__main__":
    main()
