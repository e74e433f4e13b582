# SPDX-License-Identifier: GPL-3.0-or-later
"""Power jobs of the regions: run by the process that owns the BMC, reported exactly once by the spool."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rackyard.daemons import files
from rackyard.rack.log import log
from rackyard.rack.spool import Spool
from rackyard_core.ipmi import Bmc, IpmiError, IpmiRefused, IpmiUnreachable, PowerResult
from rackyard_core.power_process import PowerPool

_OFF_BY_ITSELF_S = 60.0
_OFF_POLL_S = 2.0
_CLOCK_SLACK_S = 5.0
# A machine that switches itself off keeps its thread for up to a minute, and many end their commissioning at once.
_THREADS = 256
_ORDERS = {"power_on": "on", "power_off": "off", "power_query": "query"}


class Superseded(Exception):
    """A newer order for the same machine came while this one waited."""


class JobRunner:
    """Takes jobs from the poll loops and runs them, one at a time per machine, many machines at once."""

    def __init__(
        self,
        spool: Spool,
        pool: PowerPool,
        taken: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._spool = spool
        self._pool = pool
        self._taken = taken
        self._now = now
        self._sleep = sleep
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="job")
        self._lock = threading.Lock()
        self._epochs: dict[str, int] = {}
        self._machines: dict[str, threading.Lock] = {}
        taken.mkdir(parents=True, exist_ok=True, mode=0o700)

    def report_cut_off(self) -> int:
        """At start: jobs that an earlier life of the agent took and never finished. Their outcome is not known."""
        cut_off = sorted(self._taken.glob("*.json"))
        for path in cut_off:
            job = json.loads(path.read_bytes())
            text = "the rack's agent was restarted while it worked on this; ask for the power state, then order again"
            self._report(job["id"], _failure(job["epoch"], "protocol", text))
        return len(cut_off)

    def submit(self, job: dict[str, Any]) -> None:
        """Take one job as the region handed it out. Returns at once."""
        with self._lock:
            machine = str(job["machine"])
            self._epochs[machine] = max(self._epochs.get(machine, 0), int(job["epoch"]))
            self._machines.setdefault(machine, threading.Lock())
        note = {"id": job["id"], "epoch": job["epoch"]}
        files.replace(self._taken / f"{int(job['id'])}.json", json.dumps(note).encode(), 0o600)
        self._threads.submit(self._run, job)

    def close(self) -> None:
        """Take nothing more; what runs is reported as cut off by the next life."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, job: dict[str, Any]) -> None:
        began = time.monotonic()
        # A question need not wait until the machine is off: whoever asked would be told that nobody answered.
        turn = contextlib.nullcontext() if job["kind"] == "power_query" else self._machines[str(job["machine"])]
        with turn:
            try:
                self._refuse_stale(job)
                result = _success(job["epoch"], self._do(job))
            except Superseded as reason:
                result = _failure(job["epoch"], "refused", str(reason))
            except IpmiError as error:
                result = _failure(job["epoch"], error.kind, str(error))
            except Exception as reason:  # the region must hear of every job, whatever went wrong here
                text = f"the rack's agent failed: {type(reason).__name__}: {reason}"
                result = _failure(job["epoch"], "protocol", text)
        result["took_seconds"] = round(time.monotonic() - began, 3)
        log(
            "info" if result["ok"] else "warning",
            "job-done",
            job=job["id"],
            kind=job["kind"],
            machine=job.get("hostname"),
            ok=result["ok"],
            power=result["power_state"],
            took_s=result["took_seconds"],
            error=result["error"],
        )
        self._report(job["id"], result)

    def _report(self, job_id: Any, result: dict[str, Any]) -> None:
        self._spool.append("result", [{"job": int(job_id), "result": result}])
        (self._taken / f"{int(job_id)}.json").unlink(missing_ok=True)

    def _refuse_stale(self, job: dict[str, Any]) -> None:
        self._check_epoch(job)
        if job.get("expires_at"):
            late_s = (self._now() - _time(job["expires_at"])).total_seconds()
            if late_s > _CLOCK_SLACK_S:
                raise IpmiRefused(f"the order expired {late_s:.0f} s before the rack could run it; order again")

    def _check_epoch(self, job: dict[str, Any]) -> None:
        with self._lock:
            newest = self._epochs[str(job["machine"])]
        if newest > int(job["epoch"]):
            raise Superseded(f"a newer order (epoch {newest}) replaced this one (epoch {job['epoch']})")

    def _do(self, job: dict[str, Any]) -> PowerResult:
        power = job["power"]
        if power.get("type") != "ipmi":
            raise IpmiRefused(f"power type {power.get('type')!r} is not known to this rack; use ipmi")
        if job["kind"] not in _ORDERS:
            raise IpmiRefused(f"job kind {job['kind']!r} is not known to this rack; update the rack")
        bmc = Bmc(
            str(power["address"]),
            str(power.get("user") or ""),
            str(power.get("password") or ""),
            _port(power.get("port")),
        )
        if job.get("expect_off"):
            return self._off(job, bmc)
        options = power.get("options") or {}
        wanted, boot_device = _ORDERS[job["kind"]], job.get("boot_device")
        if wanted == "off" and options.get("power_off_mode") == "soft":
            wanted = "soft-off"
        if wanted == "on" and boot_device:
            # A machine that is already on must start anew to boot from the device that was ordered.
            wanted = "cycle"
        return self._pool.call(bmc, wanted, boot_device, uefi=options.get("power_boot_type") == "efi")

    def _off(self, job: dict[str, Any], bmc: Bmc) -> PowerResult:
        """Let the machine switch itself off, as it was told to; force it when it does not."""
        began = time.monotonic()
        while time.monotonic() - began < _OFF_BY_ITSELF_S:
            self._check_epoch(job)
            # Many BMCs are silent for some seconds when their host's power changes.
            with contextlib.suppress(IpmiUnreachable):
                result = self._pool.call(bmc, "query")
                if result.state == "off":
                    return result
            self._sleep(_OFF_POLL_S)
        forced = self._pool.call(bmc, "off")
        warning = f"the machine did not switch itself off within {_OFF_BY_ITSELF_S:.0f} s; it was forced off"
        return PowerResult(forced.before, forced.state, forced.changed, forced.actions, (*forced.warnings, warning))


def _success(epoch: Any, result: PowerResult) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "ok": True,
        "power_state": result.state,
        "warnings": list(result.warnings),
        "error": None,
        "error_kind": None,
    }


def _failure(epoch: Any, kind: str, text: str) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "ok": False,
        "power_state": "unknown",
        "warnings": [],
        "error": text,
        "error_kind": kind,
        "took_seconds": 0.0,
    }


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _port(value: Any) -> int:
    return int(value) if value else 623
