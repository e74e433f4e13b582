# SPDX-License-Identifier: GPL-3.0-or-later
"""Kept answers of an inventory's expressions: the same hosts, groups and variables as Ansible makes without them."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.inventory import BaseInventoryPlugin, Constructable
from ansible.template import Templar, trust_as_template
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.rackyard.metal.plugins.plugin_utils import expressions
from ansible_collections.rackyard.metal.plugins.plugin_utils.expressions import Expressions, reading_of

Variables = dict[str, Any]
# One expression may read each of them in the way of another.
EXPRESSIONS = (
    "a", "b", "a.b", "a['b']", "a[0]", "b[1].a", "a.items", "a['items']", "a.keys()", "a.b.c | default('none', true)",
    "a | lower", "a | string | lower | replace(' ', '_')", "a == 1", "a is defined and a", "b is mapping",
    "a ~ '-' ~ b", "[a, b]", "{'x': a}", "a if b else 'no'", "b | map('upper') | list",
    "b | selectattr('a', 'defined') | list", "a | length > 1", "'a' in b", "a.split('-')[0]", "a[:2]", "-a",
    "a | regex_replace('\\\\W', '_')", "a['\\x62']", "c", "c | default(a)", "a +", "a | type_debug",
    "no_such | lower", "a | no_such_filter", "a is no_such_test", "range(3) | list", "lookup('env', 'HOME')", "''",
    "[]", "none", "omit", "extra | default(a)", "group_names | join('_')", "inventory_hostname",
    "composed | default(b)",
)  # fmt: skip
texts = st.sampled_from(["", "x", "Ready", "x-y z", "items", "{{ b }}", "{% x", "#jinja2: x", "üñ", "1", "True"])
scalars = st.one_of(st.none(), st.booleans(), st.sampled_from([0, 1, 1.0, -2, 2**70]), texts)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "items", "1", ""]), inner, max_size=2)
    ),
    max_leaves=4,
)
expression = st.sampled_from(EXPRESSIONS)
keyed = st.fixed_dictionaries(
    {"key": expression},
    optional={
        "prefix": st.sampled_from(["", "p"]), "separator": st.sampled_from(["", "-"]),
        "parent_group": st.sampled_from(["up", "{{ a }}"]),
        "default_value": st.sampled_from(["", "usual"]), "trailing_separator": st.booleans(),
    },
)  # fmt: skip
options = st.fixed_dictionaries({
    "strict": st.booleans(), "leading_separator": st.booleans(), "use_extra_vars": st.booleans(),
    "compose": st.dictionaries(st.sampled_from(["composed", "a"]), expression, max_size=2),
    "groups": st.dictionaries(st.sampled_from(["g1", "g 2"]), expression | st.booleans(), max_size=2),
    "keyed_groups": st.lists(keyed, max_size=2),
})  # fmt: skip
# Few of a kind, so that some hosts get an answer that was kept.
hosts = st.lists(st.fixed_dictionaries({"a": values, "b": values}), min_size=1, max_size=3).map(lambda few: few * 2)


class Plain(BaseInventoryPlugin, Constructable):
    """Ansible's own, with options that are given."""

    def __init__(self, given: Variables, extra: Variables) -> None:
        super().__init__()
        self.given, self.loader, self._vars, self.inventory = given, DataLoader(), extra, InventoryData()

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        return self.given[option]


def trusted(value: Any) -> Any:
    """As Ansible reads a file of an inventory."""
    if isinstance(value, dict):
        return {name: trusted(each) for name, each in value.items()}
    if isinstance(value, list):
        return [trusted(each) for each in value]
    return trust_as_template(value) if isinstance(value, str) else value


def constructed(plugin: Plain, machines: list[Variables]) -> tuple[Any, ...]:
    """All that comes of it, types of values too, and what it fails with."""
    inventory, given, failure = plugin.inventory, plugin.given, ""
    assert inventory is not None
    try:
        for number, variables in enumerate(machines):
            name = f"h{number}"
            inventory.add_host(name)
            inventory.get_host(name).vars.update(variables)
            plugin._set_composite_vars(given["compose"], variables, name, strict=given["strict"])
            plugin._add_host_to_composed_groups(given["groups"], variables, name, strict=given["strict"])
            plugin._add_host_to_keyed_groups(given["keyed_groups"], variables, name, strict=given["strict"])
    except Exception as error:  # Ansible lets several kinds through, and each has to be the same
        failure = f"{type(error)}: {error}"
    groups = {
        name: (sorted(host.name for host in group.hosts), sorted(child.name for child in group.child_groups))
        for name, group in inventory.groups.items()
    }
    return failure, groups, {name: repr(host.vars) for name, host in inventory.hosts.items()}


@given(
    options,
    hosts,
    st.fixed_dictionaries({}, optional={"extra": st.just("x"), "a": st.just(trust_as_template("{{ b }}"))}),
)
@settings(max_examples=150, deadline=None)
def test_all_is_as_ansible_itself_has_it(given: Variables, machines: list[Variables], extra: Variables) -> None:
    alone, helped = Plain(trusted(given), extra), Plain(trusted(given), extra)
    helped.templar = Expressions(helped.templar)
    assert constructed(helped, machines) == constructed(alone, machines)


class Counting(Templar):
    """Counts what Ansible is asked."""

    asked = 0

    def evaluate_expression(self, *words: Any, **options: Any) -> Any:
        self.asked += 1
        return super().evaluate_expression(*words, **options)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("a", 0),
        ("b.c[0]", 0),
        ("a | lower", 2),
        ("b | length", 2),
        ("b.c[0] ~ 1", 1),
        ("lookup('env', 'HOME')", 6),
        ("a | random", 6),
    ],
)
def test_ansible_is_asked_once_for_the_values_that_are_read(text: str, asked: int) -> None:
    templar = Counting(loader=DataLoader())
    kept = Expressions(templar)
    for _round in range(3):
        for variables in ({"a": "X", "b": {"c": ["1"]}}, {"a": "Y", "b": {"c": ["1"], "d": 2}}):
            kept.available_variables = variables
            kept.evaluate_expression(trust_as_template(text))
    assert templar.asked == asked


def test_host_does_not_get_what_another_may_change() -> None:
    kept = Expressions(Templar(loader=DataLoader()))
    for text in ("a", "a + []"):
        kept.available_variables = {"a": [["x"]]}
        kept.evaluate_expression(trust_as_template(text))[0].append("y")
        assert kept.evaluate_expression(trust_as_template(text)) == [["x"]]
        assert kept.available_variables == {"a": [["x"]]}


def test_every_name_is_one_that_ansible_has() -> None:
    environment = Templar(loader=DataLoader())._engine.environment
    assert [name for name in sorted(expressions.FILTERS) if name not in environment.filters] == []
    assert [name for name in sorted(expressions.TESTS) if name not in environment.tests] == []
    assert reading_of("a | random") is None
