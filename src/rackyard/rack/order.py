# SPDX-License-Identifier: GPL-3.0-or-later
"""One power job as a region handed it out: what it means here, how long it may take, and the shape of its result."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rackyard_core.power import registry
from rackyard_core.power.base import Bmc, PowerRefused
from rackyard_core.power.orders import PowerResult

_ORDERS = {"power_on": "on", "power_off": "off", "power_query": "query"}
# Regions of the release before give a time of their own clock instead of seconds.
_CLOCK_SLACK_S = 5.0
_MAX_LIMIT_S = 3600.0
_MAX_WARNINGS, _MAX_WARNING, _MAX_ERROR, _MAX_GIVEN = 10, 300, 1000, 10


class Superseded(Exception):
    """A newer order for the same machine came while this one waited."""


class Order:
    """A job. ``at`` is the monotonic time of the hand-out; only this host's own clock counts from there."""

    def __init__(self, job: dict[str, Any], at: float, now: datetime) -> None:
        self.id = int(job["id"])
        self.kind = str(job["kind"])
        self.epoch = int(job["epoch"])
        self.machine = str(job["machine"])
        self.hostname = job.get("hostname")
        # With a device only for a machine that is off, one that is on stays as it is: it may be starting already.
        self._restart = bool(job.get("boot_device"))
        self.boot_device: str | None = job.get("boot_device") or job.get("boot_device_if_off")
        self.expect_off = bool(job.get("expect_off"))
        self._power: dict[str, Any] = job["power"]
        self._options: dict[str, Any] = self._power.get("options") or {}
        self._limit_s = _limit_s(job, now)
        self._at = at

    @property
    def is_probe(self) -> bool:
        """Whether it only asks if the BMC answers here."""
        return self.kind == "power_probe"

    @property
    def changes_nothing(self) -> bool:
        """Whether it may be done while another order for the machine is under way."""
        return self.is_probe or self.kind == "power_query"

    @property
    def uefi(self) -> bool:
        """Whether the firmware shall boot in UEFI mode."""
        return self._options.get("power_boot_type") == "efi"

    @property
    def wanted(self) -> str:
        """The order as ``rackyard_core.power.orders`` has it. Raises PowerRefused for an unknown kind of job."""
        if self.kind not in _ORDERS:
            raise PowerRefused(f"job kind {self.kind!r} is not known to this rack; update the rack")
        wanted = _ORDERS[self.kind]
        if wanted == "off" and self._options.get("power_off_mode") == "soft":
            return "soft-off"
        # A machine that is already on must start anew to boot from the device that was ordered.
        return "cycle" if wanted == "on" and self._restart else wanted

    def bmc(self, networks: Sequence[str] = ()) -> Bmc:
        """The BMC to talk to, in ``networks`` if its driver goes by them. Raises PowerRefused when no driver can."""
        power = {**self._power, "bmc_networks": list(networks)}
        return registry.driver(str(power.get("type"))).bmc(power)

    def left_s(self, at: float) -> float:
        """Seconds that are left at the monotonic time ``at``."""
        return self._at + self._limit_s - at

    def check_time(self, at: float) -> None:
        """Raise PowerRefused when the time of the order is over: the region has given it up."""
        if self.left_s(at) <= 0:
            raise PowerRefused(
                f"the order expired: its {self._limit_s:.0f} s were over before the rack had done it; order again"
            )


def success(epoch: int, result: PowerResult) -> dict[str, Any]:
    """The report on a job that was done."""
    return {
        "epoch": epoch,
        "ok": True,
        "power_state": result.state,
        "warnings": [_cut(text, _MAX_WARNING) for text in result.warnings[:_MAX_WARNINGS]],
        "error": None,
        "error_kind": None,
        "took_seconds": result.took_seconds,
    }


def reached(epoch: int) -> dict[str, Any]:
    """The report on a probe whose BMC answered; nobody asked it for the power state."""
    return success(epoch, PowerResult("unknown", "unknown", changed=False))


def failure(epoch: int, kind: str, text: str, given: Sequence[str] | None = None) -> dict[str, Any]:
    """The report on a job that was not done, or of which nothing is known (``retry``).

    ``given`` are the commands that may have reached the BMC, None when nobody knows."""
    known = {} if given is None else {"given": list(given[:_MAX_GIVEN])}
    return known | {
        "epoch": epoch,
        "ok": False,
        "power_state": "unknown",
        "warnings": [],
        "error": _cut(text, _MAX_ERROR),
        "error_kind": kind,
        "took_seconds": 0.0,
    }


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _limit_s(job: dict[str, Any], now: datetime) -> float:
    if job.get("limit_s") is not None:
        return min(float(job["limit_s"]), _MAX_LIMIT_S)
    if not job.get("expires_at"):
        return _MAX_LIMIT_S
    moment = datetime.fromisoformat(str(job["expires_at"]).replace("Z", "+00:00"))
    until = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min((until - now).total_seconds() + _CLOCK_SLACK_S, _MAX_LIMIT_S)
