# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of daemons_settled: what roles would tell role daemon, asked of the host at once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleActionFail

from ..plugin_utils.look import ask
from .host_files import ActionModule as HostFiles

ROLES = Path(__file__).resolve().parent.parent.parent / "roles"
SHARED = "daemon"
IMPORTS = f"rackyard.metal.{SHARED}"
# What other tasks of the role find out, which are not run here.
UNKNOWN_HERE = "daemon_must_restart"


class ActionModule(HostFiles):
    """Ask whether the daemons of several roles are as wanted; what is odd counts as not settled."""

    _role = SHARED

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Whether the roles would find nothing to do on this host."""
        variables = task_vars or {}
        roles = [str(name) for name in self._task.args.get("roles") or []]
        unknown = [name for name in roles if not (ROLES / name / "tasks" / "main.yml").is_file()]
        if unknown:
            raise AnsibleActionFail(f"there are no roles {', '.join(unknown)} in this collection")
        scopes = {name: self._scope(name, variables) for name in roles}
        # A package that is missing, or packages that nobody has looked at yet: that is for the role.
        if any(self._value(scope, "__daemon_missing") for scope in scopes.values()):
            return {"changed": False, "settled": False}
        daemons = [self._wanted(name, scope) for name, scope in scopes.items()]
        look = {"daemons": daemons, "check_mode": self._task.check_mode}
        answer = ask(self, variables, ("host_file", "host_look"), "settled", **look) or {}
        return {"changed": False, "settled": bool(answer) and self._all_rest(scopes, answer["units"])}

    def _scope(self, role: str, variables: dict[str, Any]) -> dict[str, Any]:
        """The variables that role daemon has when the role imports it."""
        told: dict[str, Any] = {}
        for task in self._read(role, "tasks"):
            if (task.get("ansible.builtin.import_role") or {}).get("name") == IMPORTS:
                told.update(task.get("vars") or {})
        if not told:
            raise AnsibleActionFail(f"role {role} does not import role {SHARED}")
        told.pop(UNKNOWN_HERE, None)
        own = {**self._read(SHARED, "vars"), **self._read(role, "vars"), **told}
        return {**self._read(role, "defaults"), **variables, **own, "role_path": str(ROLES / role)}

    def _read(self, role: str, kind: str) -> Any:
        path = ROLES / role / kind / "main.yml"
        return (self._loader.load_from_file(str(path), trusted_as_template=True) or {}) if path.is_file() else {}

    def _value(self, scope: dict[str, Any], name: str) -> Any:
        return self._templar.copy_with_new_env(available_variables=scope).template(scope.get(name))

    def _wanted(self, role: str, scope: dict[str, Any]) -> dict[str, Any]:
        self._role = role
        return {
            "files": [self._with_content(dict(entry), scope) for entry in self._value(scope, "__daemon_files")],
            "pending": self._value(scope, "__daemon_pending"),
            "units": self._value(scope, "daemon_units"),
            "proofs": self._value(scope, "daemon_proofs") or [],
        }

    def _template_path(self, name: str) -> str:
        """Where the role has a template, or role daemon for it."""
        paths = [str(ROLES / role / "templates" / name) for role in (self._role, SHARED)]
        found = [path for path in paths if os.path.isfile(path)]
        if not found:
            raise AnsibleActionFail(f"role {self._role} has no template {name}")
        return found[0]

    def _all_rest(self, scopes: dict[str, dict[str, Any]], units: dict[str, Any]) -> bool:
        """Whether no unit is amiss, as role daemon would see it."""
        written = {"__daemon_written": {"units": units}}
        return not any(
            self._value({**scope, **written, "daemon_units": self._value(scope, "daemon_units")}, "__daemon_amiss")
            for scope in scopes.values()
        )
