#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Bring several files and directories of a host to their wanted state in one step."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_files
short_description: Bring several files and directories to their state in one step
version_added: "0.1.0"
author: Rackyard contributors (@rackyard)
description:
  - Renders templates on the controller and brings files and directories of the host to their state, all in one step.
  - Does what M(ansible.builtin.template), M(ansible.builtin.copy) and M(ansible.builtin.file) do in a loop, without their cost for each
    item.
options:
  files:
    description: What there is to be, in the order in which it is made.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path on the host.
        type: path
        required: true
      state:
        description:
          - Whether it is a file, a directory, or a file or link that is not to be there. The directory of a file must be there, or come
            before it.
        type: str
        choices: [file, directory, absent]
        default: file
      template:
        description: Template of a file, searched for as usual. By default O(files[].path) without its first slash, and C(.j2).
        type: str
      content:
        description: Content of a file, in place of a template.
        type: str
      copy_of:
        description:
          - File of the host whose content it gets, in place of a template. The content is never shown, and in check mode the file may be
            missing.
        type: path
      random:
        description:
          - Has the host make a key, 32 random bytes in base64 (V(base64)) or in its alphabet for URLs (V(base64url)), and put it in place of
            C(%s) in O(files[].content).
          - A file that is there keeps its content. The key is never shown and known to the host alone.
        type: str
        choices: [base64, base64url]
      vars:
        description: Variables for this template only.
        type: dict
      force:
        description: Whether an existing file gets the wanted content. Otherwise only what is missing is made.
        type: bool
        default: true
      block:
        description: Whether the content is a marked block at the top of a file whose rest belongs to somebody else and is kept.
        type: bool
        default: false
      backup:
        description: Whether a file whose content changes is kept beside it, with the date in its name.
        type: bool
        default: false
      owner:
        description: User who owns it.
        type: str
        default: root
      group:
        description: Group that owns it.
        type: str
        default: root
      mode:
        description: Permissions, V(0644) for files and V(0755) for directories by default.
        type: str
      validate:
        description: Command that judges a file before it is put into place; C(%s) is its path.
          The file lies in its final directory then, with its final owner and permissions.
        type: str
      after:
        description: Command that is run when this entry has changed and is in place, before the next entry; also when O(pending) names it.
        type: str
  check:
    description: Command that judges everything together once all is in place, when anything has changed. The task fails with its words.
    type: str
  pending:
    description:
      - File that says what has changed and has yet to be applied by a restart or a reload. It is made before the first change, and while it is
        there the task reports a change. Whoever does the restart removes it, so that a run cut off in between is made good by the next one.
      - Put it below C(/run), where it is gone after a reboot, as it should be.
    type: path
  units:
    description:
      - Units of systemd that use the files. RV(units) says whether they need anything, so that no further step has to ask when nothing changes.
    type: list
    elements: str
    default: []
  proofs:
    description:
      - Commands that succeed while what uses the files works. They change nothing, and are run when there was nothing to change and each of
        O(units) is active, so that no further step has to ask then. RV(proven) is what came of it. None of them is tried again, and none
        that fails is an error here.
    type: list
    elements: str
    default: []
notes:
  - With O(files[].block) it does what M(ansible.builtin.blockinfile) does with C(insertbefore=BOF), C(validate) and C(backup). It is here because
    the block is an item among others. A confined daemon's checker may read what it is to judge only after the block in its profile was written
    and loaded (O(files[].after)), between a directory before it and the configuration behind it. Apart, these would be three steps in place of
    one, for each daemon, and a run that is cut off between them would leave no O(pending) behind.
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    description: Compares everything and changes nothing. No command is run, so files are not validated.
  diff_mode:
    support: full
    description:
      - Shows what changes in each file, and changes of its owner, group and permissions. Of content by O(files[].random) or
        O(files[].copy_of) only that it changes.
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Configure the service
  rackyard.metal.host_files:
    files:
      - {path: /var/lib/example, state: directory, owner: example, group: example}
      # From templates/etc/example/example.toml.j2
      - {path: /etc/example/example.toml, group: example, mode: "0640"}
      - {path: /etc/example/check.json, content: "{}", validate: "python3 -m json.tool %s"}
      - {path: /etc/example/example.key, content: "%s\n", random: base64url, group: example, mode: "0640"}
"""

RETURN = r"""
changed_paths:
  description: Paths that were, or in check mode would be, changed, and before them those that O(pending) named already.
  type: list
  elements: str
  returned: success
  sample: [/etc/example/example.toml]
units:
  description: States of O(units) by name, as C(systemctl show) calls them. A unit that systemd does not know is V(inactive).
  type: dict
  returned: success
  sample: {"example.service": {"ActiveState": "active", "UnitFileState": "enabled"}}
proven:
  description: Whether O(proofs) were run and all of them have succeeded. In check mode they are not run.
  type: bool
  returned: success
  sample: true
"""

import os
import shlex
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.host_file import FILE_SPEC, Change, decide, ids, mode_of
from ..module_utils.host_look import prove, unit_states


class Pending:
    """The file that names what has changed and is yet to be applied, one path a line."""

    def __init__(self, path: str | None) -> None:
        self._file = Path(path) if path else None
        self.there = bool(self._file and self._file.exists())
        self.paths = self._file.read_text(encoding="utf-8").splitlines() if self._file and self.there else []

    def add(self, path: str) -> None:
        """Note a change that is about to be made."""
        if self._file and path not in self.paths:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(f"{path}\n")


def run(module: AnsibleModule, command: str, failure: str, candidate: str = "") -> None:
    """Run a command, C(%s) in it being the candidate; fail with its words unless it succeeds."""
    words = [word.replace("%s", candidate) for word in shlex.split(command)]
    code, out, err = module.run_command(words)
    if code != 0:
        module.fail_json(msg=f"{failure}: {(err or out).strip()}")


def put(module: AnsibleModule, entry: dict[str, Any], content: bytes, owner: tuple[int, int]) -> None:
    """Write beside, with the final owner and permissions, then move into place: nobody sees half a file, or a secret."""
    folder, name = os.path.split(entry["path"])
    if not os.path.isdir(folder):
        module.fail_json(msg=f"There is no directory {folder} for {name}; name it before the file")
    descriptor, beside = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    module.add_cleanup_file(beside)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.chown(beside, *owner)
    os.chmod(beside, int(mode_of(entry), 8))
    if entry["validate"]:
        refusal = f"{entry['path']} is refused by its check and stays as it was"
        run(module, entry["validate"], refusal, candidate=beside)
    if entry["backup"] and os.path.exists(entry["path"]):
        module.backup_local(entry["path"])
    os.replace(beside, entry["path"])


def carry_out(module: AnsibleModule, entry: dict[str, Any], change: Change) -> bool:
    """Bring one entry to its state; whether anything changed."""
    path, owner = entry["path"], ids(entry)
    if change.remove:
        os.unlink(path)
    if entry["state"] == "absent":
        return bool(change)
    if owner is None:
        module.fail_json(msg=f"{path} is to belong to {entry['owner']}:{entry['group']}, who is unknown on this host")
    if change.make and entry["state"] == "directory":
        os.makedirs(path)
    elif change.make:
        put(module, entry, change.content, owner)
    wanted = {
        "path": path,
        "owner": str(owner[0]),
        "group": str(owner[1]),
        "mode": mode_of(entry),
        "attributes": None,
        "secontext": module.selinux_default_context(path),
    }
    return bool(module.set_fs_attributes_if_different(wanted, bool(change)))


def converge(module: AnsibleModule, entry: dict[str, Any], pending: Pending) -> tuple[bool, Change]:
    """Decide, then act, for one entry; whether it changed, and what the decision was."""
    if not os.path.isabs(entry["path"]):
        raise ValueError("it is not an absolute path")
    change = decide(entry, check_mode=module.check_mode)
    if module.check_mode:
        # An earlier task would have made an owner who is missing.
        return bool(change) or ids(entry) is None, change
    if change:
        pending.add(entry["path"])
    changed = carry_out(module, entry, change)
    if entry["after"] and (changed or entry["path"] in pending.paths):
        run(module, entry["after"], f"{entry['path']} is in place, but `{entry['after']}` failed; run this again")
    return changed, change


def main() -> None:
    """Go through the list."""
    module = AnsibleModule(
        argument_spec={
            "files": {"type": "list", "elements": "dict", "required": True, "options": FILE_SPEC},
            "check": {"type": "str"},
            "pending": {"type": "path"},
            "units": {"type": "list", "elements": "str", "default": []},
            "proofs": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    pending = Pending(module.params["pending"])
    changed_paths, diffs = list(pending.paths), []
    for entry in module.params["files"]:
        try:
            changed, change = converge(module, entry, pending)
        except (OSError, ValueError) as error:
            module.fail_json(msg=f"Cannot make {entry['path']}: {error}", changed_paths=changed_paths)
        if changed and entry["path"] not in changed_paths:
            changed_paths.append(entry["path"])
        diffs += change.diffs
    changed = bool(changed_paths) or pending.there
    if pending.there:
        names = {"before_header": module.params["pending"], "after_header": module.params["pending"]}
        diffs.append({**names, "before": "yet to be applied\n", "after": "applied\n"})
    if module.params["check"] and changed and not module.check_mode:
        failure = f"`{module.params['check']}` refuses what is in place, and the daemon goes on with what it had before; correct it"
        run(module, module.params["check"], failure)
    try:
        units = unit_states(module.run_command, module.params["units"])
    except ValueError as error:
        module.fail_json(msg=str(error), changed_paths=changed_paths)
    proven = not changed and prove(module.run_command, module.params["proofs"], units, check_mode=module.check_mode)
    module.exit_json(changed=changed, changed_paths=changed_paths, units=units, proven=proven, diff=diffs)


if __name__ == "__main__":
    main()
