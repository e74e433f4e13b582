# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every module of action group rackyard.metal.region does around its own few lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule, env_fallback

from .rackyard_core import declared, rights
from .rackyard_core.client import RegionClient, RegionError
from .rackyard_core.declared import Kind
from .rackyard_core.region_options import region_client, region_options

# Option ``grants`` of accounts and groups.
GRANTS = {
    "type": "list",
    "elements": "dict",
    "options": {
        "role": {"type": "str", "choices": list(rights.ROLES), "default": rights.ROLES[0]},
        "pool": {"type": "str", "required": True},
    },
}

# An entry of option ``links`` of an interface.
LINK = {
    "mode": {"type": "str", "required": True, "choices": ["auto", "static", "dhcp", "link_up"]},
    "subnet": {"type": "str"},
    "ip_address": {"type": "str"},
}


def argument_spec(**own: Mapping[str, Any]) -> dict[str, Any]:
    """The module's own options and the connection's."""
    return {**own, **region_options(env_fallback)}


def declare(
    result: str,
    kind: Callable[[RegionClient], Kind],
    needed: tuple[str, ...] = (),
    one_of: tuple[str, ...] = (),
    states: tuple[str, ...] = ("present", "absent"),
    **own: Mapping[str, Any],
) -> None:
    """The whole of a module that declares one object of a kind, which may need what the region has.

    :param result: what it returns the object as.
    :param needed: options that an object that shall be there needs.
    :param one_of: options of which at most one is given.
    :param states: in which of these it can be wished.
    """
    module = AnsibleModule(
        argument_spec=argument_spec(state={"type": "str", "choices": list(states), "default": "present"}, **own),
        required_if=[("state", "present", needed)] if needed else [],
        mutually_exclusive=[one_of] if one_of else [],
        supports_check_mode=True,
    )

    def work(client: RegionClient) -> dict[str, Any]:
        plan, after = declared.ensure(client, kind(client), module.params, module.check_mode)
        return {**plan.result(), result: after}

    run(module, work)


def run(module: AnsibleModule, work: Callable[[RegionClient], dict[str, Any]]) -> None:
    """Call ``work`` with the client that the options describe and end the module with what it returns."""
    try:
        result = work(region_client(module.params))
    except RegionError as error:
        module.fail_json(msg=str(error), **error.details())
    except ValueError as error:
        module.fail_json(msg=str(error))
    module.exit_json(**result)
