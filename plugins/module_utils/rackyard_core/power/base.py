# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every power driver has in common: how a BMC is described, what may go wrong, what a driver declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

BOOT_DEVICES = ("default", "pxe", "disk", "cdrom", "bios")
CONTROLS = ("off", "on", "reset", "soft-off")


class PowerError(Exception):
    """The BMC could not be asked. ``kind`` is stable: protocol, auth, unreachable, refused or timeout."""

    kind = "protocol"


class PowerAuthError(PowerError):
    """The BMC refused the user name or the password."""

    kind = "auth"


class PowerUnreachable(PowerError):
    """Nothing answered at this address."""

    kind = "unreachable"


class PowerRefused(PowerError):
    """The BMC answered and refused the command, or this order cannot be given at all."""

    kind = "refused"


class PowerBusy(PowerRefused):
    """The BMC refused because of what it does at the moment; the same may work some seconds later."""


class PowerTimeout(PowerError):
    """The BMC took the command, but the machine did not reach the state in time."""

    kind = "timeout"


ERRORS: Mapping[str, type[PowerError]] = {
    error.__name__: error
    for error in (PowerError, PowerAuthError, PowerUnreachable, PowerRefused, PowerBusy, PowerTimeout)
}


@dataclass(frozen=True)
class Bmc:
    """Where a BMC is and how to log in, for one driver. Secrets never show in the representation.

    ``options`` are (name, value) pairs that only the driver understands; some are secrets.
    """

    driver: str
    address: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    usual_port: int = 0

    @property
    def name(self) -> str:
        """The address as an operator knows it; the port only when it is not the usual one."""
        return self.address if self.port in (0, self.usual_port) else f"{self.address} port {self.port}"

    @property
    def place(self) -> tuple[str, str, int]:
        """What makes it this BMC, whatever the credentials."""
        return self.driver, self.address, self.port

    def as_dict(self) -> dict[str, Any]:
        """JSON types, with the password; ``from_dict`` reads them."""
        return {
            "driver": self.driver,
            "address": self.address,
            "port": self.port,
            "user": self.user,
            "password": self.password,
            "options": [list(pair) for pair in self.options],
            "usual_port": self.usual_port,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Bmc:
        """The inverse of ``as_dict``."""
        return cls(**{**values, "options": tuple((name, value) for name, value in values["options"])})


@dataclass(frozen=True)
class Parameter:
    """One setting that a driver takes, for whoever asks an operator for it.

    ``kind`` is text, ip, host (an IP address or a DNS name), uri (of http or https), regex, port or choice. ``role``
    is what it is to everybody else, if anything: ``address`` (with ``port``, what makes it this BMC; regions choose the
    rack by the host in it), ``user``, ``password``, or ``slot``: which of the machines behind the BMC is meant. A
    driver without a slot has one machine behind a BMC.
    ``scope`` is ``machine`` for what is not the BMC's but each machine's own. ``choices`` are the values that the
    driver can honour; ``max_bytes`` 0 means that the protocol has no limit.
    ``beside_address`` is a URI that must be of the same web server as the address: secrets are sent there, too.
    """

    name: str
    label: str
    kind: str = "text"
    role: str = ""
    scope: str = "bmc"
    required: bool = False
    secret: bool = False
    default: str = ""
    choices: tuple[str, ...] = ()
    max_bytes: int = 0
    beside_address: bool = False


class Session(Protocol):
    """A connection to one BMC. Used by one thread of one process only."""

    @property
    def alive(self) -> bool:
        """False once it is of no more use; a new one is needed then."""

    def state(self) -> str:
        """The machine's power state as the BMC says it: on or off."""

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """Boot from ``device`` (of BOOT_DEVICES) the next time only."""

    def control(self, action: str) -> None:
        """One command (of CONTROLS). Returns when the BMC has taken it, not when the machine has done it."""

    def hurry(self, hurried: bool) -> None:
        """Give up sooner on what is not answered: for a session that may have died while nobody used it."""

    def close(self) -> None:
        """End it. A BMC that is gone by now is no error."""


class Driver(Protocol):
    """One kind of BMC. Everything raises PowerError's children."""

    name: str
    # What people call it.
    label: str
    parameters: tuple[Parameter, ...]
    # Whether the power state can be asked, and the boot device set.
    queryable: bool
    sets_boot_device: bool

    def bmc(self, power: Mapping[str, Any]) -> Bmc:
        """The BMC of a region's power settings: address, port, user, password, options.

        Raises PowerRefused naming a setting that this driver cannot honour.
        """

    def knock(self, bmc: Bmc) -> None:
        """Find out within some seconds whether the BMC answers at all, without a login; from any thread.

        Raises PowerUnreachable.
        """

    def connect(self, bmc: Bmc) -> Session:
        """Log in, one try. In a process that nobody minds losing."""
