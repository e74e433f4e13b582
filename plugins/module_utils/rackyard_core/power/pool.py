# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Power workers of a rack, and who may have one next.

A BMC is talked to by one worker at a time, if possible by the one that has a session with it; any idle worker takes
it otherwise, so that nobody waits behind a BMC that is slow. A silent BMC never gets a worker: it is knocked at first,
by the caller's own thread. One that answers the knock and then fails counts as troubled for some minutes: it comes
after the others, and troubled BMCs together get half of the workers at most.
"""

from __future__ import annotations

import itertools
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from . import process, registry
from .base import Bmc, PowerAuthError, PowerError, PowerRefused
from .process import PowerProcess

# A worker has 5 MiB of its own, beside 20 MiB that all share with the nursery. It mostly waits: a login is four round
# trips and the BMC's arithmetic, up to a second with slow ones. 16 do what a rack of 500 BMCs asks in half a minute.
DEFAULT_WORKERS = 16
_TROUBLED_S = 300.0
_MAX_TROUBLED = 10_000


@dataclass(order=True)
class _Ticket:
    """A caller that waits for a worker."""

    troubled: bool
    number: int
    place: tuple[str, str, int] = field(compare=False)
    turn: Future[int] = field(compare=False, default_factory=Future)


class Nursery:
    """The process that forks workers; started when the first one is needed, and again when it died."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def hatch(self) -> socket.socket:
        """Our end of a new worker's socket."""
        with self._lock:
            if self._child is None or self._child.poll() is not None or self._socket is None:
                self._child, self._socket = process.start_child("nursery")
            ours, theirs = socket.socketpair()
            with theirs:
                socket.send_fds(self._socket, [b"w"], [theirs.fileno()])
            return ours

    def close(self) -> None:
        """End it; workers end with their sockets."""
        with self._lock:
            if self._socket is not None:
                self._socket.close()
            if self._child is not None:
                self._child.wait()
            self._child = self._socket = None


class PowerPool:
    """Calls to BMCs from many threads, by a bounded number of workers."""

    def __init__(self, size: int = DEFAULT_WORKERS) -> None:
        self._nursery = Nursery()
        self._workers = tuple(PowerProcess(self._nursery.hatch) for _index in range(size))
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._waiting: list[_Ticket] = []
        # Worker -> what it works on now; BMC -> the worker that has, or had, a session with it.
        self._busy: dict[int, _Ticket] = {}
        self._homes: dict[tuple[str, str, int], int] = {}
        self._troubled: dict[tuple[str, str, int], float] = {}

    def call(self, bmc: Bmc, call: str, permit: Callable[[], None], **arguments: Any) -> Any:
        """One call of a driver's session, as PowerProcess.call.

        ``permit`` is asked when everything is ready and nothing but the call itself is left to do; what it raises ends
        the call.
        """
        permit()
        registry.driver(bmc.driver).knock(bmc)
        ticket = self._queue(bmc.place)
        index = ticket.turn.result()
        try:
            permit()
            result = self._workers[index].call(bmc, call, arguments)
            self._troubled.pop(bmc.place, None)
            return result
        except (PowerRefused, PowerAuthError):
            raise
        except PowerError:
            self._note_trouble(bmc.place)
            raise
        finally:
            with self._lock:
                del self._busy[index]
                self._hand_out()

    def knock(self, bmc: Bmc, permit: Callable[[], None]) -> None:
        """Find out whether the BMC answers here, without a login and without a worker. Raises PowerUnreachable."""
        permit()
        registry.driver(bmc.driver).knock(bmc)

    def machine(self, bmc: Bmc, permit: Callable[[], None], given: list[str]) -> PoolMachine:
        """The BMC as orders need it; each command is noted in ``given`` before it may reach the BMC."""
        return PoolMachine(self, bmc, permit, given)

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.close()
        self._nursery.close()

    def _queue(self, place: tuple[str, str, int]) -> _Ticket:
        with self._lock:
            troubled = self._troubled.get(place, 0.0) > time.monotonic()
            ticket = _Ticket(troubled, next(self._numbers), place)
            self._waiting.append(ticket)
            self._waiting.sort()
            self._hand_out()
        return ticket

    def _hand_out(self) -> None:
        """Give idle workers to those who wait. Under the lock."""
        for ticket in list(self._waiting):
            idle = [index for index in range(len(self._workers)) if index not in self._busy]
            if not idle:
                return
            if any(busy.place == ticket.place for busy in self._busy.values()):
                continue
            troubled = sum(busy.troubled for busy in self._busy.values())
            if ticket.troubled and troubled >= max(1, len(self._workers) // 2):
                return
            self._waiting.remove(ticket)
            home = self._homes.get(ticket.place)
            index = home if home in idle else self._best(idle)
            self._busy[index] = ticket
            self._homes.pop(ticket.place, None)
            self._homes[ticket.place] = index
            if len(self._homes) > _MAX_TROUBLED:
                self._homes.pop(next(iter(self._homes)))
            ticket.turn.set_result(index)

    def _best(self, idle: list[int]) -> int:
        """A worker that runs already, the one with the fewest BMCs; else one that has to be started."""
        homes = list(self._homes.values())
        return min(idle, key=lambda index: (homes.count(index), not self._workers[index].running, index))

    def _note_trouble(self, place: tuple[str, str, int]) -> None:
        with self._lock:
            self._troubled[place] = time.monotonic() + _TROUBLED_S
            if len(self._troubled) > _MAX_TROUBLED:
                self._troubled.pop(next(iter(self._troubled)))


class PoolMachine:
    """A machine's BMC behind the pool; every call asks for permission first."""

    def __init__(self, pool: PowerPool, bmc: Bmc, permit: Callable[[], None], given: list[str]) -> None:
        self._pool = pool
        self._bmc = bmc
        self._permit = permit
        self._given = given
        self.name = bmc.name

    def state(self) -> str:
        """On or off."""
        return str(self._pool.call(self._bmc, "state", self._permit))

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """For the next boot only."""
        self._pool.call(self._bmc, "set_boot_device", self._permit, device=device, uefi=uefi)

    def control(self, action: str) -> None:
        """Give one command."""
        self._given.append(action)
        self._pool.call(self._bmc, "control", self._permit, action=action)
