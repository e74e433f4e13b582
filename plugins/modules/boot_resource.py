#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: boot_resource
short_description: Upload an image to the region, or remove it
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Uploads a tarball of a root file system or a disk image, as packer-maas makes them, or removes one.
  - A file whose SHA-256 the region has already is not sent again. One that changed becomes the new version of the image; the region keeps the one before until
    it has the whole new one.
  - It is sent in chunks of 4 MiB. When it breaks off, the next run goes on where it stopped, and so does this one when a region dies behind a gateway.
  - The images that machines boot for commissioning are made and registered by playbook C(rackyard.metal.image), and not touched by this module.
extends_documentation_fragment:
  - rackyard.metal.attributes
  - rackyard.metal.attributes.region
  - rackyard.metal.region
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  state:
    description: Whether the region has the image.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: Name of the image as C(os/release). One without a slash gets C(custom/) before it, as in MAAS.
    type: str
    required: true
  architecture:
    description: Architecture of the machines that it is for.
    type: str
    default: amd64
  path:
    description: The file, on the host where the module runs. Needed for O(state=present).
    type: path
  filetype:
    description: Type of the file in MAAS's words. By default the end of its name says it, such as V(tgz) for C(.tar.gz) or V(ddgz) for C(.dd.gz).
    type: str
    choices: [tgz, tbz, txz, ddtgz, ddtbz, ddtxz, ddtar, ddbz2, ddgz, ddxz, ddraw]
  title:
    description: What people call it. Left as it is when not given.
    type: str
  timeout_s:
    description: How long to wait for a region that does not answer, and for the check of the whole file, in seconds.
    type: float
    default: 300
"""

EXAMPLES = r"""
- name: Upload what packer-maas has built
  rackyard.metal.boot_resource:
    region_url: http://region1.example.org:5240/MAAS
    api_key: "{{ rackyard_api_key }}"
    name: custom/web
    title: Debian for web servers
    path: custom-web.tar.gz
  delegate_to: localhost

- name: Upload a disk image whose name says nothing
  rackyard.metal.boot_resource:
    name: rocky/9
    path: /srv/images/rocky-9
    filetype: ddgz
  delegate_to: localhost

- name: Remove an image
  rackyard.metal.boot_resource:
    name: custom/web
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
boot_resource:
  description: The image with its newest complete file, empty when it is absent. In check mode as it would be; a new one has no id yet.
  returned: success
  type: dict
  sample:
    id: 7
    name: custom/web
    architecture: amd64/generic
    title: Debian for web servers
    complete: true
    filetype: root-tgz
    sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
    size: 731906048
progress:
  description: How the upload went, empty when nothing was sent.
  returned: success
  type: str
  sample: "sent 690.0 of 698.0 MiB in 12.4 s (55.6 MiB/s); 8.0 MiB were there from an earlier run"
actions:
  description: What was done, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: ["upload image custom/web (amd64/generic)"]
status:
  description: HTTP status of the region's refusal, 0 when it did not answer.
  returned: when the region refused or could not be reached
  type: int
  sample: 400
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import region_module
from ..module_utils.rackyard_core import boot_resources, filetypes
from ..module_utils.rackyard_core.boot_resources import LocalFile, Sender, Wish
from ..module_utils.rackyard_core.client import RegionClient
from ..module_utils.rackyard_core.patience import Patience

_POLL_S = 2.0


def ensure(client: RegionClient, options: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Read, decide, and act outside check mode."""
    file = LocalFile.read(options["path"], options["filetype"]) if options["state"] == "present" else None
    wish = Wish.of(options["name"], options["architecture"], options["title"])
    row = boot_resources.find(client, wish)
    plan = boot_resources.plan_for(boot_resources.view_of(row), wish, file)
    after, progress = dict(plan.after), ""
    if plan.changed and not check_mode:
        if file is None:
            client.delete(f"{boot_resources.PATH}{row['id']}/")
        else:
            sender = Sender(client, wish, file, Patience(options["timeout_s"], _POLL_S))
            sender.send(row)
            progress = sender.words
            after = boot_resources.view_of(boot_resources.find(client, wish))
    return {**plan.result(), "boot_resource": after, "progress": progress}


def main() -> None:
    module = AnsibleModule(
        argument_spec=region_module.argument_spec(
            state={"type": "str", "choices": ["present", "absent"], "default": "present"},
            name={"type": "str", "required": True},
            architecture={"type": "str", "default": "amd64"},
            path={"type": "path"},
            filetype={"type": "str", "choices": list(filetypes.FILES)},
            title={"type": "str"},
            timeout_s={"type": "float", "default": 300},
        ),
        required_if=[("state", "present", ["path"])],
        supports_check_mode=True,
    )
    region_module.run(module, lambda client: ensure(client, module.params, module.check_mode))


if __name__ == "__main__":
    main()
