# SPDX-License-Identifier: GPL-3.0-or-later
"""Power through a real IPMI implementation, in child processes as the agent and the module use it."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from rackyard_core.ipmi import Bmc, IpmiAuthError, IpmiTimeout, IpmiUnreachable
from rackyard_core.power_process import PowerPool, PowerProcess, power_in_process


def order(sim, wanted: str, boot_device: str | None = None, **kwargs):
    bmc = sim.bmc
    return power_in_process(bmc.address, bmc.user, bmc.password, wanted, boot_device, port=bmc.port, **kwargs)


def test_power_on_sets_the_boot_device_first_and_reads_the_state_back(sim) -> None:
    result = order(sim, "on", "pxe")
    assert (result.before, result.state, result.changed, result.warnings) == ("off", "on", True, ())
    assert sim.power == "on"
    assert sim.calls() == ["boot pxe", "power 1"]


def test_power_on_is_noop_when_already_on(sim) -> None:
    sim.power = "on"
    assert order(sim, "on", "pxe").changed is False
    assert sim.calls() == []


def test_cycle_goes_through_off(sim) -> None:
    sim.power = "on"
    result = order(sim, "cycle", "pxe")
    assert result.actions == ("off", "on")
    assert sim.calls() == ["boot pxe", "power 0", "power 1"]


def test_refused_boot_device_is_a_warning_and_the_machine_is_switched_on(sim) -> None:
    (sim.state / "refuse-boot").touch()
    result = order(sim, "on", "pxe")
    assert result.state == "on"
    assert "boot from pxe" in result.warnings[0]
    assert "firmware's boot order" in result.warnings[0]


def test_machine_that_stays_off_is_a_timeout_that_says_so(sim) -> None:
    (sim.state / "stuck").touch()
    with pytest.raises(IpmiTimeout, match="still off, not on"):
        order(sim, "on", timeout_s=1.0)


@contextmanager
def relay(bmc: Bmc) -> Iterator[tuple[int, list[bytes]]]:
    """A port that leads to the BMC, and every packet that was sent to it."""
    sent: list[bytes] = []
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as front,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back,
    ):
        front.bind(("127.0.0.1", 0))
        back.connect((bmc.address, bmc.port))
        over = threading.Event()

        def run() -> None:
            client = None
            while not over.is_set():
                for ready in select.select([front, back], [], [], 0.1)[0]:
                    packet, sender = ready.recvfrom(4096)
                    if ready is front:
                        client = sender
                        sent.append(packet)
                        back.send(packet)
                    elif client is not None:
                        front.sendto(packet, client)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield front.getsockname()[1], sent
        finally:
            over.set()
            thread.join()


# For an unknown name pyghmi asks once more with fewer rights; there is no account that this could lock.
@pytest.mark.parametrize(("user", "password", "logins"), [("admin", "wrong", 1), ("nobody", "secret", 2)])
def test_wrong_credentials_are_named_after_one_try(sim, user: str, password: str, logins: int) -> None:
    words = f"refused user '{user}'.*correct power_user and power_pass"
    with relay(sim.bmc) as (port, sent), pytest.raises(IpmiAuthError, match=words):
        power_in_process(sim.bmc.address, user, password, "on", port=port)
    # RMCP+ (authentication type 6), RAKP message 1 (payload type 0x12): what a BMC counts as a login.
    assert len([packet for packet in sent if packet[4:6] == b"\x06\x12"]) == logins
    assert sim.power == "off"


def test_unreachable_bmc_is_named_within_30_seconds() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(IpmiUnreachable, match=f"BMC 127.0.0.1 port {port} does not answer IPMI"):
            power_in_process("127.0.0.1", "admin", "secret", "on", port=port)
    assert time.monotonic() - began < 30


def test_child_that_is_late_is_killed_and_replaced(sim) -> None:
    process = PowerProcess()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        began = time.monotonic()
        with pytest.raises(IpmiUnreachable, match="within 1 s"):
            process.call(Bmc("127.0.0.1", "a", "b", silent.getsockname()[1]), "query", deadline_s=1.0)
    assert time.monotonic() - began < 3
    assert process.call(sim.bmc, "query").state == "off"
    process.close()


def test_sessions_are_kept_open_between_orders(sim) -> None:
    pool = PowerPool(2)
    pool.call(sim.bmc, "query")
    began = time.monotonic()
    for _ in range(20):
        pool.call(sim.bmc, "query")
    # A login with ipmi_sim takes more than 50 ms, a question in an open session about 5 ms.
    assert time.monotonic() - began < 0.5
    pool.close()


def test_password_changed_on_the_bmc_side_needs_only_new_credentials_not_a_new_process(sim) -> None:
    process = PowerProcess()
    with pytest.raises(IpmiAuthError):
        process.call(Bmc(sim.bmc.address, "admin", "old", sim.bmc.port), "query")
    assert process.call(sim.bmc, "query").state == "off"
    process.close()
