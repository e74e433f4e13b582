# SPDX-License-Identifier: GPL-3.0-or-later
"""What the plugins of a collection import besides Ansible, the standard library and each other."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

# Where code runs under the playbook's own Python.
ON_THE_CONTROLLER = (
    "plugins/action", "plugins/callback", "plugins/filter", "plugins/inventory", "plugins/modules",
    "plugins/module_utils",
)  # fmt: skip
# These modules run on hosts, where Debian's packages have what they import.
ON_HOSTS = {"pyghmi", "requests", "sushy", "urllib3"}


def third_party(collection: Path) -> set[str]:
    """Top names of what its plugins import and an execution environment has to have."""
    return {
        name
        for folder in ON_THE_CONTROLLER
        for path in (collection / folder).rglob("*.py")
        for name in imported(ast.parse(path.read_text(encoding="utf-8")))
        if name not in sys.stdlib_module_names and name not in ("ansible", "ansible_collections")
    } - ON_HOSTS


def imported(tree: ast.AST) -> Iterator[str]:
    """Top names of absolute imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.split(".")[0]
