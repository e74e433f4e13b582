#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Say what is in a backup of a site, having held every file in it against its hash."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_info
short_description: Check a backup of a site and say what is in it
version_added: "0.1.0"
author: Rackyard contributors (@rackyard)
description:
  - Reads the whole of an archive that the playbook C(rackyard.metal.backup) made, and holds every file in it against the size and the hash that
    the archive's manifest names.
  - Fails with the name of the file that is damaged, missing or not named.
options:
  path:
    description: The archive.
    type: path
    required: true
  newest_schema:
    description: Number of the newest schema of the database that is known here. An archive of a newer one is refused.
    type: int
  keys:
    description: Whether RV(key_files) has the keys of the site. They are secret, so the task needs C(no_log).
    type: bool
    default: false
extends_documentation_fragment:
  - ansible.builtin.action_common_attributes
attributes:
  check_mode:
    support: full
    description: Changes nothing in any mode.
  diff_mode:
    support: none
  platform:
    platforms: posix
"""

EXAMPLES = r"""
- name: Read the backup
  rackyard.metal.backup_info:
    path: backups/rackyard-region1.tar
  delegate_to: localhost
"""

RETURN = r"""
version:
  description: Release of Rackyard that made it.
  type: str
  returned: success
  sample: 0.1.0
schema:
  description: Number of the schema of its database.
  type: int
  returned: success
  sample: 11
taken_at:
  description: When it was taken; the database is as it was at this moment.
  type: str
  returned: success
  sample: "2026-01-31T02:00:00+00:00"
region:
  description: Name of the region that made it.
  type: str
  returned: success
  sample: region1
holds:
  description: How many machines, racks and subnets its database has.
  type: dict
  returned: success
  sample: {"machines": 40, "racks": 2, "subnets": 3}
sha256:
  description: Tells this backup from any other.
  type: str
  returned: success
  sample: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
files:
  description: Names of the files in it.
  type: list
  elements: str
  returned: success
  sample: [database.dump, etc/rackyard/secrets.key]
key_files:
  description: The content of the site's keys, by their paths on a region.
  type: dict
  returned: when O(keys)
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils.rackyard_core import archive


def told(path: Path, newest_schema: int | None, *, keys: bool) -> dict[str, Any]:
    """What the module returns. Raises ArchiveError naming what is wrong."""
    manifest = archive.verify(path)
    facts = manifest.facts
    if newest_schema is not None and facts.schema > newest_schema:
        raise archive.ArchiveError(
            f"{path} is of Rackyard {facts.version} with schema {facts.schema}; this release knows {newest_schema}: "
            "use that one or a newer one"
        )
    found = {
        "version": facts.version, "schema": facts.schema, "taken_at": facts.taken_at, "region": facts.region,
        "holds": dict(facts.holds), "sha256": manifest.sha256, "files": manifest.paths(""),
    }  # fmt: skip
    if keys:
        return found | {
            "key_files": {f"/{each}": archive.read(path, each).decode() for each in manifest.paths(archive.KEYS)}
        }
    return found


def main() -> None:
    """Read and tell."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "newest_schema": {"type": "int"},
            "keys": {"type": "bool", "default": False, "no_log": False},
        },
        supports_check_mode=True,
    )
    given = module.params
    try:
        module.exit_json(changed=False, **told(Path(given["path"]), given["newest_schema"], keys=given["keys"]))
    except archive.ArchiveError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
