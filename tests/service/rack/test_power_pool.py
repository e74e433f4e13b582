# SPDX-License-Identifier: GPL-3.0-or-later
"""The pool of power workers: who waits for whom, and what is asked again at the last moment."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from rackyard_core.power.base import Bmc, PowerError, PowerUnreachable
from rackyard_core.power.ipmi import bmc as ipmi_bmc
from rackyard_core.power.pool import PowerPool

from .conftest import SimulatedBmc, wait_until
from .test_power_ipmi import relay


def always() -> None:
    """Permission that is never withdrawn."""


@contextmanager
def silent_bmcs(count: int) -> Iterator[list[Bmc]]:
    """BMCs that take packets and never answer."""
    deaf = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _number in range(count)]
    try:
        for one in deaf:
            one.bind(("127.0.0.1", 0))
        yield [ipmi_bmc("127.0.0.1", "admin", "secret", one.getsockname()[1]) for one in deaf]
    finally:
        for one in deaf:
            one.close()


@contextmanager
def babbling_bmcs(count: int) -> Iterator[list[Bmc]]:
    """BMCs that answer, but nothing that leads to a session."""
    over = threading.Event()

    def babble(one: socket.socket) -> None:
        one.settimeout(0.1)
        while not over.is_set():
            try:
                _packet, sender = one.recvfrom(4096)
                one.sendto(b"what?", sender)
            except TimeoutError:
                continue

    with ThreadPoolExecutor(count) as threads:
        sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _number in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
            threads.submit(babble, one)
        try:
            yield [ipmi_bmc("127.0.0.1", "admin", "secret", one.getsockname()[1]) for one in sockets]
        finally:
            over.set()
    for one in sockets:
        one.close()


@contextmanager
def pool_of(size: int) -> Iterator[PowerPool]:
    made = PowerPool(size)
    try:
        yield made
    finally:
        made.close()


def test_silent_bmcs_do_not_hold_up_another(sim: SimulatedBmc) -> None:
    with silent_bmcs(100) as silent, pool_of(2) as pool, ThreadPoolExecutor(100) as threads:
        asked = [threads.submit(pool.call, bmc, "state", always) for bmc in silent]
        time.sleep(0.5)
        pool.call(sim.bmc, "control", always, action="on")
        # They take 4 s each, and all of them are still at it.
        assert not any(one.done() for one in asked)
        assert sim.power == "on"
        assert all(isinstance(one.exception(timeout=15), PowerUnreachable) for one in asked)


def test_bmcs_that_answer_and_lead_nowhere_get_half_of_the_workers_once_they_are_known(sim: SimulatedBmc) -> None:
    with babbling_bmcs(6) as babbling, pool_of(2) as pool, ThreadPoolExecutor(6) as threads:
        first = [threads.submit(pool.call, bmc, "state", always) for bmc in babbling[:2]]
        assert all(isinstance(one.exception(timeout=60), PowerError) for one in first)
        again = [threads.submit(pool.call, bmc, "state", always) for bmc in babbling[:2]]
        time.sleep(0.5)
        assert pool.call(sim.bmc, "state", always) == "off"
        # Each takes more than 5 s, and both of them are still at it.
        assert not any(one.done() for one in again)


def test_permission_is_asked_again_once_the_worker_is_there(sim: SimulatedBmc) -> None:
    allowed = threading.Event()
    allowed.set()

    class Withdrawn(Exception):
        pass

    def permit() -> None:
        if not allowed.is_set():
            raise Withdrawn

    with babbling_bmcs(1) as (slow,), pool_of(1) as pool, ThreadPoolExecutor(2) as threads:
        ahead = threads.submit(pool.call, slow, "state", always)
        time.sleep(0.5)
        waits = threads.submit(pool.call, sim.bmc, "control", permit, action="on")
        time.sleep(0.5)
        assert not ahead.done()
        allowed.clear()
        assert isinstance(waits.exception(timeout=60), Withdrawn)
        assert sim.power == "off"


def test_sessions_are_kept_open_between_orders(sim: SimulatedBmc) -> None:
    with relay(sim.bmc) as (port, sent), pool_of(4) as pool:
        bmc = ipmi_bmc(sim.bmc.address, sim.bmc.user, sim.bmc.password, port)
        for _turn in range(20):
            assert pool.call(bmc, "state", always) == "off"
    # RMCP+ (authentication type 6), RAKP message 1 (payload type 0x12): what a BMC counts as a login.
    assert len([packet for packet in sent if packet[4:6] == b"\x06\x12"]) == 1


def test_one_bmc_has_one_caller_at_a_time(sim: SimulatedBmc) -> None:
    with pool_of(4) as pool, ThreadPoolExecutor(16) as threads:
        assert {one.result() for one in [threads.submit(pool.call, sim.bmc, "state", always) for _n in range(64)]} == {
            "off"
        }
        assert children_of(os.getpid()) == 2  # the nursery and one worker


def test_workers_end_with_their_pool(sim: SimulatedBmc) -> None:
    with pool_of(4) as pool:
        pool.call(sim.bmc, "state", always)
        assert children_of(os.getpid()) == 2
    wait_until(lambda: children_of(os.getpid()) == 0, "the children's end", timeout_s=5)


def children_of(pid: int) -> int:
    """Power workers and nurseries below a process. A worker belongs to the nursery, which belongs to us."""
    count = 0
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rsplit(")", 1)[1].split()[1])
            ours = b"rackyard_core.power.worker" in (path / "cmdline").read_bytes()
        except OSError:
            continue
        if ours and (parent == pid or _parent(parent) == pid):
            count += 1
    return count


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


@pytest.mark.parametrize("workers", [1, 3])
def test_nursery_that_died_is_replaced(sim: SimulatedBmc, workers: int) -> None:
    with pool_of(workers) as pool:
        pool.call(sim.bmc, "state", always)
        for child in Path("/proc").glob("[0-9]*"):
            try:
                if b"\0nursery\0" in (child / "cmdline").read_bytes() and _parent(int(child.name)) == os.getpid():
                    os.kill(int(child.name), 9)
            except OSError:
                continue
        with babbling_bmcs(1) as (slow,), pytest.raises(PowerError):
            pool.call(slow, "state", always)
        assert pool.call(sim.bmc, "state", always) == "off"
