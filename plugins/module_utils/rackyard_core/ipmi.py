# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power control of one machine through its BMC by IPMI 2.0 over LAN.

``plan_power`` decides (pure), ``PowerClient`` acts on one open session, ``power`` is the whole thing in one call.
pyghmi does the wire protocol; versions 1.5.34 (Debian 12) to 1.6.x work. It may block for long against a BMC that
answers badly: callers that must not hang use ``power_process``, which runs this module in a child with a deadline.
Sources: IPMI 2.0 specification, tables 13-15 (RMCP+ status), 28-2 (chassis status), 28-4 (chassis control),
28-14 (boot flags).
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

try:
    from pyghmi.exceptions import PyghmiException
    from pyghmi.ipmi.private import session as pyghmi_session

    PYGHMI_ERROR = ""
except ImportError as missing:
    PyghmiException = Exception  # only named in except clauses that cannot be reached without pyghmi
    pyghmi_session = None
    PYGHMI_ERROR = str(missing)

DEFAULT_PORT = 623
DEFAULT_TIMEOUT_S = 25.0
WANTED = ("query", "on", "off", "soft-off", "cycle", "reset")
BOOT_DEVICES = {"default": 0x00, "pxe": 0x04, "disk": 0x08, "cdrom": 0x14, "bios": 0x18}

_CHASSIS = 0x00
_GET_STATUS, _CONTROL, _SET_BOOT_OPTIONS = 0x01, 0x02, 0x08
_CONTROL_CODES = {"off": 0x00, "on": 0x01, "reset": 0x03, "soft-off": 0x05}
_POLL_S = 0.5
_CHECK_WIRE = "check its address, its cable and that IPMI over LAN is enabled"
_AUTH_WORDS = re.compile(
    r"incorrect password|unauthorized name|unauthorized role|invalid user ?name|invalid integrity check|RAKP4|"
    r"privelege level|password is too long|username too long|invalid role",
    re.IGNORECASE,
)
_SILENCE_WORDS = re.compile(
    r"timeout|no longer connected|unable to transmit|failed to initialize|not known", re.IGNORECASE
)


class IpmiError(Exception):
    """The BMC could not be asked. ``kind`` is stable: protocol, auth, unreachable, refused or timeout."""

    kind = "protocol"


class IpmiAuthError(IpmiError):
    """The BMC refused the user name or the password."""

    kind = "auth"


class IpmiUnreachable(IpmiError):
    """Nothing answered IPMI at this address."""

    kind = "unreachable"


class IpmiRefused(IpmiError):
    """The BMC answered and refused the command."""

    kind = "refused"


class IpmiTimeout(IpmiError):
    """The BMC took the command, but the machine did not reach the state in time."""

    kind = "timeout"


ERRORS: Mapping[str, type[IpmiError]] = {
    error.kind: error for error in (IpmiError, IpmiAuthError, IpmiUnreachable, IpmiRefused, IpmiTimeout)
}


@dataclass(frozen=True)
class PowerPlan:
    """What has to be done to a machine that is ``current``: chassis actions in order, and the state to wait for."""

    current: str
    wanted: str
    actions: tuple[str, ...]
    final: str

    @property
    def changed(self) -> bool:
        """True when the machine has to be touched."""
        return bool(self.actions)


@dataclass(frozen=True)
class PowerResult:
    """What was found and done. ``state`` is what the BMC said last: on or off."""

    before: str
    state: str
    changed: bool
    actions: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    took_seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The same as JSON types."""
        return {
            "before": self.before,
            "state": self.state,
            "changed": self.changed,
            "actions": list(self.actions),
            "warnings": list(self.warnings),
            "took_seconds": self.took_seconds,
        }


@dataclass(frozen=True)
class Bmc:
    """Where a BMC is and how to log in. The password never shows in the representation."""

    address: str
    user: str
    password: str = field(repr=False)
    port: int = DEFAULT_PORT

    @property
    def name(self) -> str:
        """The address as an operator knows it; the port only when it is not the usual one."""
        return self.address if self.port == DEFAULT_PORT else f"{self.address} port {self.port}"


def plan_power(current: str, wanted: str) -> PowerPlan:
    """Decide what to do. ``on``, ``off`` and ``soft-off`` are states; ``cycle`` and ``reset`` always act.

    A cycle is off, then on, so that each half can be read back; a machine that is off is simply switched on.
    """
    if wanted not in WANTED:
        raise ValueError(f"unknown power order {wanted!r}; use one of {', '.join(WANTED)}")
    if current not in ("on", "off"):
        raise ValueError(f"unknown power state {current!r}")
    if wanted == "query" or (current == "off" and wanted in ("off", "soft-off")) or (current == wanted == "on"):
        return PowerPlan(current, wanted, (), current)
    if wanted in ("off", "soft-off"):
        return PowerPlan(current, wanted, (wanted,), "off")
    if current == "off" or wanted == "on":
        return PowerPlan(current, wanted, ("on",), "on")
    return PowerPlan(current, wanted, ("off", "on") if wanted == "cycle" else ("reset",), "on")


class PowerClient:
    """One IPMI session to one BMC. Not for use from several threads (pyghmi shares its sockets by process)."""

    def __init__(self, bmc: Bmc, clock: Callable[[], float] = time.monotonic) -> None:
        if pyghmi_session is None:
            raise IpmiError(f"pyghmi is not installed ({PYGHMI_ERROR}); install the Debian package python3-pyghmi")
        self.bmc = bmc
        self._clock = clock
        with self._worded():
            # Bytes, because pyghmi compares them with the bytes of an earlier session and dies on str (1.6.19).
            self._session = pyghmi_session.Session(
                bmc=bmc.address,
                userid=bmc.user.encode(),
                password=bmc.password.encode(),
                port=bmc.port,
            )

    @property
    def alive(self) -> bool:
        """False once pyghmi has given the session up; a new client is needed then."""
        return bool(self._session.logged) and not self._session.broken

    def close(self) -> None:
        """End the session. A BMC that is gone by now is no error."""
        with contextlib.suppress(PyghmiException, OSError, TypeError, KeyError):
            self._session.logout()

    def state(self) -> str:
        """Ask the BMC for the power state: on or off."""
        data = self._command(_GET_STATUS, (), "tell the power state")
        if not data:
            raise IpmiError(f"BMC {self.bmc.name} gave an empty chassis status; update its firmware")
        return "on" if data[0] & 1 else "off"

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """Set the boot device for the next boot only. Raises IpmiRefused when the BMC does not support it."""
        if device not in BOOT_DEVICES:
            raise ValueError(f"unknown boot device {device!r}; use one of {', '.join(BOOT_DEVICES)}")
        # Without 3,8 a BMC forgets the flags 60 s after they were set.
        self._command(_SET_BOOT_OPTIONS, (3, 8), "keep the boot device")
        flags = 0x80 | (0x20 if uefi else 0) if device != "default" else 0
        self._command(_SET_BOOT_OPTIONS, (5, flags, BOOT_DEVICES[device], 0, 0, 0), f"boot from {device} next")

    def control(self, action: str) -> None:
        """Send one chassis control command: on, off, soft-off or reset."""
        self._command(_CONTROL, (_CONTROL_CODES[action],), f"switch the machine {action}")

    def wait_for(self, state: str, deadline: float) -> str:
        """Poll until the BMC says ``state``; IpmiTimeout at ``deadline`` (of the clock given to the client)."""
        while True:
            current = self.state()
            if current == state:
                return current
            if self._clock() >= deadline:
                raise IpmiTimeout(
                    f"BMC {self.bmc.name} took the order, but the machine is still {current}, not {state}; "
                    "look at its console and its power supply"
                )
            time.sleep(_POLL_S)

    def apply(
        self,
        wanted: str,
        boot_device: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        *,
        uefi: bool = False,
    ) -> PowerResult:
        """Bring the machine to ``wanted``. A refused boot device is a warning: it may boot from network anyway.

        ``uefi`` asks for an UEFI boot from the device; without it the firmware decides.
        """
        began = self._clock()
        plan = plan_power(self.state(), wanted)
        warnings = []
        if boot_device and plan.changed and plan.final == "on":
            try:
                self.set_boot_device(boot_device, uefi=uefi)
            except IpmiRefused as refusal:
                warnings.append(f"{refusal}, or set network boot first in the firmware's boot order")
        state = plan.current
        for action in plan.actions:
            self.control(action)
            state = self.wait_for("on" if action in ("on", "reset") else "off", began + timeout_s)
        took_s = round(self._clock() - began, 3)
        return PowerResult(plan.current, state, plan.changed, plan.actions, tuple(warnings), took_s)

    def _command(self, command: int, data: tuple[int, ...], purpose: str) -> bytes:
        with self._worded():
            answer = self._session.raw_command(netfn=_CHASSIS, command=command, data=data)
        if answer is None:
            raise IpmiUnreachable(f"BMC {self.bmc.name} stopped answering; {_CHECK_WIRE}")
        code = answer.get("code", 0)
        if code == 0xFFFF:
            raise IpmiUnreachable(f"BMC {self.bmc.name} stopped answering when asked to {purpose}; {_CHECK_WIRE}")
        if code or "error" in answer:
            raise IpmiRefused(
                f"BMC {self.bmc.name} refused to {purpose}: {answer.get('error', f'code {code:#04x}')}; "
                f"look at its event log and at the privileges of user '{self.bmc.user}'"
            )
        return bytes(answer["data"])

    @contextlib.contextmanager
    def _worded(self) -> Iterator[None]:
        """Turn what pyghmi raises into one of our errors, with the remedy."""
        try:
            yield
        except (PyghmiException, OSError) as reason:
            text = "" if str(reason) == "None" else str(reason)
            if _AUTH_WORDS.search(text):
                raise IpmiAuthError(
                    f"BMC {self.bmc.name} refused user '{self.bmc.user}': wrong user name or password ({text}); "
                    "correct power_user and power_pass of the machine"
                ) from reason
            if isinstance(reason, OSError) or not text or _SILENCE_WORDS.search(text):
                raise IpmiUnreachable(
                    f"BMC {self.bmc.name} does not answer IPMI ({text or 'no answer'}); {_CHECK_WIRE}"
                ) from reason
            raise IpmiError(
                f"BMC {self.bmc.name} answered oddly: {text}; look at its event log and update its firmware"
            ) from reason
        except (TypeError, KeyError, IndexError, ValueError, AssertionError) as reason:
            # pyghmi parses packets without checks: whatever a broken BMC sends must not become a traceback.
            raise IpmiError(
                f"BMC {self.bmc.name} sent something that is not IPMI ({type(reason).__name__}: {reason}); "
                "update its firmware"
            ) from reason


def power(
    address: str,
    port: int,
    user: str,
    password: str,
    wanted: str,
    boot_device: str | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
) -> PowerResult:
    """Log in (one try), bring the machine to ``wanted``, log out. Raises IpmiError and its children."""
    client = PowerClient(Bmc(address, user, password, port))
    try:
        return client.apply(wanted, boot_device, timeout_s)
    finally:
        client.close()
