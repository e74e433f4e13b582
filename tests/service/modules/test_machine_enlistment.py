# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import machine_enlistment

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def waiting(register: Run, execute: Run) -> list[str]:
    """Three machines that have enlisted; their MACs."""
    macs = [f"52:54:00:20:02:0{number}" for number in range(3)]
    for number, mac in enumerate(macs):
        register(hostname=f"e{number}", mac_addresses=[mac], power=None)
        execute(
            "WITH told AS (UPDATE machine SET hardware = jsonb_build_object('system_serial', 'SN' || %s::int, "
            "'system_vendor', 'QEMU') WHERE hostname = %s RETURNING id) "
            "INSERT INTO enlistment (boot_id, mac, address, commission, outcome, consumer_key, token_key, "
            "token_secret_sha256, token_secret, requested_at, ends_at, machine_id) "
            "SELECT md5(%s), %s, '10.20.0.9', false, 'done', '', %s, decode(repeat('00', 32), 'hex'), '', now(), "
            "now(), id FROM told",
            number, f"e{number}", mac, mac, mac,
        )  # fmt: skip
    return macs


def test_machines_are_shown_accepted_and_refused_once(run: Run, waiting: list[str]) -> None:
    shown = run(machine_enlistment)
    assert (shown["changed"], [each["mac"] for each in shown["enlistments"]]) == (False, waiting)
    wish = {
        "accept_all": True,
        "serials": ["SN1", "SN2"],
        "vendors": ["QEMU"],
        "reject": ["e2"],
        "accept": [waiting[0]],
    }
    acts = ["accept machine e0", "accept machine e1", "delete machine e2"]
    foretold = run(machine_enlistment, check=True, **wish)
    assert (foretold["changed"], foretold["actions"], foretold["accepted"]) == (True, acts, [])
    assert foretold["diff"] == {"before": {"waiting": ["e0", "e1", "e2"]}, "after": {"waiting": []}}
    done = run(machine_enlistment, **wish)
    assert (done["actions"], [each["status_name"] for each in done["accepted"]]) == (acts, ["New", "New"])
    again = run(machine_enlistment, **wish)
    assert (again["changed"], again["actions"]) == (False, [])
    assert "No machine 'e2' has enlisted. Waiting: none" in run(machine_enlistment, accept=["e2"])["msg"]
