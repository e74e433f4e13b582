# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.rackyard.metal.plugins.modules import machine_mark

Run = Callable[..., dict[str, Any]]


def test_marks_are_foretold_made_once_and_taken_off(run: Run, register: Run, execute: Run) -> None:
    register()
    execute("UPDATE machine SET status = 4, commissioned_at = now()")  # Ready

    def mark(**options: Any) -> tuple[bool, list[str], tuple[Any, ...]]:
        done = run(machine_mark, hostname="m1", **options)
        known = [done["machine"][name] for name in ("status_name", "error_description", "locked")]
        return done["changed"], done["actions"], tuple(known)

    wished = {"broken": True, "locked": True, "comment": "sdb is gone"}
    both = ["mark_broken machine m1", "lock machine m1"]
    foretold = run(machine_mark, hostname="m1", check=True, **wished)
    assert (foretold["changed"], foretold["actions"]) == (True, both)
    assert (foretold["diff"]["before"], foretold["diff"]["after"]) != ("", "")
    assert mark(**wished) == (True, both, ("Broken", "sdb is gone", True))
    assert mark(broken=True, comment="something else") == (False, [], ("Broken", "sdb is gone", True))
    refused = run(machine_mark, hostname="m1", broken=False)
    assert (refused["status"], "lock" in refused["msg"]) == (409, True)
    assert mark(broken=False, locked=False) == (
        True,
        ["unlock machine m1", "mark_fixed machine m1"],
        ("Ready", "", False),
    )
    assert mark(broken=False) == (False, [], ("Ready", "", False))
    assert "There is no machine 'm9'" in run(machine_mark, hostname="m9", broken=True)["msg"]
