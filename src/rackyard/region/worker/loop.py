# SPDX-License-Identifier: GPL-3.0-or-later
"""A loop of timers, woken early when the desired state changes. One task at a time, one failure never stops another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.errors import RackyardError

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """Something to do every `period_s` seconds; `leader_only` if one worker of the site should do it; `on_change` if
    it is also due as soon as the desired state changes, but not sooner than `breath_s` after its last run: changes come
    in bursts, and systemd refuses a unit that is restarted too often."""

    name: str
    period_s: float
    run: Callable[[], object]
    leader_only: bool = True
    on_change: bool = False
    breath_s: float = 0.2


class Loop:
    """Runs tasks when they are due until it is told to stop."""

    def __init__(self, ctx: Context, tasks: Sequence[Task], leads: Callable[[], bool]) -> None:
        self._ctx = ctx
        self._tasks = tasks
        self._leads = leads
        self._due = {task.name: 0.0 for task in tasks}
        self._ended = {task.name: 0.0 for task in tasks}
        self._words: dict[str, str] = {}
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End after the task that runs now."""
        self._stopping.set()

    def run(self) -> None:
        """Run until `stop`."""
        with self._ctx.notifier.subscribe("rackyard_desired") as changed:
            while not self._stopping.is_set():
                self.once()
                pause_s = min(self._due.values()) - self._ctx.clock.monotonic()
                if changed.wait(min(max(pause_s, 0.0), 1.0)):
                    self.hurry()

    def hurry(self) -> None:
        """The desired state changed: what follows it is due, after its breath."""
        for task in self._tasks:
            if task.on_change:
                soon = self._ended[task.name] + task.breath_s
                self._due[task.name] = min(self._due[task.name], soon)

    def once(self) -> None:
        """Run every task that is due now."""
        leading = self._leads()
        for task in self._tasks:
            now = self._ctx.clock.monotonic()
            if self._due[task.name] > now or self._stopping.is_set():
                continue
            self._due[task.name] = now + task.period_s
            if leading or not task.leader_only:
                self._attempt(task)
                self._ended[task.name] = self._ctx.clock.monotonic()

    def _attempt(self, task: Task) -> None:
        try:
            task.run()
        except RackyardError as error:
            self._complain(task, error.message)
        except Exception as error:
            _log.exception("%s failed", task.name)
            self._complain(task, f"{type(error).__name__}: {error}")
        else:
            if self._words.pop(task.name, None):
                _log.info("%s works again", task.name)

    def _complain(self, task: Task, words: str) -> None:
        if self._words.get(task.name) != words:
            self._words[task.name] = words
            _log.error("%s: %s", task.name, words)
