# SPDX-License-Identifier: GPL-3.0-or-later
"""Timers, a thread each: a task that takes long, or hangs, keeps no other waiting, and never runs twice at a time.

By the monotonic clock, unlike schedulers that reckon in wall time: chrony may step a host's clock by hours after a
start, and deadlines must not wait for that."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.notifier import Subscription
from rackyard.region.errors import RackyardError

# How long `run` waits for tasks when it was told to stop; what they had not committed by then never happened.
GRACE_S = 8.0
# No task takes as long: statements of the worker end after four minutes.
HANGS_S = 300.0
_TICK_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Task:
    """Something to do every `period_s` seconds; `leader_only` if one worker of the site should do it; `on_change` if
    it is also due as soon as the desired state changes, `on_names` as soon as names of machines do, but not sooner than
    `breath_s` after its last run: changes come in bursts, and systemd refuses a unit that is restarted too often."""

    name: str
    period_s: float
    run: Callable[[], object]
    leader_only: bool = True
    on_change: bool = False
    on_names: bool = False
    breath_s: float = 0.2


class _Timer:
    """When a task is due. Its own thread asks and waits; another one may hurry it."""

    def __init__(self, task: Task, monotonic: Callable[[], float]) -> None:
        self.task = task
        self._monotonic = monotonic
        self._due = self._ended = 0.0
        self._began: float | None = None
        self._again = False
        self._hurried = threading.Condition()

    def wait(self) -> bool:
        """Wait for at most a tick; whether the task is due, which counts as begun then."""
        with self._hurried:
            pause_s = self._due - self._monotonic()
            if pause_s > 0:
                self._hurried.wait(min(pause_s, _TICK_S))
                if self._due > self._monotonic():
                    return False
            self._due = self._monotonic() + self.task.period_s
            self._again = False
            return True

    def began(self) -> None:
        """The task runs."""
        self._began = self._monotonic()

    def hangs(self) -> bool:
        """Whether the task has been running for far too long."""
        began = self._began
        return began is not None and self._monotonic() - began > HANGS_S

    def ended(self) -> None:
        """The task has run; when it was hurried meanwhile it may not have seen why, and is due after its breath."""
        self._began = None
        with self._hurried:
            self._ended = self._monotonic()
            if self._again:
                self._due = min(self._due, self._ended + self.task.breath_s)

    def hurry(self) -> None:
        """The task is due soon."""
        with self._hurried:
            self._again = True
            self._due = min(self._due, self._ended + self.task.breath_s)
            self._hurried.notify()


class Loop:
    """Runs tasks when they are due until it is told to stop. Calls `alive` again and again, unless a task has been
    running for HANGS_S seconds: a task that hangs is a worker that hangs, which systemd then starts anew."""

    def __init__(
        self, ctx: Context, tasks: Sequence[Task], leads: Callable[[], bool], alive: Callable[[], None] = lambda: None
    ) -> None:
        self._ctx = ctx
        self._timers = [_Timer(task, ctx.clock.monotonic) for task in tasks]
        self._leads = leads
        self._alive = alive
        self._leading = False
        self._stopping = threading.Event()

    def stop(self) -> None:
        """End soon; may be called by a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Run until `stop`."""
        self._leading = self._leads()
        threads = [
            threading.Thread(target=self._follow, args=(timer,), name=timer.task.name, daemon=True)
            for timer in self._timers
        ]
        subscribe = self._ctx.notifier.subscribe
        with subscribe("rackyard_desired") as changed, subscribe("rackyard_names") as named:
            threads.append(threading.Thread(target=self._follow_names, args=(named,), name="names", daemon=True))
            for thread in threads:
                thread.start()
            while not self._stopping.is_set():
                if changed.wait(_TICK_S):
                    self._hurry(lambda task: task.on_change)
                if not any(timer.hangs() for timer in self._timers):
                    self._alive()
                self._leading = self._leads()
        give_up_at = self._ctx.clock.monotonic() + GRACE_S
        for thread in threads:
            thread.join(max(0.0, give_up_at - self._ctx.clock.monotonic()))

    def _follow_names(self, named: Subscription) -> None:
        """Until the end: names of machines changed."""
        while not self._stopping.is_set():
            if named.wait(_TICK_S):
                self._hurry(lambda task: task.on_names)

    def _hurry(self, follows: Callable[[Task], bool]) -> None:
        """What follows a change is due, after its breath."""
        for timer in self._timers:
            if follows(timer.task):
                timer.hurry()

    def _follow(self, timer: _Timer) -> None:
        """The life of one task."""
        words = ""
        while not self._stopping.is_set():
            if timer.wait() and (self._leading or not timer.task.leader_only):
                timer.began()
                words = _attempt(timer.task, words)
                timer.ended()


def _attempt(task: Task, words: str) -> str:
    """Run a task once; what it complains of, empty when it went well. The same complaint is logged once."""
    try:
        task.run()
    except RackyardError as error:
        complaint = error.message
    except Exception as error:
        _log.exception("%s failed", task.name)
        complaint = f"{type(error).__name__}: {error}"
    else:
        if words:
            _log.info("%s works again", task.name)
        return ""
    if complaint != words:
        _log.error("%s: %s", task.name, complaint)
    return complaint
