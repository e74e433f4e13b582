# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of host_files: render every template here, send all of it at once."""

from __future__ import annotations

import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible.template import trust_as_template

from ..plugin_utils.look import ask


class ActionModule(ActionBase):
    """Render, look, and have the module write what is not as wanted."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give each file its content, and run the module once unless all is as wanted."""
        super().run(tmp, task_vars)
        variables = task_vars or {}
        entries = [self._with_content(dict(entry), variables) for entry in self._task.args.get("files") or []]
        arguments = {**self._task.args, "files": entries}
        wanted = {"arguments": arguments, "check_mode": self._task.check_mode}
        answer = ask(self, variables, ("host_file", "host_look"), "look", **wanted)
        if answer is not None:
            return answer
        result: dict[str, Any] = self._execute_module(
            module_name="rackyard.metal.host_files", module_args=arguments, task_vars=variables
        )
        result.pop("invocation", None)
        return result

    def _with_content(self, entry: dict[str, Any], variables: dict[str, Any]) -> dict[str, Any]:
        own = entry.pop("vars", None) or {}
        template = entry.pop("template", None)
        if entry.get("state") in ("directory", "absent") or entry.get("content") is not None or entry.get("copy_of"):
            return entry
        if not entry.get("path"):
            raise AnsibleActionFail("each of `files` needs a path")
        name = template or f"{str(entry['path']).lstrip('/')}.j2"
        entry["content"] = self._render(name, {**variables, **own})
        return entry

    def _render(self, name: str, variables: dict[str, Any]) -> str:
        """What the lookup plugin for templates gives, without the copy of all variables that it makes for each file."""
        path = self._template_path(name)
        templar = self._templar.copy_with_new_env(searchpath=[os.path.dirname(path)], available_variables=variables)
        text = trust_as_template(self._loader.get_text_file_contents(path))
        rendered = templar.template(text, escape_backslashes=False)
        return "" if rendered is None else str(rendered)

    def _template_path(self, name: str) -> str:
        return str(self._find_needle("templates", name))
