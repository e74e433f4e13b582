# SPDX-License-Identifier: GPL-3.0-or-later
"""systemctl, as an unprivileged user whom polkit allows these verbs on these units."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Protocol

_SETTLE_S = 0.4
_START_S = 10.0


class Supervisor(Protocol):
    """Starts, stops and watches units."""

    def act(self, verb: str, unit: str) -> str:
        """Run one verb on one unit; empty text when it worked, else the reason."""

    def is_active(self, unit: str) -> bool:
        """True when the unit runs now."""

    def stays_active(self, unit: str) -> bool:
        """True when the unit comes up and is still up a moment later."""


class Systemd:
    """Supervisor by systemctl(1)."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep, timeout_s: float = 60.0) -> None:
        self._sleep = sleep
        self._timeout_s = timeout_s

    def act(self, verb: str, unit: str) -> str:
        """Run one verb on one unit; empty text when it worked, else systemctl's words."""
        try:
            done = subprocess.run(
                ["systemctl", "--no-ask-password", verb, f"{unit}.service"],
                capture_output=True,
                text=True,
                timeout=self._timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"systemctl {verb} {unit} did not end within {self._timeout_s:.0f} s"
        except OSError as reason:
            return f"systemctl cannot be run: {reason}"
        return "" if done.returncode == 0 else (done.stderr.strip() or f"systemctl {verb} {unit} failed")

    def is_active(self, unit: str) -> bool:
        """True when systemctl calls the unit active."""
        return self._state(unit) == "active"

    def stays_active(self, unit: str) -> bool:
        """Wait until the unit is active, then look again: a daemon that dies of its configuration dies at once."""
        deadline = time.monotonic() + _START_S
        while (state := self._state(unit)) in ("activating", "reloading", "deactivating"):
            if time.monotonic() > deadline:
                return False
            self._sleep(0.1)
        if state != "active":
            return False
        self._sleep(_SETTLE_S)
        return self.is_active(unit)

    def _state(self, unit: str) -> str:
        try:
            done = subprocess.run(
                ["systemctl", "show", "--property=ActiveState", "--value", f"{unit}.service"],
                capture_output=True,
                text=True,
                timeout=10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return "unknown"
        return done.stdout.strip()
