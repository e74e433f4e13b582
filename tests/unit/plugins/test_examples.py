# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of the modules' documentation are tasks that the modules take."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.common.arg_spec import ModuleArgumentSpecValidator

ROOT = Path(__file__).resolve().parents[3]
PREFIX = "rackyard.metal."
MODULES = sorted(path.stem for path in (ROOT / "plugins/modules").glob("*.py"))
RULES = ("mutually_exclusive", "required_together", "required_one_of", "required_if", "required_by")
# What an expression may have come to, by the option's type.
VALUES = {"int": 1, "float": 1.0, "bool": True, "list": [], "dict": {}}


class Declared(Exception):
    """What a module has told AnsibleModule; nothing after that runs."""


def tasks_of(name: str) -> list[dict[str, Any]]:
    """Tasks of a module's examples, also where they are in plays."""
    imported = importlib.import_module(f"ansible_collections.rackyard.metal.plugins.modules.{name}")
    return list(tasks_in(yaml.safe_load(imported.EXAMPLES)))


def tasks_in(entries: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for entry in entries:
        inner = [task for part in ("pre_tasks", "tasks", "block", "rescue", "always") for task in entry.get(part, [])]
        yield from tasks_in(inner)
        if not inner:
            yield entry


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a module declares, by its name."""

    def told(_self: AnsibleModule, argument_spec: dict[str, Any], **rules: Any) -> None:
        raise Declared(argument_spec, {name: rules.get(name) for name in RULES})

    monkeypatch.setattr(AnsibleModule, "__init__", told)
    # As in a play's module_defaults, which the examples do not repeat.
    monkeypatch.setenv("RACKYARD_URL", "http://region1.example.org:5240/MAAS")
    monkeypatch.setenv("RACKYARD_API_KEY", "a:b:c")

    def of(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        with pytest.raises(Declared) as caught:
            importlib.import_module(f"ansible_collections.rackyard.metal.plugins.modules.{name}").main()
        spec, rules = caught.value.args
        return spec, rules

    return of


def calculated(options: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """The options with something of their type where the example has an expression."""
    found = {}
    for name, value in options.items():
        declared = spec.get(name, {})
        if isinstance(value, str) and value.startswith("{{"):
            value = declared.get("choices", [VALUES.get(declared.get("type", "str"), value)])[0]
        elif isinstance(value, dict) and "options" in declared:
            value = calculated(value, declared["options"])
        elif isinstance(value, list) and "options" in declared:
            value = [calculated(each, declared["options"]) for each in value if isinstance(each, dict)]
        found[name] = value
    return found


def refusals(declared: Any, tasks: list[dict[str, Any]]) -> list[str]:
    """What our modules say of the options that tasks give them."""
    said = []
    for task in tasks:
        for name in (key.removeprefix(PREFIX) for key in task if key.startswith(PREFIX)):
            spec, rules = declared(name)
            options = calculated(task[PREFIX + name] or {}, spec)
            said += [
                f"{task.get('name')}: {words}"
                for words in ModuleArgumentSpecValidator(spec, **rules).validate(options).error_messages
            ]
    return said


@pytest.mark.parametrize("name", MODULES)
def test_module_takes_its_examples(name: str, declared: Any) -> None:
    tasks = tasks_of(name)
    assert any(PREFIX + name in task for task in tasks), "no example shows the module itself"
    assert refusals(declared, tasks) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "dc1", "colour": "a hall"}, "colour. Supported parameters include: "),
        ({"description": "a hall"}, "missing required arguments: name"),
        ({"name": "dc1", "state": "gone"}, "value of state must be one of: present, absent"),
    ],
)
def test_wrong_example_would_be_found(options: dict[str, str], words: str, declared: Any) -> None:
    (said,) = refusals(declared, [{"name": "A fabric", "rackyard.metal.fabric": options}])
    assert words in said
