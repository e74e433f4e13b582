#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Install a release of a source tree: compare by hash, extract beside, switch one link."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: code_tree
short_description: Install a source tree from the controller as a release
version_added: "0.1.0"
author: Rackyard contributors (@rackyard)
description:
  - Copies directories of the controller to RV(release) below O(dest) and points the link C(current) at it.
  - A release is named after its version and a hash of its content, so a release never changes once it is installed,
    and a host that has it already is compared and left alone in one step. Files changed on the host are put right.
  - The release before stays, and the link C(previous) points at it; point C(current) back at it to return.
    Older ones are removed.
options:
  dest:
    description: Directory on the host that holds the releases.
    type: path
    required: true
  version:
    description: Version of the tree, the first part of the release's name.
    type: str
    required: true
  sources:
    description:
      - Directories of the controller by the name that they get inside the release.
      - Hidden files and compiled Python are left out.
    type: dict
    required: true
  pending:
    description:
      - File that says that what runs the code has yet to be restarted. It is made before the link is switched, and while it is there the
        task reports a change. Whoever does the restart removes it, so that a run cut off in between is made good by the next one.
    type: path
  manifest:
    description: Set by the action plugin. Hash and mode by path of what the release holds.
    type: dict
  release:
    description: Set by the action plugin. Name of the release.
    type: str
  archive:
    description: Set by the action plugin. The transferred content.
    type: path
notes:
  - M(ansible.builtin.copy) needs a round trip for each file, about 280 here, also when nothing has changed, keeps files that have left the tree,
    and has running code see a mixture of two releases. C(synchronize) needs rsync on both sides and a connection of its own
    beside Ansible's, with neither its privilege escalation nor its connection plugins.
  - A Debian package would have C(dpkg -V) and C(apt purge) for nothing, but has to be built, with Debian's tools, on the controller or on each host
    before the first task, and its version raised for each change that somebody tries out. Here the hash is the version, a check compares what
    is on the host, and the release before is one link away.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    description: Compares everything and changes nothing.
  diff_mode:
    support: full
    description: Shows the files by hash, the links, and the releases to be removed.
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Install the code of the service
  rackyard.metal.code_tree:
    dest: /usr/lib/rackyard
    version: "0.1.0"
    sources:
      rackyard: "{{ role_path }}/../../src/rackyard"
      rackyard_core: "{{ role_path }}/../../plugins/module_utils/rackyard_core"
"""

RETURN = r"""
release:
  description: Name of the release, the version and the first characters of the content's hash.
  type: str
  returned: success
  sample: 0.1.0+5d41402abc
previous:
  description: Name of the release before, empty when there is none.
  type: str
  returned: success
  sample: 0.1.0+7d793037a0
removed:
  description: Names of the releases that were, or would be, removed.
  type: list
  elements: str
  returned: success
  sample: []
archive_needed:
  description: Whether the content must be transferred. Used by the action plugin.
  type: bool
  returned: when changed
  sample: false
"""

import compileall
import fcntl
import hashlib
import os
import re
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

SAFE_PATH = re.compile(r"^[A-Za-z0-9_+-][A-Za-z0-9._+-]*(/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)*$")


@dataclass(frozen=True)
class Plan:
    """What the host has against what it should have."""

    install: bool
    current: str
    previous: str
    new_previous: str
    remove: tuple[str, ...]
    installed: tuple[str, ...]
    found: dict[str, str]

    def changes(self, release: str) -> bool:
        """Whether anything is to be done."""
        links_differ = self.current != release or self.previous != self.new_previous
        return self.install or links_differ or bool(self.remove)


def fingerprint(path: str) -> str:
    """Content hash and mode of a file, as in the manifest."""
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return f"{digest} {os.stat(path).st_mode & 0o7777:04o}"


def read_tree(root: str) -> dict[str, str]:
    """Fingerprints by path of every file below root, compiled Python left out."""
    found = {}
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [name for name in subfolders if name != "__pycache__"]
        for name in names:
            path = os.path.join(folder, name)
            found[os.path.relpath(path, root)] = fingerprint(path)
    return found


def link_target(path: str) -> str:
    """What the link points at, empty when there is no link."""
    return os.readlink(path) if os.path.islink(path) else ""


def releases(dest: str) -> list[str]:
    """Names of the installed releases."""
    if not os.path.isdir(dest):
        return []
    return sorted(entry.name for entry in os.scandir(dest) if entry.is_dir(follow_symlinks=False))


def decide(dest: str, release: str, manifest: dict[str, str]) -> Plan:
    """Compare the host with the manifest. Reads only."""
    current = link_target(os.path.join(dest, "current"))
    previous = link_target(os.path.join(dest, "previous"))
    installed = releases(dest)
    new_previous = previous if current == release else current
    if new_previous not in installed or new_previous == release:
        new_previous = ""
    return Plan(
        install=read_tree(os.path.join(dest, release)) != manifest,
        current=current,
        previous=previous,
        new_previous=new_previous,
        remove=tuple(name for name in installed if name not in (release, new_previous)),
        installed=tuple(installed),
        found=read_tree(os.path.join(dest, current)) if current else {},
    )


def listing(files: dict[str, str], current: str, previous: str, names: Iterable[str]) -> str:
    """The state as text for diff mode."""
    lines = [f"current -> {current}", f"previous -> {previous}"]
    lines += [f"release {name}" for name in sorted(names)]
    lines += [f"{files[path]} {path}" for path in sorted(files)]
    return "\n".join(lines) + "\n"


def extract(archive: str, target: str, manifest: dict[str, str]) -> None:
    """Write the files of the manifest, and nothing else, from the archive. Raises ValueError when they do not match."""
    with tarfile.open(archive) as content:
        for path, expected in manifest.items():
            member = content.extractfile(path)
            if member is None:
                raise ValueError(f"{path} is not a file in the archive")
            file_path = os.path.join(target, path)
            os.makedirs(os.path.dirname(file_path), mode=0o755, exist_ok=True)
            with open(file_path, "wb") as file:
                shutil.copyfileobj(member, file)
            os.chmod(file_path, int(expected.split(" ")[1], 8))
            if fingerprint(file_path) != expected:
                raise ValueError(f"{path} does not have the expected hash")


def install(dest: str, release: str, archive: str, manifest: dict[str, str]) -> None:
    """Extract beside, compile, and move into place, so that a release is there whole or not at all."""
    beside = os.path.join(dest, f".{release}.new")
    shutil.rmtree(beside, ignore_errors=True)
    os.makedirs(beside, mode=0o755)
    extract(archive, beside, manifest)
    target = os.path.join(dest, release)
    compileall.compile_dir(beside, quiet=2, stripdir=beside, prependdir=target)
    if os.path.isdir(target):
        shutil.rmtree(target)
    os.rename(beside, target)


def point(link: str, target: str) -> None:
    """Make the link point at target in one step; no target removes the link."""
    if not target:
        if os.path.islink(link):
            os.unlink(link)
        return
    beside = f"{link}.new"
    if os.path.islink(beside):
        os.unlink(beside)
    os.symlink(target, beside)
    os.replace(beside, link)


def act(dest: str, release: str, plan: Plan, archive: str | None, manifest: dict[str, str]) -> None:
    """Carry out the plan."""
    os.umask(0o022)
    if plan.install and archive:
        install(dest, release, archive, manifest)
    point(os.path.join(dest, "previous"), plan.new_previous)
    point(os.path.join(dest, "current"), release)
    for name in plan.remove:
        shutil.rmtree(os.path.join(dest, name))


@contextmanager
def alone(dest: str) -> Iterator[None]:
    """One run at a time changes the folder; the kernel lets the next one in, also after one that was killed."""
    os.makedirs(dest, mode=0o755, exist_ok=True)
    descriptor = os.open(dest, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def bring(dest: str, release: str, archive: str | None, manifest: dict[str, str]) -> None:
    """Have the release in place, also when another run was at it a moment ago. Raises ValueError when that one has
    taken away what this one had found."""
    with alone(dest):
        plan = decide(dest, release, manifest)
        if plan.install and not archive:
            raise ValueError("another run has removed it meanwhile; run this again")
        act(dest, release, plan, archive, manifest)


def main() -> None:
    """Decide, then act."""
    module = AnsibleModule(
        argument_spec={
            "dest": {"type": "path", "required": True},
            "version": {"type": "str", "required": True},
            "sources": {"type": "dict", "required": True},
            "pending": {"type": "path"},
            "manifest": {"type": "dict"},
            "release": {"type": "str"},
            "archive": {"type": "path"},
        },
        required_together=[("manifest", "release")],
        supports_check_mode=True,
    )
    dest, release, manifest = module.params["dest"], module.params["release"], module.params["manifest"]
    if not manifest:
        module.fail_json(msg="code_tree works through its action plugin only; call it as rackyard.metal.code_tree")
    for path in [release, *manifest]:
        if not SAFE_PATH.match(path):
            module.fail_json(msg=f"{path!r} is not a plain relative path; rename the file")

    plan = decide(dest, release, manifest)
    pending = module.params["pending"]
    changed = plan.changes(release) or bool(pending and os.path.exists(pending))
    archive_needed = plan.install and not module.params["archive"]
    if changed and not module.check_mode and not archive_needed:
        try:
            if pending:
                Path(pending).touch(mode=0o644)
            bring(dest, release, module.params["archive"], manifest)
        except (OSError, ValueError, KeyError) as error:
            module.fail_json(msg=f"Cannot install {release} in {dest}: {error}")
    kept = [name for name in (release, plan.new_previous) if name]
    module.exit_json(
        changed=changed,
        release=release,
        previous=plan.new_previous,
        removed=list(plan.remove),
        archive_needed=archive_needed,
        diff={
            "before_header": dest,
            "after_header": dest,
            "before": listing(plan.found, plan.current, plan.previous, plan.installed),
            "after": listing(manifest, release, plan.new_previous, kept),
        },
    )


if __name__ == "__main__":
    main()
