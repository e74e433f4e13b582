# SPDX-License-Identifier: GPL-3.0-or-later
"""Every SQL statement of the region, by name: `machines.state.lock` is `lock` in `machines/state.sql`.

A line `-- include: NAME` in a query stands for the text of another one, so that two that ask for the same rows cannot
come to differ about which these are. A line `-- where` stands for the conditions that are given with the query: an
expression that begins with `-- condition: NAME` in place of `-- name: NAME`. Lines that end with `-- column: NAME` are
there for who asks for that column. So what is not asked for costs nothing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

_HEADER = re.compile(r"^-- (name|condition): ([a-z_]+\.[a-z_]+\.[a-z0-9_]+)\n-- (\S.*)\n", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\S+)$", re.MULTILINE)
_WHERE = "\n-- where\n"
_COLUMN = re.compile(r"^.* -- column: (\w+)\n", re.MULTILINE)


def all_queries() -> Mapping[str, str]:
    """Name to SQL text. Raises ValueError for a name given twice or in the wrong file, KeyError for an unknown one."""
    return _all()["name"]


def all_conditions() -> Mapping[str, str]:
    """Name to expression, likewise."""
    return _all()["condition"]


@cache
def _all() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {"name": {}, "condition": {}}
    for folder, file in _files():
        text = file.read_text(encoding="utf-8")
        headers = list(_HEADER.finditer(text))
        ends = [header.start() for header in headers[1:]] + [len(text)]
        for header, end in zip(headers, ends, strict=True):
            kind, name = header.group(1), header.group(2)
            known = any(name in each for each in found.values())
            if known or name.rpartition(".")[0] != f"{folder}.{file.name.removesuffix('.sql')}":
                raise ValueError(f"query {name} in {folder}/{file.name} is named twice or belongs to another file")
            found[kind][name] = text[header.end() : end].strip()
    queries = found["name"]
    return {
        kind: {name: _INCLUDE.sub(lambda line: queries[line[1]].rstrip(";"), text) for name, text in texts.items()}
        for kind, texts in found.items()
    }


def query(name: str, conditions: Sequence[str] = ()) -> str:
    """The SQL of one query under these conditions. Raises KeyError for an unknown name, ValueError for a query that
    has no place for conditions."""
    text = all_queries()[name]
    if not conditions:
        return text
    before, place, after = text.partition(_WHERE)
    if not place:
        raise ValueError(f"query {name} takes no conditions")
    known = all_conditions()
    return f"{before}\nWHERE {' AND '.join(f'({known[condition]})' for condition in conditions)}\n{after}"


def with_columns(text: str, columns: Collection[str]) -> str:
    """The SQL of a query with these columns only, of those that are there for who asks for them."""
    return _COLUMN.sub(lambda line: line[0] if line[1] in columns else "", text)


def _files() -> Iterator[tuple[str, Traversable]]:
    """Every .sql file with the name of its folder, in a steady order."""
    for folder in sorted(resources.files(__package__).iterdir(), key=lambda entry: entry.name):
        if folder.is_dir():
            for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
                if file.name.endswith(".sql"):
                    yield folder.name, file
