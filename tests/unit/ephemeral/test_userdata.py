# SPDX-License-Identifier: GPL-3.0-or-later
"""How the runner's parts become the one program that a machine gets."""

from __future__ import annotations

import ast
import sys
from collections import Counter

from rackyard.region.ephemeral import RunnerConfig, build_user_data
from rackyard.region.ephemeral.runner.main import SHEBANG
from rackyard.region.ephemeral.userdata import join_parts

PROGRAM = build_user_data(RunnerConfig("http://x/", "a", "b", "c"))
# What the oldest Python that the runner promises would read; text of a newer one is a SyntaxError.
TREE = ast.parse(PROGRAM, feature_version=(3, 9))


def defined(node: ast.stmt) -> list[str]:
    """The names that a statement at the top of a program makes."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return [name.asname or name.name.split(".")[0] for name in node.names]
    if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def test_program_begins_as_a_script_and_with_what_is_from_the_future() -> None:
    assert PROGRAM.startswith(SHEBANG + b"from __future__ import annotations\n")
    assert PROGRAM.count(b"from __future__ ") == 1
    assert PROGRAM.count(b"#!") == PROGRAM.count(SHEBANG.strip()) == 2, "the other one is the name SHEBANG's"
    compile(PROGRAM, "part-001", "exec")


def test_program_imports_the_standard_library_only() -> None:
    imports = [node for node in ast.walk(TREE) if isinstance(node, (ast.Import, ast.ImportFrom))]
    origins = [node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in imports]
    assert {str(origin).split(".")[0] for origin in origins} <= sys.stdlib_module_names
    assert not any(node.level for node in imports if isinstance(node, ast.ImportFrom))
    assert all(node in TREE.body for node in imports)
    lines = [ast.unparse(node) for node in imports]
    assert sorted(set(lines)) == sorted(lines)


def test_no_part_takes_a_name_that_another_has() -> None:
    names = Counter(name for node in TREE.body for name in defined(node))
    assert [name for name, times in names.items() if times > 1] == []


def test_main_comes_last_so_that_all_is_there_when_it_runs() -> None:
    assert [ast.unparse(node.test) for node in TREE.body if isinstance(node, ast.If)] == ["__name__ == '__main__'"]
    assert isinstance(TREE.body[-1], ast.If)


def test_joined_parts_import_once_and_nothing_from_each_other() -> None:
    one = (
        '"""One."""\nfrom __future__ import annotations\n\nimport os\n'
        "from typing import (\n    Any,\n    NoReturn,\n)\n\nA = 1\n"
    )
    two = (
        "from __future__ import annotations\nimport os\nfrom typing import Any\n"
        "from rackyard.region.ephemeral.runner.uplink import (\n    A,\n)\n\nB = A  # as it was\n"
    )
    assert [line for line in join_parts([one, two]).splitlines() if line] == [
        "from __future__ import annotations",
        "from typing import Any",
        "from typing import NoReturn",
        "import os",
        '"""One."""',
        "A = 1",
        "B = A  # as it was",
    ]


def test_import_that_cannot_be_left_out_stays_to_be_seen() -> None:
    renamed = "from rackyard.region.ephemeral.runner.uplink import say as tell"
    others = ["from rackyard.region.clock import Clock", "from .uplink import say", renamed]
    assert join_parts(others).split() == "\n".join(sorted(others)).split()
