# SPDX-License-Identifier: GPL-3.0-or-later
"""Templates say the same whether a number or a truth comes as such or, as with `-e`, as a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template
from role_variables import trusted

ROOT = Path(__file__).resolve().parents[3]
SITE = {
    "rackyard_region_url": "http://192.0.2.11:5240/MAAS",
    "rackyard_region_addresses": ["192.0.2.11"],
    "rackyard_first_region": "region1",
    "rackyard_database_members": {"host1": "192.0.2.11"},
    "inventory_hostname": "host1",
    "inventory_hostname_short": "host1",
    "__daemon_host": {"release": "12", "packages": []},
    "ansible_facts": {},
    # One of those that role lab_network goes through.
    "item": {"lldp": {"chassis": "swa"}},
}


def load(path: Path) -> dict[str, Any]:
    """Variables of a file, empty when there is none."""
    return (yaml.safe_load(path.read_text(encoding="utf-8")) or {}) if path.exists() else {}


def typed_inputs(role: Path) -> dict[str, list[Any]]:
    """Values to try of each number and truth among a role's inputs."""
    values = {}
    for entry in load(role / "meta/argument_specs.yml")["argument_specs"].values():
        for name, option in (entry.get("options") or {}).items():
            if option["type"] == "bool":
                values[name] = [True, False]
            elif option["type"] == "int":
                values[name] = [97]
    return values


CASES = [
    pytest.param(role, template, name, value, id=f"{role.name}-{template.name}-{name}-{value}")
    for role in sorted(ROOT.glob("roles/*"))
    if (role / "meta/argument_specs.yml").exists()
    for name, values in typed_inputs(role).items()
    for template in sorted(role.glob("templates/**/*.j2"))
    if name in template.read_text(encoding="utf-8")
    for value in values
]


def test_there_is_something_to_compare() -> None:
    assert len(CASES) >= 15


@pytest.mark.parametrize("tier", ["region", "rack", "region rack"])
@pytest.mark.parametrize(("role", "template", "name", "value"), CASES)
def test_a_word_says_what_the_value_says(role: Path, template: Path, name: str, value: Any, tier: str) -> None:
    variables = trusted(load(role / "defaults/main.yml") | load(role / "vars/main.yml"))
    variables |= SITE | {"rackyard_tiers": tier.split()}
    text = trust_as_template(template.read_text(encoding="utf-8"))
    plain, word = (
        str(Templar(loader=DataLoader(), variables=variables | {name: given}).template(text))
        for given in (value, str(value).lower())
    )
    assert plain == word
