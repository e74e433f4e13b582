# SPDX-License-Identifier: GPL-3.0-or-later
"""How the IPMI driver takes what BMCs answer, with pyghmi's session replaced by a script of completion codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from rackyard_core.power import ipmi, worker
from rackyard_core.power.base import PowerBusy, PowerRefused, PowerUnreachable
from rackyard_core.power.orders import carry_out

SET_BOOT, CONTROL, STATUS = 0x08, 0x02, 0x01
BUSY, NOT_NOW, NOT_SUPPORTED = 0xC0, 0xD5, 0x80


class ScriptedBmc:
    """Stands for pyghmi's session: answers each command, and notes what was asked."""

    logged, broken, maxtimeout = 1, False, 6

    def __init__(self) -> None:
        self.on = False
        self.asked: list[tuple[int, tuple[int, ...]]] = []
        self.codes: Callable[[int, tuple[int, ...]], int] = lambda _command, _data: 0

    def raw_command(self, netfn: int, command: int, data: tuple[int, ...]) -> dict[str, Any]:
        self.asked.append((command, tuple(data)))
        code = self.codes(command, tuple(data))
        if code:
            return {"code": code, "error": f"code {code:#04x}", "data": b""}
        if command == CONTROL:
            self.on = data[0] in (1, 3)
        return {"code": 0, "data": bytes([self.on, 0, 0]) if command == STATUS else b""}

    def logout(self) -> None:
        pass


@pytest.fixture
def bmc(monkeypatch: pytest.MonkeyPatch) -> ScriptedBmc:
    scripted = ScriptedBmc()
    monkeypatch.setattr(ipmi.pyghmi_session, "Session", lambda **_options: scripted)
    return scripted


class Machine(ipmi.IpmiSession):
    """The driver's session as orders take it."""

    name = "10.30.0.11"


@pytest.fixture
def machine(bmc: ScriptedBmc) -> Machine:
    return Machine(ipmi.bmc("10.30.0.11", "admin", "secret"))


@pytest.mark.parametrize(("k_g", "key"), [("", None), ("sesame", b"sesame"), ("0x00ff10", b"\x00\xff\x10")])
def test_k_g_reaches_the_session_as_bytes(monkeypatch: pytest.MonkeyPatch, k_g: str, key: bytes | None) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setattr(ipmi.pyghmi_session, "Session", lambda **options: asked.update(options) or ScriptedBmc())
    power = {"address": "10.30.0.11", "user": "admin", "password": "secret", "options": {"k_g": k_g}}
    bmc = ipmi.DRIVER.bmc(power)
    ipmi.IpmiSession(bmc)
    assert asked["kg"] == key
    assert "sesame" not in repr(bmc)


@pytest.mark.parametrize("k_g", ["0xnothex", "0x" + "ff" * 21, "x" * 21])
def test_k_g_that_no_bmc_can_have_is_refused_and_not_quoted(k_g: str) -> None:
    with pytest.raises(PowerRefused, match="k_g") as refused:
        ipmi.DRIVER.bmc({"address": "10.30.0.11", "options": {"k_g": k_g}})
    assert k_g not in str(refused.value)


def nothing(_seconds: float) -> None:
    """Sleep in no time."""


def test_bmc_that_refuses_to_keep_the_flags_gets_them_all_the_same(bmc: ScriptedBmc, machine: Machine) -> None:
    bmc.codes = lambda command, data: NOT_SUPPORTED if command == SET_BOOT and data == (3, 8) else 0
    result = carry_out(machine, "on", "pxe", sleep=nothing)
    assert (SET_BOOT, (5, 0x80, 0x04, 0, 0, 0)) in bmc.asked
    assert (result.state, result.warnings) == ("on", ())


def test_uefi_boot_is_asked_for_by_its_own_flag(bmc: ScriptedBmc, machine: Machine) -> None:
    carry_out(machine, "on", "pxe", uefi=True, sleep=nothing)
    assert (SET_BOOT, (5, 0xA0, 0x04, 0, 0, 0)) in bmc.asked


@pytest.mark.parametrize("code", [BUSY, NOT_NOW])
@pytest.mark.parametrize("refused", [CONTROL, SET_BOOT])
def test_busy_bmc_is_asked_again_for_some_seconds(bmc: ScriptedBmc, machine: Machine, code: int, refused: int) -> None:
    left = [code, code, code]
    bmc.codes = lambda command, _data: left.pop() if command == refused and left else 0
    pauses: list[float] = []
    result = carry_out(machine, "on", "pxe", sleep=pauses.append)
    assert (result.state, result.warnings) == ("on", ())
    assert pauses[:3] == [1.0, 1.0, 1.0]


def test_bmc_that_stays_busy_is_refused_in_the_end(bmc: ScriptedBmc, machine: Machine) -> None:
    bmc.codes = lambda command, _data: BUSY if command == CONTROL else 0
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(PowerBusy, match=r"refused to switch the machine on: code 0xc0"):
        carry_out(machine, "on", clock=lambda: now[0], sleep=sleep)
    assert 5 < now[0] < 10


def test_other_refusals_are_final(bmc: ScriptedBmc, machine: Machine) -> None:
    bmc.codes = lambda command, _data: 0xD4 if command == CONTROL else 0
    with pytest.raises(PowerRefused, match=r"look at .* the privileges of user 'admin'"):
        carry_out(machine, "on", sleep=nothing)
    assert [command for command, _data in bmc.asked].count(CONTROL) == 1


def test_bmc_that_is_silent_while_its_machine_starts_is_asked_again(bmc: ScriptedBmc, machine: Machine) -> None:
    left = [0xFFFF, 0xFFFF]
    bmc.codes = lambda command, _data: left.pop() if command == STATUS and bmc.on and left else 0
    assert carry_out(machine, "on", sleep=nothing).state == "on"


def test_bmc_that_stays_silent_is_unreachable(bmc: ScriptedBmc, machine: Machine) -> None:
    bmc.codes = lambda command, _data: 0xFFFF if command == STATUS and bmc.on else 0
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    with pytest.raises(PowerUnreachable, match="stopped answering"):
        carry_out(machine, "on", timeout_s=10, clock=lambda: now[0], sleep=sleep)
    assert 9 < now[0] < 12


class Kept:
    """A session that may have died while nobody used it."""

    def __init__(self, opened: list[Kept], answers: bool = True) -> None:
        self.alive, self.answers, self.hurried, self.closed = True, answers, False, False
        opened.append(self)

    def state(self) -> str:
        if not self.answers:
            raise PowerUnreachable("gone")
        return "on"

    def hurry(self, hurried: bool) -> None:
        self.hurried = hurried

    def close(self) -> None:
        self.closed = True


def test_sessions_are_kept_replaced_once_and_closed_when_idle() -> None:
    opened: list[Kept] = []
    now = [0.0]
    sessions = worker.Sessions(lambda _bmc: Kept(opened), clock=lambda: now[0])
    request = {"bmc": ipmi.bmc("10.30.0.11", "a", "b").as_dict(), "call": "state", "arguments": {}}
    assert [worker.answer(sessions, request)["result"] for _turn in range(3)] == ["on"] * 3
    assert len(opened) == 1
    assert not opened[0].hurried
    opened[0].answers = False
    assert worker.answer(sessions, request) == {"ok": True, "result": "on"}
    assert (len(opened), opened[0].closed, opened[0].hurried) == (2, True, True)
    now[0] = worker.IDLE_S + 1
    sessions.expire()
    assert opened[1].closed


def test_new_session_that_fails_is_not_tried_again_within_the_call() -> None:
    opened: list[Kept] = []
    sessions = worker.Sessions(lambda _bmc: Kept(opened, answers=False))
    request = {"bmc": ipmi.bmc("10.30.0.11", "a", "b").as_dict(), "call": "state", "arguments": {}}
    assert worker.answer(sessions, request)["error"] == "PowerUnreachable"
    assert len(opened) == 1
