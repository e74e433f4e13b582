# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of machine_test."""

from __future__ import annotations

from typing import Any

from ..module_utils import commission_task
from ..module_utils.rackyard_core.client import RegionClient
from ..module_utils.rackyard_core.commissioning import Tell
from ..plugin_utils.boot_action import BootAction


class ActionModule(BootAction):
    """Show each step of the boot when it happens."""

    MODULE = "rackyard.metal.machine_test"

    def spec(self) -> dict[str, Any]:
        """The module's argument spec."""
        return commission_task.test_spec()

    def work(self, client: RegionClient, options: dict[str, Any], check_mode: bool, tell: Tell) -> dict[str, Any]:
        """The module's work; its result. Raises RegionError."""
        return commission_task.test(client, options, check_mode, tell)
