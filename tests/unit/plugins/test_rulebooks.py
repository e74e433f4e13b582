# SPDX-License-Identifier: GPL-3.0-or-later
"""The example rulebooks name what is there: options and filters of the source, modules, playbooks."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest
import yaml

from rackyard_core.event_feed import Wanted

ROOT = Path(__file__).resolve().parents[3]
SOURCE = runpy.run_path(str(ROOT / "extensions/eda/plugins/event_source/events.py"))
RULEBOOKS = sorted(ROOT.glob("extensions/eda/rulebooks/*.yml"))
RUNS = {"run_module": "plugins/modules/{}.py", "run_playbook": "playbooks/{}.yml"}


def test_options_are_those_that_are_documented() -> None:
    documented = yaml.safe_load(SOURCE["DOCUMENTATION"])["options"]
    assert {name: option.get("default") for name, option in documented.items()} == SOURCE["DEFAULTS"]


@pytest.mark.parametrize("path", RULEBOOKS, ids=lambda path: path.stem)
def test_rulebook_uses_what_is_there(path: Path) -> None:
    (rules,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    (source,) = rules["sources"]
    options = source["rackyard.metal.events"]
    assert set(options) <= set(SOURCE["DEFAULTS"])
    assert f"/{path.stem}.json" in options["state_file"], "each has a place of its own"
    (wanted,) = Wanted.parse(options["filters"]).types
    for rule in rules["rules"]:
        assert f'event.type == "{wanted}"' in rule["condition"]
        for action in rule.get("actions") or [rule["action"]]:
            ((kind, call),) = action.items()
            collection, _, name = call["name"].rpartition(".")
            assert collection == "ansible.builtin" or (ROOT / RUNS[kind].format(name)).is_file(), call["name"]
