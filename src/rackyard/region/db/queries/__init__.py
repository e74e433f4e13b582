# SPDX-License-Identifier: GPL-3.0-or-later
"""Every SQL statement of the region, by name, from the .sql files of this folder."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

_HEADER = re.compile(r"^-- name: ([a-z_]+\.[a-z0-9_]+)\n-- (\S.*)\n", re.MULTILINE)


@cache
def all_queries() -> dict[str, str]:
    """Name to SQL text. Raises ValueError for a name given twice or in the wrong file."""
    found: dict[str, str] = {}
    for file in sorted(resources.files(__package__).iterdir(), key=lambda entry: entry.name):
        if not file.name.endswith(".sql"):
            continue
        text = file.read_text(encoding="utf-8")
        headers = list(_HEADER.finditer(text))
        ends = [header.start() for header in headers[1:]] + [len(text)]
        for header, end in zip(headers, ends, strict=True):
            name = header.group(1)
            if name in found or name.partition(".")[0] != file.name.removesuffix(".sql"):
                raise ValueError(f"query {name} in {file.name} is named twice or belongs to another file")
            found[name] = text[header.end() : end].strip()
    return found


def query(name: str) -> str:
    """The SQL of one query. Raises KeyError for an unknown name."""
    return all_queries()[name]
