# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Expressions of an inventory over many hosts: one that can only give what it gave before is not evaluated again.

Ansible parses and compiles an expression anew for each host, which is most of what a large inventory takes. What one
gives depends on the values that it reads, and these are few: statuses, pools, sizes. So its answer is kept by them,
where every part of it is known to depend on nothing else. All other expressions go to Ansible as they are.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ansible.template import Templar, is_trusted_as_template
from jinja2 import Environment, TemplateSyntaxError, nodes

# Filters, tests and methods whose result depends on what they are given alone: not on chance, time or files.
FILTERS = frozenset((
    "abs", "b64decode", "b64encode", "basename", "batch", "bool", "capitalize", "center", "checksum", "combine",
    "count", "d", "default", "dict2items", "dictsort", "difference", "dirname", "e", "escape", "extract", "first",
    "flatten", "float", "from_json", "from_yaml", "groupby", "hash", "human_readable", "human_to_bytes", "indent",
    "int", "intersect", "items", "items2dict", "join", "last", "length", "list", "log", "lower", "mandatory", "map",
    "max", "md5", "min", "normpath", "pow", "product", "quote", "regex_escape", "regex_findall", "regex_replace",
    "regex_search", "reject", "rejectattr", "replace", "reverse", "round", "select", "selectattr", "sha1", "slice",
    "sort", "split", "splitext", "string", "subelements", "sum", "symmetric_difference", "ternary", "title", "to_json",
    "to_nice_json", "to_uuid", "to_yaml", "trim", "truncate", "union", "unique", "upper", "urldecode", "urlencode",
    "urlsplit", "wordcount", "zip", "zip_longest",
))  # fmt: skip
TESTS = frozenset((
    "!=", "<", "<=", "==", ">", ">=", "all", "any", "boolean", "contains", "defined", "divisibleby", "eq", "equalto",
    "even", "false", "falsy", "float", "ge", "greaterthan", "gt", "in", "integer", "iterable", "le", "lessthan",
    "lower", "lt", "mapping", "match", "ne", "none", "number", "odd", "regex", "search", "sequence", "string", "subset",
    "superset", "true", "truthy", "undefined", "upper", "version", "version_compare",
))  # fmt: skip
METHODS = frozenset((
    "capitalize", "count", "endswith", "find", "get", "index", "isalnum", "isalpha", "isdigit", "items", "join", "keys",
    "lower", "lstrip", "partition", "removeprefix", "removesuffix", "replace", "rpartition", "rsplit", "rstrip",
    "split", "startswith", "strip", "title", "upper", "values", "zfill",
))  # fmt: skip
# Which argument of a filter names another one, or a test.
_NAMING = {
    "map": (0, FILTERS),
    "select": (0, TESTS),
    "reject": (0, TESTS),
    "selectattr": (1, TESTS),
    "rejectattr": (1, TESTS),
}
# Parts that add nothing of their own to what they are made of.
_PLAIN = (
    nodes.BinExpr, nodes.Compare, nodes.Concat, nodes.CondExpr, nodes.Const, nodes.Dict, nodes.Getattr, nodes.Getitem,
    nodes.Keyword, nodes.List, nodes.Operand, nodes.Pair, nodes.Slice, nodes.TemplateData, nodes.Tuple, nodes.UnaryExpr,
)  # fmt: skip
_TEMPLATE = re.compile(r"\{[{%#]|^#jinja2:")
_SCALARS = (bool, int, float, type(None))
# Values that are kept of one expression, and parts of a list or dictionary that are looked at.
_MOST_KEPT = 4096
_MOST_PARTS = 64
_MISSING = ("missing",)

Step = str | int


class _NotKnown(Exception):
    """What is here cannot be judged; Ansible has to."""


@dataclass(frozen=True)
class _Path:
    """A variable, and what is read of it: a name after a dot, or a name or number in brackets."""

    name: str
    steps: tuple[tuple[bool, Step], ...] = ()


@dataclass(frozen=True)
class _Reading:
    """What an expression reads. One that is nothing but a path is ``direct``."""

    paths: tuple[_Path, ...]
    direct: bool


class Expressions:
    """A Templar, as Ansible's Constructable uses one, that keeps answers."""

    def __init__(self, templar: Templar) -> None:
        self._templar = templar
        self._readings: dict[str, _Reading | None] = {}
        self._kept: dict[tuple[str, str], dict[Any, tuple[bool, Any]]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._templar, name)

    @property
    def available_variables(self) -> Mapping[str, Any]:
        """As Templar has it."""
        variables: Mapping[str, Any] = self._templar.available_variables
        return variables

    @available_variables.setter
    def available_variables(self, variables: dict[str, Any]) -> None:
        self._templar.available_variables = variables

    def evaluate_expression(self, expression: Any, **options: Any) -> Any:
        """As Templar does it."""
        if options:
            return self._templar.evaluate_expression(expression, **options)
        reading = self._reading(expression)
        if reading and reading.direct:
            try:
                return _value(reading.paths[0], self.available_variables)
            except _NotKnown:
                pass
        return self._known("expression", expression, reading, self._templar.evaluate_expression)

    def evaluate_conditional(self, conditional: Any) -> Any:
        """As Templar does it."""
        return self._known("conditional", conditional, self._reading(conditional), self._templar.evaluate_conditional)

    def _reading(self, expression: Any) -> _Reading | None:
        if not isinstance(expression, str) or not is_trusted_as_template(expression):
            return None
        if expression not in self._readings:
            self._readings[expression] = reading_of(expression)
        return self._readings[expression]

    def _known(self, kind: str, expression: Any, reading: _Reading | None, evaluate: Callable[[Any], Any]) -> Any:
        """The answer that is kept; else the one that ``evaluate`` gives, an error as well, and it is kept."""
        if reading is None:
            return evaluate(expression)
        try:
            key = tuple(_read(path, self.available_variables) for path in reading.paths)
        except _NotKnown:
            return evaluate(expression)
        kept = self._kept.setdefault((kind, expression), {})
        if key not in kept:
            if len(kept) >= _MOST_KEPT:
                kept.clear()
            try:
                kept[key] = (True, evaluate(expression))
            except Exception as error:  # whatever it is, it is raised each time
                kept[key] = (False, error)
        good, answer = kept[key]
        if not good:
            raise answer.with_traceback(None)
        # Hosts do not share what one of them may change.
        return copy.deepcopy(answer) if isinstance(answer, (list, dict)) else answer


def reading_of(expression: str) -> _Reading | None:
    """What a Jinja expression reads; None if it may depend on more than that, or is none."""
    # A text in it that is a template would read more.
    if _TEMPLATE.search(expression):
        return None
    # What a backslash means in a name is up to Ansible.
    narrow = "\\" not in expression
    try:
        (output,) = Environment(autoescape=True).parse("{{ " + expression + " }}").body
        (node,) = output.nodes
        paths = tuple(dict.fromkeys(_paths(node, narrow)))
    except (TemplateSyntaxError, ValueError, AttributeError, _NotKnown):
        return None
    return _Reading(paths, direct=_path(node, narrow) is not None)


def _paths(node: nodes.Node, narrow: bool) -> Iterator[_Path]:
    """All that a node reads. Raises _NotKnown where it may depend on something else."""
    path = _path(node, narrow)
    if path is not None:
        yield path
        return
    if isinstance(node, (nodes.Filter, nodes.Test)):
        _judge(node)
    elif isinstance(node, nodes.Call):
        if not isinstance(node.node, nodes.Getattr) or node.node.attr not in METHODS:
            raise _NotKnown
        yield from _paths(node.node.node, narrow)
    elif not isinstance(node, _PLAIN):
        raise _NotKnown
    for child in node.iter_child_nodes(exclude=("node",) if isinstance(node, nodes.Call) else None):
        yield from _paths(child, narrow)


def _judge(node: nodes.Filter | nodes.Test) -> None:
    allowed = FILTERS if isinstance(node, nodes.Filter) else TESTS
    name = node.name.removeprefix("ansible.builtin.")
    if name not in allowed or node.dyn_args is not None or node.dyn_kwargs is not None:
        raise _NotKnown
    place, named = _NAMING.get(name, (0, None)) if allowed is FILTERS else (0, None)
    if named is not None and len(node.args) > place:
        word = node.args[place]
        if not isinstance(word, nodes.Const) or word.value not in named:
            raise _NotKnown


def _path(node: nodes.Node, narrow: bool) -> _Path | None:
    """The path that a node is, if it is nothing else."""
    if isinstance(node, nodes.Name):
        return _Path(node.name)
    if isinstance(node, nodes.Getattr):
        dotted, step = True, node.attr
    elif isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const) and type(node.arg.value) in (str, int):
        dotted, step = False, node.arg.value
    else:
        return None
    before = _path(node.node, narrow)
    if before is None or not narrow:
        return None
    return _Path(before.name, (*before.steps, (dotted, step)))


def _reached(path: _Path, variables: Mapping[str, Any]) -> tuple[int, Any]:
    """How many of its steps lead somewhere, and where to; -1 when there is no such variable."""
    if path.name not in variables:
        return -1, None
    value = variables[path.name]
    for count, (dotted, step) in enumerate(path.steps):
        if isinstance(value, dict) and isinstance(step, str):
            # After a dot a method wins; otherwise it is what is left when there is no such key.
            if step.startswith("_") or (hasattr(dict, step) and (dotted or step not in value)):
                return count, value
            if step not in value:
                return count, _MISSING
        elif not (isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value)):
            return count, value
        value = value[step]
    return len(path.steps), value


def _read(path: _Path, variables: Mapping[str, Any]) -> tuple[Any, ...]:
    """What distinguishes the value at a path from any other. Raises _NotKnown."""
    count, value = _reached(path, variables)
    return count, (_MISSING if value is _MISSING else _frozen(value, [_MOST_PARTS]))


def _value(path: _Path, variables: Mapping[str, Any]) -> Any:
    """The value at a path. Raises _NotKnown where there is none, or more than a value."""
    count, value = _reached(path, variables)
    if count != len(path.steps):
        raise _NotKnown
    _frozen(value, [_MOST_PARTS])
    return copy.deepcopy(value) if isinstance(value, (list, dict)) else value


def _frozen(value: Any, left: list[int]) -> Any:
    """A value as part of a key, its type with it: 1, 1.0 and true are not the same. Raises _NotKnown for templates, for
    what is neither text, number, list or dictionary, and for what has too many parts, of which so many are ``left``."""
    left[0] -= 1
    if left[0] < 0:
        raise _NotKnown
    if isinstance(value, str):
        if ("{" in value or value.startswith("#")) and _TEMPLATE.search(value):
            raise _NotKnown
        return str(value)
    if isinstance(value, _SCALARS):
        return next(kind for kind in _SCALARS if isinstance(value, kind)), repr(value)
    if isinstance(value, list):
        return (list, *(_frozen(each, left) for each in value))
    if isinstance(value, dict):
        return (dict, *((_frozen(name, left), _frozen(each, left)) for name, each in value.items()))
    raise _NotKnown
