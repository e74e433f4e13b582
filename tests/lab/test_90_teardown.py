# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab leaves nothing behind."""

from __future__ import annotations

from lab_site import STATE, Lab, host_traces


def test_teardown_leaves_no_trace(lab: Lab) -> None:
    for capture in lab.captures.values():
        capture.stop()
    lab.run("lab", "down")
    after = host_traces()
    for kind, before in lab.traces_before.items():
        assert after[kind] - before == set(), f"{kind} left behind"
    assert not STATE.exists()


def test_teardown_of_nothing_succeeds(lab: Lab) -> None:
    lab.run("lab", "down")
