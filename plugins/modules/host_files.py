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
  - Does what M(ansible.builtin.template) and M(ansible.builtin.file) do in a loop, without their cost for each item.
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
        description: Whether it is a file or a directory. The directory of a file must be there, or come before it.
        type: str
        choices: [file, directory]
        default: file
      template:
        description: Template of a file, searched for as usual. By default O(files[].path) without its first slash, and C(.j2).
        type: str
      content:
        description: Content of a file, in place of a template.
        type: str
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
        type: str
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    description: Compares everything and changes nothing. Files are not validated.
  diff_mode:
    support: full
    description: Shows what changes in each file.
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
"""

RETURN = r"""
changed_paths:
  description: Paths that were, or in check mode would be, changed.
  type: list
  elements: str
  returned: success
  sample: [/etc/example/example.toml]
"""

import grp
import os
import pwd
import shlex
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule

BEGIN = "# BEGIN rackyard.metal\n"
END = "# END rackyard.metal\n"

FILE_SPEC: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["file", "directory"], "default": "file"},
    "template": {"type": "str"},
    "content": {"type": "str"},
    "vars": {"type": "dict"},
    "force": {"type": "bool", "default": True},
    "block": {"type": "bool", "default": False},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str"},
    "validate": {"type": "str"},
}


def read(path: str) -> bytes | None:
    """Content of a file, None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def shown(content: bytes | None) -> str:
    """Content for diff mode."""
    if content is None:
        return ""
    return content.decode("utf-8", errors="replace")


def ids(entry: dict[str, Any]) -> tuple[int, int] | None:
    """Numbers of the owner and the group, None when one of them is unknown here."""
    try:
        return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError:
        return None


def mode_of(entry: dict[str, Any]) -> str:
    """The wanted permissions."""
    return entry["mode"] or ("0644" if entry["state"] == "file" else "0755")


def validate(module: AnsibleModule, entry: dict[str, Any], candidate: str) -> None:
    """Fail with the checker's words unless it accepts the candidate."""
    command = [word.replace("%s", candidate) for word in shlex.split(entry["validate"])]
    code, out, err = module.run_command(command)
    if code != 0:
        module.fail_json(msg=f"{entry['path']} is refused by its check and stays as it was: {(err or out).strip()}")


def put(module: AnsibleModule, entry: dict[str, Any], owner: tuple[int, int]) -> None:
    """Write beside, with the final owner and permissions, then move into place: nobody sees half a file, or a secret."""
    folder, name = os.path.split(entry["path"])
    if not os.path.isdir(folder):
        module.fail_json(msg=f"There is no directory {folder} for {name}; name it before the file")
    descriptor, beside = tempfile.mkstemp(dir=folder, prefix=f".{name}.")
    module.add_cleanup_file(beside)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(entry["content"] or "")
    os.chown(beside, *owner)
    os.chmod(beside, int(mode_of(entry), 8))
    if entry["validate"]:
        validate(module, entry, beside)
    os.replace(beside, entry["path"])


def directory_diff(path: str) -> dict[str, str] | None:
    """What making the directory would change. Raises ValueError when something else is in the way."""
    if os.path.isdir(path):
        return None
    if os.path.lexists(path):
        raise ValueError(f"{path} is not a directory; move it away")
    return {"before_header": path, "after_header": path, "before": "absent\n", "after": "directory\n"}


def file_diff(path: str, wanted: str, *, force: bool) -> dict[str, str] | None:
    """What would change in the file's content. Raises ValueError when something else is in the way."""
    if os.path.lexists(path) and not os.path.isfile(path):
        raise ValueError(f"{path} is not a file; move it away")
    content = read(path)
    if content is not None and (not force or content == wanted.encode()):
        return None
    return {"before_header": path, "after_header": path, "before": shown(content), "after": wanted}


def with_the_rest(path: str, block: str) -> str:
    """The block between its marks, followed by what else the file has. Raises ValueError when an end mark is missing."""
    before, begin, after = (read(path) or b"").decode("utf-8").partition(BEGIN)
    _old, end, rest = after.partition(END)
    if begin and not end:
        raise ValueError(f"it has the line {BEGIN.strip()!r} without {END.strip()!r}; put it back")
    body = block if block.endswith("\n") else f"{block}\n"
    return f"{BEGIN}{body}{END}{before}{rest}"


def converge(module: AnsibleModule, entry: dict[str, Any]) -> tuple[bool, dict[str, str] | None]:
    """Bring one entry to its state; whether it changed, and the diff of its content."""
    path, owner = entry["path"], ids(entry)
    if entry["state"] == "directory":
        diff = directory_diff(path)
    else:
        if entry["block"]:
            entry = {**entry, "content": with_the_rest(path, entry["content"] or "")}
        diff = file_diff(path, entry["content"] or "", force=entry["force"])
    if module.check_mode and (diff or owner is None):
        # An earlier task would have made whoever is missing.
        return True, diff
    if owner is None:
        module.fail_json(msg=f"{path} is to belong to {entry['owner']}:{entry['group']}, who is unknown on this host")
    if diff and entry["state"] == "directory":
        os.makedirs(path)
    elif diff:
        put(module, entry, owner)
    wanted = {
        "path": path,
        "owner": str(owner[0]),
        "group": str(owner[1]),
        "mode": mode_of(entry),
        "attributes": None,
        "secontext": module.selinux_default_context(path),
    }
    return module.set_fs_attributes_if_different(wanted, bool(diff)), diff


def main() -> None:
    """Go through the list."""
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": FILE_SPEC}},
        supports_check_mode=True,
    )
    changed_paths, diffs = [], []
    for entry in module.params["files"]:
        if not os.path.isabs(entry["path"]):
            module.fail_json(msg=f"{entry['path']} is not an absolute path")
        try:
            changed, diff = converge(module, entry)
        except (OSError, ValueError) as error:
            module.fail_json(msg=f"Cannot make {entry['path']}: {error}", changed_paths=changed_paths)
        if changed:
            changed_paths.append(entry["path"])
        if diff:
            diffs.append(diff)
    module.exit_json(changed=bool(changed_paths), changed_paths=changed_paths, diff=diffs)


if __name__ == "__main__":
    main()
