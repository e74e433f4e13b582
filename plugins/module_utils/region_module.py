# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of action group rackyard.metal.region does around its own few lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

from .rackyard_core.client import RegionClient, RegionError
from .rackyard_core.region_options import region_client, region_options


def argument_spec(**own: Mapping[str, Any]) -> dict[str, Any]:
    """The module's own options and the connection's."""
    return {**own, **region_options(env_fallback)}


def run(module: AnsibleModule, work: Callable[[RegionClient], dict[str, Any]]) -> None:
    """Call ``work`` with the client that the options describe and end the module with what it returns."""
    try:
        result = work(region_client(module.params))
    except RegionError as error:
        module.fail_json(msg=str(error), **error.details())
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)
