# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controller side of modules that follow a boot: a module cannot print, so on a local connection the work is done
here."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase

from ..module_utils.rackyard_core.client import RegionClient, RegionError
from ..module_utils.rackyard_core.commissioning import Tell
from ..module_utils.rackyard_core.region_options import region_client


class BootAction(ActionBase):
    """Show each step of the boot when it happens."""

    _supports_check_mode = True
    _supports_async = False
    _supports_diff = True

    MODULE = ""

    def spec(self) -> dict[str, Any]:
        """The module's argument spec."""
        raise NotImplementedError

    def work(self, client: RegionClient, options: dict[str, Any], check_mode: bool, tell: Tell) -> dict[str, Any]:
        """The module's work; its result. Raises RegionError."""
        raise NotImplementedError

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Do the work in this process, or by the module on the host that the task is delegated to."""
        result = super().run(tmp, task_vars)
        if self._connection.transport not in ("local", "ansible.builtin.local"):
            return {**result, **self._execute_module(module_name=self.MODULE, task_vars=task_vars)}
        _validated, options = self.validate_argument_spec(self.spec())
        try:
            client = region_client(options)
            done = self.work(client, options, bool(self._task.check_mode), self._teller(options))
        except RegionError as error:
            return {**result, "failed": True, "msg": str(error), **error.details()}
        return {**result, **done}

    def _teller(self, options: dict[str, Any]) -> Tell:
        hostname = options["hostname"]
        return lambda text: self._display.display(f"{hostname}: {text}")
