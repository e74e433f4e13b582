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
  - It shows no diffs. Use C(ansible.builtin.default) for those.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ansible import constants as C
from ansible.plugins.callback import CallbackBase
from ansible.utils.display import Display

# A task that took this long is worth a line even if it changed nothing.
SLOW_S = 3.0
WIDTH = 118
DEBUG = ("debug", "ansible.builtin.debug")
INCLUDES = tuple(
    prefix + name
    for prefix in ("", "ansible.builtin.")
    for name in ("include_tasks", "import_tasks", "include_role", "import_role")
)
# What a failed task may say besides its message, in the order in which a person wants it.
WORDS = ("stderr", "module_stderr", "stdout", "module_stdout")
# As the stock recap names them, for whoever reads it with a program.
RECAP = {
    "ok": "ok",
    "changed": "changed",
    "unreachable": "unreachable",
    "failed": "failures",
    "skipped": "skipped",
    "rescued": "rescued",
    "ignored": "ignored",
}


class CallbackModule(CallbackBase):
    """Uses the public interface of callbacks only: inside, each release of ansible-core may change them."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "rackyard.metal.progress"

    def __init__(self) -> None:
        super().__init__()
        self.display = Display()
        self.started = self.task_started = time.monotonic()
        self.line = ""
        self.pending = False
        self.changed_hosts: list[str] = []
        self.terminal = sys.stdout.isatty()

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """A heading."""
        self.settle()
        self.display.display(f"\n{play.get_name().strip()}", color=C.COLOR_HIGHLIGHT)

    def v2_playbook_on_no_hosts_matched(self) -> None:
        """Said, because everything after it would look as if it had been done."""
        self.display.display("        no hosts matched", color=C.COLOR_SKIP)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """What begins now."""
        self.settle()
        name = task.get_name().replace("rackyard.metal.", "").strip()
        if " : Validating arguments against arg spec" in name or task.action in INCLUDES:
            return
        self.task_started = time.monotonic()
        minutes, seconds = divmod(int(self.task_started - self.started), 60)
        self.line = f"{minutes:3}:{seconds:02}  {name}"[:WIDTH]
        self.pending = True
        if self.terminal:
            sys.stdout.write(f"\r\033[K{self.line} …")
            sys.stdout.flush()
        else:
            self.display.display(self.line)

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Handlers are tasks like others."""
        self.v2_playbook_on_task_start(task, False)

    def v2_playbook_on_cleanup_task_start(self, task: Any) -> None:
        """So are these."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Remembers who changed; shows only what ``debug`` says."""
        if result.task.action in DEBUG and "msg" in result.result:
            self.settle()
            message = result.result["msg"]
            lines = message if isinstance(message, list) else str(message).splitlines()
            self.display.display("\n".join(f"        {line}" for line in lines))
        elif result.result.get("changed"):
            self.changed_hosts.append(result.host.get_name())

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """In full, after the line that says what was tried."""
        self.failed(result, "failed, which is expected here" if ignore_errors else "FAILED")

    def v2_runner_item_on_failed(self, result: Any) -> None:
        """In full, after the line that says what was tried."""
        label = result.result.get("_ansible_item_label", result.result.get("item"))
        self.failed(result, f"FAILED for {label}" if label is not None else "FAILED")

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """In full, after the line that says what was tried."""
        self.failed(result, "UNREACHABLE")

    def v2_runner_retry(self, result: Any) -> None:
        """Somebody who watches wants to know what is waited for."""
        left = result.result.get("retries", 0) - result.result.get("attempts", 0)
        if self.terminal and self.pending:
            sys.stdout.write(f"\r\033[K{self.line} … tried again, {left} tries left")
            sys.stdout.flush()

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """The recap."""
        self.settle()
        self.display.display("")
        for host in sorted(stats.processed):
            counts = stats.summarize(host)
            bad = counts["failures"] or counts["unreachable"]
            color = C.COLOR_ERROR if bad else C.COLOR_CHANGED if counts["changed"] else C.COLOR_OK
            shown = " ".join(f"{f'{name}={counts[key]}':<14}" for name, key in RECAP.items())
            self.display.display(f"{host:<26} : {shown.rstrip()}", color=color)

    def failed(self, result: Any, what: str) -> None:
        """The host, what it means, and everything that the task said."""
        self.settle(keep=True)
        words = "\n".join(f"        {line}" for line in said(result.result))
        self.display.display(f"        {result.host.get_name()}: {what}\n{words}", color=C.COLOR_ERROR, stderr=True)

    def settle(self, keep: bool = False) -> None:
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
                self.display.display(f"{self.line}  ({', '.join(notes)})" if notes else self.line)
        elif notes:
            self.display.display(f"        {', '.join(notes)}")


def said(result: Mapping[str, Any]) -> Iterator[str]:
    """Lines of a failed task's message and output. A loop's items have said theirs already."""
    yield from str(result.get("msg", "no message")).splitlines()
    if "rc" in result:
        yield f"exit status {result['rc']}"
    for name in WORDS:
        text = str(result.get(name) or "").strip()
        if text:
            yield f"{name.removeprefix('module_')}:"
            yield from (f"  {line}" for line in text.splitlines())
