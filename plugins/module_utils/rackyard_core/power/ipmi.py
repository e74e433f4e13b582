# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPMI 2.0 over LAN.

pyghmi does the wire protocol; versions 1.5.34 (Debian 12) to 1.6.x work. It may block for long against a BMC that
answers badly, and threads do not work with it: ``process`` runs it in children with a deadline.
Sources: IPMI 2.0 specification, tables 13-15 (RMCP+ status), 22-15 (channel authentication capabilities), 22-20 (cipher
suites), 28-2 (chassis status), 28-4 (chassis control), 28-14 (boot flags).
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from .base import (
    Bmc,
    Parameter,
    PowerAuthError,
    PowerBusy,
    PowerError,
    PowerRefused,
    PowerUnreachable,
    Session,
)

try:
    from pyghmi.exceptions import PyghmiException
    from pyghmi.ipmi.private import session as pyghmi_session

    PYGHMI_ERROR = ""
except ImportError as missing:
    PyghmiException = Exception  # only named in except clauses that cannot be reached without pyghmi
    pyghmi_session = None
    PYGHMI_ERROR = str(missing)

DEFAULT_PORT = 623
PRIVILEGES = {"USER": 2, "OPERATOR": 3, "ADMIN": 4}
_KEY_BYTES = 20
# pyghmi can do these two of table 22-20 and, left alone, tries the better one first; by the number of its hash.
CIPHER_SUITES = {"3": 1, "17": 256}

_BOOT_DEVICES = {"default": 0x00, "pxe": 0x04, "disk": 0x08, "cdrom": 0x14, "bios": 0x18}
_CHASSIS = 0x00
_GET_STATUS, _CONTROL, _SET_BOOT_OPTIONS = 0x01, 0x02, 0x08
_CONTROL_CODES = {"off": 0x00, "on": 0x01, "reset": 0x03, "soft-off": 0x05}
# Completion codes (table 5-2): node busy, and command not supported in the present state.
_BUSY_CODES = frozenset({0xC0, 0xD5})
_CHECK_WIRE = "check its address, its cable and that IPMI over LAN is enabled"
# "Get Channel Authentication Capabilities": the first question of every login, asked outside of a session.
_KNOCK = bytes.fromhex("0600ff07 00 00000000 00000000 09 2018c8 8100388e04b5")
_KNOCK_AT_S = (0.0, 0.3, 1.0, 2.0, 3.0)
_KNOCK_LIMIT_S = 4.0
# pyghmi's limits for one try, in seconds: its sum over all tries is 19 s, or 3 s when hurried.
_PATIENT, _HURRIED = 6, 2
_AUTH_WORDS = re.compile(
    r"incorrect password|unauthorized name|unauthorized role|invalid user ?name|invalid integrity check|RAKP4|"
    r"privelege level|password is too long|username too long|invalid role",
    re.IGNORECASE,
)
_SILENCE_WORDS = re.compile(
    r"timeout|no longer connected|unable to transmit|failed to initialize|not known", re.IGNORECASE
)


class Ipmi:
    """The driver."""

    name = "ipmi"
    label = "IPMI"
    queryable = True
    sets_boot_device = True
    # Limits of IPMI 2.0 (table 22-30): 16 bytes of user name, 20 of password.
    parameters: tuple[Parameter, ...] = (
        Parameter("power_address", "Address", kind="ip", role="address", required=True),
        Parameter("power_port", "UDP port", kind="port", role="port", default=str(DEFAULT_PORT)),
        Parameter("power_user", "User name", role="user", max_bytes=16),
        Parameter("power_pass", "Password", role="password", secret=True, max_bytes=20),
        Parameter("power_driver", "Protocol", kind="choice", default="LAN_2_0", choices=("LAN_2_0",)),
        Parameter(
            "power_boot_type",
            "Boot type",
            kind="choice",
            scope="machine",
            default="auto",
            choices=("auto", "legacy", "efi"),
        ),
        Parameter("cipher_suite_id", "Cipher suite", kind="choice", choices=("", *CIPHER_SUITES)),
        # 20 bytes (table 22-30), or as many in hexadecimal digits after 0x.
        Parameter("k_g", "K_g, the key of the BMC", secret=True, max_bytes=42),
        Parameter("privilege_level", "Privilege level", kind="choice", default="ADMIN", choices=tuple(PRIVILEGES)),
        Parameter(
            "power_off_mode",
            "Power off mode",
            kind="choice",
            scope="machine",
            default="hard",
            choices=("hard", "soft"),
        ),
    )

    def bmc(self, power: Mapping[str, Any]) -> Bmc:
        """The BMC of a region's power settings. Raises PowerRefused for what pyghmi cannot do."""
        address, options = str(power.get("address") or ""), power.get("options") or {}
        if not address:
            raise PowerRefused("there is no BMC address; set power_address of the machine")
        if options.get("power_driver", "LAN_2_0") != "LAN_2_0":
            raise PowerRefused(f"BMC {address}: IPMI 1.5 (power_driver=LAN) is not supported; use LAN_2_0")
        suite, level = str(options.get("cipher_suite_id") or ""), str(options.get("privilege_level") or "")
        if suite and suite not in CIPHER_SUITES:
            known = " or ".join(CIPHER_SUITES)
            raise PowerRefused(f"BMC {address}: cipher suite {suite} is not supported; use {known}, or leave it empty")
        if level and level not in PRIVILEGES:
            known = ", ".join(PRIVILEGES)
            raise PowerRefused(f"BMC {address}: privilege level {level!r} is unknown; use one of {known}")
        _key(str(options.get("k_g") or ""))
        return bmc(
            address,
            str(power.get("user") or ""),
            str(power.get("password") or ""),
            int(power.get("port") or DEFAULT_PORT),
            cipher_suite_id=suite,
            privilege_level=level,
            k_g=str(options.get("k_g") or ""),
        )

    def knock(self, bmc: Bmc) -> None:
        """Ask for the authentication capabilities; any answer will do. Raises PowerUnreachable after 4 s."""
        if not _answers(bmc.address, bmc.port):
            raise PowerUnreachable(f"BMC {bmc.name} does not answer IPMI; {_CHECK_WIRE}")

    def connect(self, bmc: Bmc) -> Session:
        """Log in, one try."""
        return IpmiSession(bmc)


DRIVER = Ipmi()


def bmc(
    address: str,
    user: str,
    password: str,
    port: int = DEFAULT_PORT,
    *,
    cipher_suite_id: str = "",
    privilege_level: str = "",
    k_g: str = "",
) -> Bmc:
    """A BMC that talks IPMI. An empty cipher suite is negotiated, an empty privilege level is the best there is, and
    without K_g the password is the key."""
    given = (("cipher_suite_id", cipher_suite_id), ("privilege_level", privilege_level), ("k_g", k_g))
    options = tuple((name, value) for name, value in given if value)
    return Bmc(DRIVER.name, address, port, user, password, options, usual_port=DEFAULT_PORT)


def _key(text: str) -> bytes | None:
    """K_g as the 20 bytes that pyghmi fills it up to, None without one. Raises PowerRefused, without quoting it."""
    try:
        key = bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()
    except ValueError:
        raise PowerRefused("k_g begins with 0x and goes on with what is not hexadecimal; correct it") from None
    if len(key) > _KEY_BYTES:
        raise PowerRefused(f"k_g has more than {_KEY_BYTES} bytes; correct it")
    return key or None


def _answers(address: str, port: int) -> bool:
    """Whether anything comes back from there within _KNOCK_LIMIT_S."""
    try:
        kind, _type, _protocol, _name, place = socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(kind, socket.SOCK_DGRAM) as knocking:
            knocking.connect(place)
            return _knock(knocking, time.monotonic())
    except OSError:
        return False


def _knock(knocking: socket.socket, began: float) -> bool:
    for due_s in (*_KNOCK_AT_S[1:], _KNOCK_LIMIT_S):
        # A port that is closed now may be a BMC that is just starting: the next try tells.
        with contextlib.suppress(OSError):
            knocking.send(_KNOCK)
        while (left_s := began + due_s - time.monotonic()) > 0:
            if not select.select([knocking], [], [], left_s)[0]:
                break
            with contextlib.suppress(OSError):
                if knocking.recv(512):
                    return True
    return False


def _session_class(suite: str) -> Any:
    """pyghmi's session, held to one cipher suite when there is a wish."""
    if not suite:
        return pyghmi_session.Session

    class Held(pyghmi_session.Session):  # type: ignore[misc]  # pyghmi has no type information
        def _initsession(self) -> None:
            super()._initsession()
            self.attemptedhash = CIPHER_SUITES[suite]

    return Held


class IpmiSession:
    """One IPMI session to one BMC. Not for use from several threads (pyghmi shares its sockets by process)."""

    def __init__(self, bmc: Bmc) -> None:
        if pyghmi_session is None:
            raise PowerError(f"pyghmi is not installed ({PYGHMI_ERROR}); install the Debian package python3-pyghmi")
        self.bmc = bmc
        options = dict(bmc.options)
        suite, level = options.get("cipher_suite_id", ""), options.get("privilege_level", "")
        with self._worded():
            # Bytes, because pyghmi compares them with the bytes of an earlier session and dies on str (1.6.19).
            self._session = _session_class(suite)(
                bmc=bmc.address,
                userid=bmc.user.encode(),
                password=bmc.password.encode(),
                port=bmc.port,
                privlevel=PRIVILEGES[level] if level else None,
                kg=_key(options.get("k_g", "")),
            )
        if suite and self._session.attemptedhash != CIPHER_SUITES[suite]:
            self.close()
            raise PowerRefused(f"BMC {bmc.name} does not speak cipher suite {suite}; leave cipher_suite_id empty")

    @property
    def alive(self) -> bool:
        """False once pyghmi has given the session up; a new one is needed then."""
        return bool(self._session.logged) and not self._session.broken

    def close(self) -> None:
        """End the session. A BMC that is gone by now is no error."""
        with contextlib.suppress(PyghmiException, OSError, TypeError, KeyError):
            self._session.logout()

    def hurry(self, hurried: bool) -> None:
        """Wait 3 s for an answer instead of 19 s."""
        self._session.maxtimeout = _HURRIED if hurried else _PATIENT

    def state(self) -> str:
        """Ask the BMC for the power state: on or off."""
        data = self._command(_GET_STATUS, (), "tell the power state")
        if not data:
            raise PowerError(f"BMC {self.bmc.name} gave an empty chassis status; update its firmware")
        return "on" if data[0] & 1 else "off"

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """Set the boot device for the next boot only. Raises PowerRefused when the BMC does not support it."""
        if device not in _BOOT_DEVICES:
            raise ValueError(f"unknown boot device {device!r}; use one of {', '.join(_BOOT_DEVICES)}")
        # Without 3,8 a BMC forgets the flags 60 s after they were set. One that refuses this takes the flags all the
        # same, and 60 s are mostly enough.
        try:
            self._command(_SET_BOOT_OPTIONS, (3, 8), "keep the boot device")
        except PowerBusy:
            raise
        except PowerRefused:
            pass
        flags = 0x80 | (0x20 if uefi else 0) if device != "default" else 0
        self._command(_SET_BOOT_OPTIONS, (5, flags, _BOOT_DEVICES[device], 0, 0, 0), f"boot from {device} next")

    def control(self, action: str) -> None:
        """Send one chassis control command: on, off, soft-off or reset."""
        self._command(_CONTROL, (_CONTROL_CODES[action],), f"switch the machine {action}")

    def _command(self, command: int, data: tuple[int, ...], purpose: str) -> bytes:
        with self._worded():
            answer = self._session.raw_command(netfn=_CHASSIS, command=command, data=data)
        if answer is None:
            raise PowerUnreachable(f"BMC {self.bmc.name} stopped answering; {_CHECK_WIRE}")
        code = answer.get("code", 0)
        if code == 0xFFFF:
            raise PowerUnreachable(f"BMC {self.bmc.name} stopped answering when asked to {purpose}; {_CHECK_WIRE}")
        if code or "error" in answer:
            words = (
                f"BMC {self.bmc.name} refused to {purpose}: {answer.get('error', f'code {code:#04x}')}; "
                f"look at its event log and at the privileges of user '{self.bmc.user}'"
            )
            raise (PowerBusy if code in _BUSY_CODES else PowerRefused)(words)
        return bytes(answer["data"])

    @contextlib.contextmanager
    def _worded(self) -> Iterator[None]:
        """Turn what pyghmi raises into one of our errors, with the remedy."""
        try:
            yield
        except (PyghmiException, OSError) as reason:
            text = "" if str(reason) == "None" else str(reason)
            if _AUTH_WORDS.search(text):
                raise PowerAuthError(
                    f"BMC {self.bmc.name} refused user '{self.bmc.user}': wrong user name or password ({text}); "
                    "correct power_user and power_pass of the machine, and k_g if the BMC has a key of its own"
                ) from reason
            if isinstance(reason, OSError) or not text or _SILENCE_WORDS.search(text):
                raise PowerUnreachable(
                    f"BMC {self.bmc.name} does not answer IPMI ({text or 'no answer'}); {_CHECK_WIRE}"
                ) from reason
            raise PowerError(
                f"BMC {self.bmc.name} answered oddly: {text}; look at its event log and update its firmware"
            ) from reason
        except (TypeError, KeyError, IndexError, ValueError, AssertionError) as reason:
            # pyghmi parses packets without checks: whatever a broken BMC sends must not become a traceback.
            raise PowerError(
                f"BMC {self.bmc.name} sent something that is not IPMI ({type(reason).__name__}: {reason}); "
                "update its firmware"
            ) from reason
