# SPDX-License-Identifier: GPL-3.0-or-later
"""Every SQL statement of the region, by name: `machines.state.lock` is `lock` in `machines/state.sql`.

A line `-- include: NAME` in a query stands for the text of another one, so that two that ask for the same rows cannot
come to differ about which these are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

_HEADER = re.compile(r"^-- name: ([a-z_]+\.[a-z_]+\.[a-z0-9_]+)\n-- (\S.*)\n", re.MULTILINE)
_INCLUDE = re.compile(r"^-- include: (\S+)$", re.MULTILINE)


@cache
def all_queries() -> dict[str, str]:
    """Name to SQL text. Raises ValueError for a name given twice or in the wrong file, KeyError for an unknown one."""
    found: dict[str, str] = {}
    for folder, file in _files():
        text = file.read_text(encoding="utf-8")
        headers = list(_HEADER.finditer(text))
        ends = [header.start() for header in headers[1:]] + [len(text)]
        for header, end in zip(headers, ends, strict=True):
            name = header.group(1)
            if name in found or name.rpartition(".")[0] != f"{folder}.{file.name.removesuffix('.sql')}":
                raise ValueError(f"query {name} in {folder}/{file.name} is named twice or belongs to another file")
            found[name] = text[header.end() : end].strip()
    return {name: _INCLUDE.sub(lambda line: found[line[1]].rstrip(";"), text) for name, text in found.items()}


def query(name: str) -> str:
    """The SQL of one query. Raises KeyError for an unknown name."""
    return all_queries()[name]


def _files() -> Iterator[tuple[str, Traversable]]:
    """Every .sql file with the name of its folder, in a steady order."""
    for folder in sorted(resources.files(__package__).iterdir(), key=lambda entry: entry.name):
        if folder.is_dir():
            for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
                if file.name.endswith(".sql"):
                    yield folder.name, file
