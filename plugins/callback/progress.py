# Copyright: Contributors to the Rackyard project
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One line for each task, with the time since the start, for people who watch a long run."""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: stdout
short_description: One line for each task, with the time since the start
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Shows what is being done and since when, and in full only what went wrong, what C(debug) says, and the recap.
  - On a terminal a task that changed nothing and was quick leaves no line behind.
extends_documentation_fragment:
  - default_callback
  - result_format_callback
"""

import sys
import time
from typing import Any

from ansible import constants as C
from ansible.plugins.callback.default import CallbackModule as Default

# A task that took this long is worth a line even if it changed nothing.
SLOW_S = 3.0
WIDTH = 118


class CallbackModule(Default):
    """The default output, with one short line where it has a banner and a line per host."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "rackyard.metal.progress"

    def __init__(self) -> None:
        super().__init__()
        self.started = self.task_started = time.monotonic()
        self.line = ""
        self.pending = False
        self.changed_hosts: list[str] = []
        self.terminal = sys.stdout.isatty()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A heading."""
        self._settle()
        self._play = play
        self._display.display(f"\n{play.get_name().strip()}", color=C.COLOR_HIGHLIGHT)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """What begins now."""
        self._settle()
        self._task_type_cache[task._uuid] = "TASK"
        self._last_task_name = None
        name = task.get_name().replace("rackyard.metal.", "").strip()
        if " : Validating arguments against arg spec" in name or task.action in C._ACTION_ALL_INCLUDES:
            return
        self.task_started = time.monotonic()
        minutes, seconds = divmod(int(self.task_started - self.started), 60)
        self.line = f"{minutes:3}:{seconds:02}  {name}"[:WIDTH]
        self.pending = True
        if self.terminal:
            sys.stdout.write(f"\r\033[K{self.line} …")
            sys.stdout.flush()
        else:
            self._display.display(self.line)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Handlers are tasks like others."""
        self.v2_playbook_on_task_start(task, False)

    def v2_playbook_on_cleanup_task_start(self, task: Any) -> None:
        """So are these."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Remembers who changed; shows only what ``debug`` says."""
        if result._task.action in C._ACTION_DEBUG and "msg" in result._result:
            self._settle()
            message = result._result["msg"]
            lines = message if isinstance(message, list) else str(message).splitlines()
            self._display.display("\n".join(f"        {line}" for line in lines))
        elif result._result.get("changed"):
            self.changed_hosts.append(result._host.get_name())

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Nothing happened."""

    def v2_runner_item_on_ok(self, result: Any) -> None:
        """The task's own result tells."""

    def v2_runner_item_on_skipped(self, result: Any) -> None:
        """Nothing happened."""

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """Their tasks show themselves."""

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """In full, after the line that says what was tried."""
        self._settle(keep=True)
        super().v2_runner_on_failed(result, ignore_errors)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """In full, after the line that says what was tried."""
        self._settle(keep=True)
        super().v2_runner_on_unreachable(result)

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """In full, after the line that says what was tried."""
        self._settle(keep=True)
        super().v2_runner_item_on_failed(result)

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The recap."""
        self._settle()
        super().v2_playbook_on_stats(stats)

    def _settle(self, keep: bool = False) -> None:
        """Ends the current line; on a terminal it goes unless it is worth keeping."""
        if not self.pending:
            return
        self.pending = False
        took_s = time.monotonic() - self.task_started
        notes = [f"changed: {', '.join(sorted(set(self.changed_hosts)))}"] if self.changed_hosts else []
        notes += [f"{took_s:.0f} s"] if took_s >= SLOW_S else []
        self.changed_hosts = []
        if self.terminal:
            sys.stdout.write("\r\033[K")
            if keep or notes:
                self._display.display(f"{self.line}  ({', '.join(notes)})" if notes else self.line)
        elif notes:
            self._display.display(f"        {', '.join(notes)}")
