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

from rackyard_core.power import registry
from rackyard_core.power.base import Bmc, PowerAuthError, PowerRefused, PowerTimeout, PowerUnreachable
from rackyard_core.power.ipmi import bmc as ipmi_bmc
from rackyard_core.power.process import PowerProcess, power_in_process


def order(sim, wanted: str, boot_device: str | None = None, **kwargs):
    return power_in_process(sim.bmc, wanted, boot_device, **kwargs)


@pytest.fixture
def process() -> Iterator[PowerProcess]:
    made = PowerProcess()
    yield made
    made.close()


@pytest.fixture
def silent() -> Iterator[Bmc]:
    """A BMC that takes packets and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield ipmi_bmc("127.0.0.1", "admin", "secret", deaf.getsockname()[1])


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
    with pytest.raises(PowerTimeout, match="still off, not on"):
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
    with relay(sim.bmc) as (port, sent), pytest.raises(PowerAuthError, match=words):
        power_in_process(ipmi_bmc(sim.bmc.address, user, password, port), "on")
    # RMCP+ (authentication type 6), RAKP message 1 (payload type 0x12): what a BMC counts as a login.
    assert len([packet for packet in sent if packet[4:6] == b"\x06\x12"]) == logins
    assert sim.power == "off"


def test_bmc_with_a_key_of_its_own_wants_k_g(sim) -> None:
    configuration = sim.home / "lan.conf"
    configuration.write_text(configuration.read_text().replace("endlan", 'bmc_key "sesame"\nendlan'))
    sim.restart()
    with_key = {k_g: ipmi_bmc("127.0.0.1", "admin", "secret", sim.bmc.port, k_g=k_g) for k_g in ("sesame", "wrong", "")}
    assert power_in_process(with_key["sesame"], "query").state == "off"
    for k_g in ("wrong", ""):
        with pytest.raises(PowerAuthError):
            power_in_process(with_key[k_g], "query")


def test_unreachable_bmc_is_named_within_6_seconds(silent: Bmc) -> None:
    began = time.monotonic()
    with pytest.raises(PowerUnreachable, match=f"BMC 127.0.0.1 port {silent.port} does not answer IPMI"):
        power_in_process(silent, "on")
    assert time.monotonic() - began < 6


def test_worker_that_is_late_ends_and_is_replaced(sim, silent: Bmc, process: PowerProcess) -> None:
    began = time.monotonic()
    with pytest.raises(PowerUnreachable, match="within 1 s"):
        process.call(silent, "state", {}, limit_s=1.0)
    assert time.monotonic() - began < 3.5
    assert process.call(sim.bmc, "state", {}) == "off"


def test_password_changed_on_the_bmc_side_needs_only_new_credentials(sim, process: PowerProcess) -> None:
    with pytest.raises(PowerAuthError):
        process.call(ipmi_bmc(sim.bmc.address, "admin", "old", sim.bmc.port), "state", {})
    assert process.call(sim.bmc, "state", {}) == "off"


def test_bmc_that_was_restarted_is_logged_in_to_anew_within_the_same_call(sim, process: PowerProcess) -> None:
    assert process.call(sim.bmc, "state", {}) == "off"
    sim.restart()
    began = time.monotonic()
    process.call(sim.bmc, "control", {"action": "on"})
    assert sim.power == "on"
    # pyghmi alone takes 19 s to find out, and then fails.
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(("level", "asked"), [("", 4), ("ADMIN", 4), ("OPERATOR", 3), ("USER", 2)])
def test_login_asks_for_the_privilege_level_that_is_set(sim, level: str, asked: int) -> None:
    with relay(sim.bmc) as (port, sent):
        bmc = ipmi_bmc(sim.bmc.address, sim.bmc.user, sim.bmc.password, port, privilege_level=level)
        assert power_in_process(bmc, "query").state == "off"
    # RAKP message 1: after 16 bytes of RMCP+ header come tag, 3 reserved, session id, 16 of random, then the level.
    (login,) = [packet for packet in sent if packet[4:6] == b"\x06\x12"]
    assert login[16 + 24] & 0x0F == asked


# ipmi_sim knows suite 3 and not 17, so without a wish the second proposal succeeds.
@pytest.mark.parametrize(("suite", "hashes"), [("", [3, 1]), ("3", [1])])
def test_login_offers_the_cipher_suite_that_is_set(sim, suite: str, hashes: list[int]) -> None:
    with relay(sim.bmc) as (port, sent):
        bmc = ipmi_bmc(sim.bmc.address, sim.bmc.user, sim.bmc.password, port, cipher_suite_id=suite)
        assert power_in_process(bmc, "query").state == "off"
    # RMCP+ open session request (payload type 0x10): the authentication algorithm (table 13-17) of its first proposal.
    assert [packet[16 + 12] for packet in sent if packet[4:6] == b"\x06\x10"] == hashes


def test_bmc_that_cannot_do_the_cipher_suite_that_is_set_is_refused(sim) -> None:
    bmc = ipmi_bmc(sim.bmc.address, sim.bmc.user, sim.bmc.password, sim.bmc.port, cipher_suite_id="17")
    with pytest.raises(PowerRefused, match="does not speak cipher suite 17; leave cipher_suite_id empty"):
        power_in_process(bmc, "on")
    assert sim.power == "off"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"cipher_suite_id": "8"}, "cipher suite 8 is not supported; use 3 or 17"),
        ({"power_driver": "LAN"}, "IPMI 1.5 .* is not supported; use LAN_2_0"),
        ({"privilege_level": "ROOT"}, "privilege level 'ROOT' is unknown"),
    ],
)
def test_option_that_cannot_be_honoured_is_refused_in_words(options: dict[str, str], words: str) -> None:
    with pytest.raises(PowerRefused, match=words):
        registry.driver("ipmi").bmc({"address": "10.0.0.1", "options": options})
