# SPDX-License-Identifier: GPL-3.0-or-later
"""Power jobs of the regions: one at a time per machine, many machines at once, each reported exactly once by the spool.

Every job that this rack answers for is *held*: it waits, is worked on, or its result waits in the spool. Regions are
told what is held, and hand out again what got lost on the way here.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rackyard.daemons import files
from rackyard.rack import order
from rackyard.rack.log import log
from rackyard.rack.order import Order, Superseded
from rackyard.rack.spool import Spool, SpoolFull
from rackyard_core.power.base import PowerError, PowerUnreachable
from rackyard_core.power.orders import DEFAULT_TIMEOUT_S, PowerResult, carry_out
from rackyard_core.power.pool import PoolMachine, PowerPool

_OFF_BY_ITSELF_S = 60.0
_OFF_POLL_S = 2.0
# What a report may take on its way before the region stops waiting for it.
_REPORT_S = 5.0
# A machine that switches itself off keeps its thread for up to a minute, and many end their commissioning at once.
THREADS = 256


class JobRunner:
    """Takes jobs from the poll loops and runs them. ``boots`` hears that a machine is about to boot."""

    def __init__(
        self,
        spool: Spool,
        pool: PowerPool,
        taken: Path,
        boots: Callable[[], None] = lambda: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        bmc_networks: Sequence[str] = (),
    ) -> None:
        self._spool = spool
        self._pool = pool
        self._taken = taken
        self._boots = boots
        self._now = now
        self._sleep = sleep
        self._clock = clock
        self._bmc_networks = tuple(bmc_networks)
        self._threads = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="job")
        self._lock = threading.Lock()
        self._epochs: dict[str, int] = {}
        self._machines: dict[str, threading.Lock] = {}
        self._working: set[int] = set()
        self._retried: set[int] = set()
        self._closing = threading.Event()
        self._reported = {int(item["job"]) for item in spool.waiting("result")}
        taken.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def slots(self) -> int:
        """How many more jobs can be begun now."""
        with self._lock:
            return max(0, THREADS - len(self._working))

    def held(self) -> list[int]:
        """Every job that this rack answers for."""
        with self._lock:
            return sorted(self._working | self._reported)

    def delivered(self, job_id: int) -> None:
        """A region has the result, or will never take it."""
        with self._lock:
            self._reported.discard(job_id)
            self._retried.discard(job_id)

    def report_cut_off(self) -> int:
        """At start: jobs that an earlier life of the agent took and never finished. Regions hand them out again."""
        cut_off = 0
        for path in sorted(self._taken.glob("*.json")):
            try:
                note = json.loads(path.read_bytes())
                job_id, epoch = int(note["id"]), int(note["epoch"])
            except (ValueError, KeyError, TypeError):
                # Cut off while it was written: the region misses it among the held jobs.
                path.unlink(missing_ok=True)
                continue
            if job_id in self._reported:
                path.unlink(missing_ok=True)
                continue
            text = "the rack's agent was restarted while it worked on this"
            self._retried.add(job_id)
            self._report(job_id, order.failure(epoch, "retry", text))
            cut_off += 1
        return cut_off

    def submit(self, job: dict[str, Any]) -> None:
        """Take one job as the region handed it out. Returns at once; a job that is held already is left as it is."""
        taken = Order(job, self._clock(), self._now())
        with self._lock:
            # A region that hands out what was to be retried has the report, whether or not we know that yet.
            if taken.id in self._working or taken.id in self._reported - self._retried:
                return
            self._reported.discard(taken.id)
            self._retried.discard(taken.id)
            self._working.add(taken.id)
            self._epochs[taken.machine] = max(self._epochs.get(taken.machine, 0), taken.epoch)
            self._machines.setdefault(taken.machine, threading.Lock())
        note = {"id": taken.id, "epoch": taken.epoch}
        try:
            files.replace(self._taken / f"{taken.id}.json", json.dumps(note).encode(), 0o600)
        except OSError as reason:
            # Without the note a restart says nothing about it, and the region hands it out again.
            log("warning", "job-not-noted", job=taken.id, reason=reason)
        if taken.boot_device is not None:
            self._boots()
        self._threads.submit(self._run, taken)

    def close(self) -> None:
        """Take nothing more; what runs is reported as cut off by the next life."""
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, taken: Order) -> None:
        began = self._clock()
        given: list[str] = []
        # A question need not wait until the machine is off: whoever asked would be told that nobody answered.
        turn = contextlib.nullcontext() if taken.changes_nothing else self._machines[taken.machine]
        with turn:
            try:
                result = self._do(taken, given)
            except Superseded as reason:
                result = order.failure(taken.epoch, "refused", str(reason), given)
            except PowerError as error:
                result = order.failure(taken.epoch, error.kind, str(error), given)
            except Exception as reason:  # the region must hear of every job, whatever went wrong here
                text = f"the rack's agent failed: {type(reason).__name__}: {reason}"
                result = order.failure(taken.epoch, "protocol", text, given)
        if self._closing.is_set() and not result["ok"]:
            return  # it failed because the workers were taken away
        result["took_seconds"] = round(self._clock() - began, 3)
        log(
            "info" if result["ok"] else "warning",
            "job-done",
            job=taken.id,
            kind=taken.kind,
            machine=taken.hostname,
            ok=result["ok"],
            power=result["power_state"],
            took_s=result["took_seconds"],
            error=result["error"],
        )
        self._report(taken.id, result)

    def _report(self, job_id: int, result: dict[str, Any]) -> None:
        with self._lock:
            self._reported.add(job_id)
            self._working.discard(job_id)
        try:
            self._spool.append("result", [{"job": job_id, "result": result}])
        except SpoolFull as reason:
            # Not held any more, so the region hands it out again.
            log("error", "result-lost", job=job_id, reason=reason)
            self.delivered(job_id)
        (self._taken / f"{job_id}.json").unlink(missing_ok=True)

    def _permit(self, taken: Order) -> None:
        """Asked before every call to the BMC, and again once it is this job's turn there."""
        with self._lock:
            newest = self._epochs[taken.machine]
        if newest > taken.epoch:
            raise Superseded(f"a newer order (epoch {newest}) replaced this one (epoch {taken.epoch})")
        taken.check_time(self._clock())

    def _do(self, taken: Order, given: list[str]) -> dict[str, Any]:
        if taken.is_probe:
            self._pool.knock(taken.bmc(self._bmc_networks), lambda: self._permit(taken))
            return order.reached(taken.epoch)
        return order.success(taken.epoch, self._power(taken, given))

    def _power(self, taken: Order, given: list[str]) -> PowerResult:
        machine = self._pool.machine(taken.bmc(self._bmc_networks), lambda: self._permit(taken), given)
        if taken.expect_off:
            return self._off(machine)
        wait_s = DEFAULT_TIMEOUT_S
        if taken.wanted == "soft-off":
            # The operating system may take its time, as long as there is some.
            wait_s = max(wait_s, taken.left_s(self._clock()) - _REPORT_S)
        return carry_out(
            machine, taken.wanted, taken.boot_device, wait_s, uefi=taken.uefi, clock=self._clock, sleep=self._sleep
        )

    def _off(self, machine: PoolMachine) -> PowerResult:
        """Let the machine switch itself off, as it was told to; force it when it does not."""
        began = self._clock()
        while self._clock() - began < _OFF_BY_ITSELF_S:
            # Many BMCs are silent for some seconds when their host's power changes.
            with contextlib.suppress(PowerUnreachable):
                if machine.state() == "off":
                    return PowerResult("off", "off", changed=False)
            self._sleep(_OFF_POLL_S)
        forced = carry_out(machine, "off", clock=self._clock, sleep=self._sleep)
        warning = f"the machine did not switch itself off within {_OFF_BY_ITSELF_S:.0f} s; it was forced off"
        return PowerResult(forced.before, forced.state, forced.changed, forced.actions, (*forced.warnings, warning))
