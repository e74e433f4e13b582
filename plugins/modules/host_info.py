#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say which Debian a host has, which packages are installed, and what is known of some users."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_info
short_description: Say which Debian, packages and users a host has
version_added: "0.1.0"
author: Rackyard contributors (@rackyard)
description:
  - Tells in one step what roles want to know before they install anything, so that they need neither all facts nor a question to APT each.
options:
  users:
    description: Users to tell about.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
  platform:
    platforms: debian
"""

EXAMPLES = r"""
- name: Look at the host
  rackyard.metal.host_info:
    users: [rackyard]
  register: host
"""

RETURN = r"""
release:
  description: Major version of Debian; empty on anything else, and on a Debian that has no number yet.
  type: str
  returned: success
  sample: "12"
name:
  description: What the system calls itself.
  type: str
  returned: success
  sample: Debian GNU/Linux 12 (bookworm)
packages:
  description: Names of the Debian packages that are installed.
  type: list
  elements: str
  returned: success
  sample: [adduser, apt]
groups:
  description: Names of all groups.
  type: list
  elements: str
  returned: success
  sample: [root, rackyard]
tables:
  description: Families and names of the tables of nftables that the kernel has; none where there is no program to ask.
  type: list
  elements: str
  returned: success
  sample: [inet rackyard]
users:
  description: Those of O(users) that the host has, by name.
  type: dict
  returned: success
  contains:
    comment:
      description: Its full name (GECOS).
      type: str
    home:
      description: Its home directory.
      type: str
    shell:
      description: Its shell.
      type: str
    groups:
      description: Names of the groups that it is in, the primary one among them.
      type: list
      elements: str
  sample: {"rackyard": {"comment": "Rackyard service", "home": "/var/lib/rackyard", "shell": "/usr/sbin/nologin", "groups": ["rackyard"]}}
"""

import grp
import pwd
from typing import Any

from ansible.module_utils.basic import AnsibleModule

OS_RELEASE = "/etc/os-release"
QUERY = ["dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Package}\\n"]


def system(text: str) -> tuple[str, str]:
    """Major version of Debian and name of the system, from what os-release(5) says."""
    said = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    words = {name: value.strip("\"'") for name, value in said.items()}
    release = words.get("VERSION_ID", "").split(".")[0] if words.get("ID") == "debian" else ""
    return release, words.get("PRETTY_NAME", "an unknown system")


def installed(lines: list[str]) -> list[str]:
    """Names of installed packages, from lines of a state and a name."""
    return [name for state, _space, name in (line.partition(" ") for line in lines) if state == "installed"]


def tables(module: AnsibleModule) -> list[str]:
    """Tables of nftables, which no program and no leave to ask leave empty."""
    nft = module.get_bin_path("nft", opt_dirs=["/usr/sbin"])
    out = module.run_command([nft, "list", "tables"])[1] if nft else ""
    return [line.removeprefix("table ") for line in out.splitlines()]


def user(name: str, groups: list[grp.struct_group]) -> dict[str, Any] | None:
    """What is known of a user, None when there is none of this name."""
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        return None
    member = [group.gr_name for group in groups if name in group.gr_mem or group.gr_gid == entry.pw_gid]
    return {"comment": entry.pw_gecos, "home": entry.pw_dir, "shell": entry.pw_shell, "groups": member}


def main() -> None:
    """Look and tell."""
    module = AnsibleModule(
        argument_spec={"users": {"type": "list", "elements": "str", "default": []}}, supports_check_mode=True
    )
    code, out, err = module.run_command(QUERY)
    if code != 0:
        module.fail_json(msg=f"dpkg does not list the packages of this host: {err.strip()}; is it a Debian?")
    with open(OS_RELEASE, encoding="utf-8") as file:
        release, name = system(file.read())
    groups = grp.getgrall()
    known = {name: user(name, groups) for name in module.params["users"]}
    module.exit_json(
        changed=False,
        release=release,
        name=name,
        packages=installed(out.splitlines()),
        groups=[group.gr_name for group in groups],
        tables=tables(module),
        users={name: entry for name, entry in known.items() if entry},
    )


if __name__ == "__main__":
    main()
