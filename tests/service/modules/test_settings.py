# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.rackyard.metal.plugins.modules import settings

Run = Callable[..., dict[str, Any]]
WANTED = {"commissioning_timeout_s": 3600, "keep_boots": "5", "kernel_opts": "debug"}


def test_settings_are_set_once(run: Run) -> None:
    foretold = run(settings, check=True, settings=WANTED)
    made = run(settings, settings=WANTED)
    names = ["set commissioning_timeout_s", "set keep_boots", "set kernel_opts"]
    assert sorted(foretold["actions"]) == sorted(made["actions"]) == names
    assert made["diff"]["before"] == {"commissioning_timeout_s": 1200, "keep_boots": 10, "kernel_opts": ""}
    assert made["settings"] == {"commissioning_timeout_s": 3600, "keep_boots": 5, "kernel_opts": "debug"}
    assert not run(settings, settings=WANTED)["changed"]


def test_unknown_name_is_refused_before_anything_is_set(run: Run) -> None:
    refused = run(settings, settings={"keep_boots": 7, "windows_kms_host": "a"})
    assert refused["failed"]
    assert "windows_kms_host" in refused["msg"]
    assert run(settings, settings={"keep_boots": 10})["changed"] is False
