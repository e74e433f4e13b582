# SPDX-License-Identifier: GPL-3.0-or-later
"""The user data of a commissioning boot: the runner with its configuration inside."""

import ast
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files

from rackyard.region.ephemeral.runner.main import SHEBANG

_PARTS = ("uplink", "processes", "uploaded", "main")  # each after those it imports from
_MODULES = tuple(f"{__package__}.runner.{part}" for part in _PARTS)
_SLOT = 'CONFIG_JSON = "{}"'


@dataclass(frozen=True, slots=True)
class RunnerConfig:
    """Where the runner reports to, and the credentials of this boot.

    ``metadata_url`` is the datasource's (``http://<subnet name>:5248/MAAS/metadata/``), ``heartbeat_s`` the seconds
    between two signs of life.
    """

    metadata_url: str
    consumer_key: str
    token_key: str
    token_secret: str
    heartbeat_s: float = 60.0


def build_user_data(config: RunnerConfig) -> bytes:
    """Return the runner with ``config`` filled in, ready to be served as user-data.

    It carries the boot's secret: serve it only to the machine that authenticated with it.
    """
    text = json.dumps(asdict(config))
    # An ASCII JSON string is also a Python string literal.
    return _program().replace(_SLOT, f"CONFIG_JSON = {json.dumps(text)}").encode()


@cache
def _program() -> str:
    """The runner's parts as one program, without a configuration."""
    sources = files(__package__) / "runner"
    program = SHEBANG.decode() + join_parts((sources / f"{part}.py").read_text("utf-8") for part in _PARTS)
    if program.count(_SLOT) != 1:
        raise AssertionError(f"the runner must have the line {_SLOT!r} exactly once")
    return program


def join_parts(sources: Iterable[str]) -> str:
    """Return parts of the runner as one: what they import from elsewhere once at the top, then the rest of each."""
    imports: set[str] = set()
    bodies: list[str] = []
    for source in sources:
        lines = source.split("\n")
        for node in ast.parse(source).body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                imports.update(_from_elsewhere(node))
                for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                    lines[number] = ""
        bodies.append("\n".join(lines))
    # Python wants what is from the future first.
    ordered = sorted(imports, key=lambda line: (not line.startswith("from __future__ "), line))
    return "\n".join([*ordered, "", *bodies])


def _from_elsewhere(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    """One statement for each name that is not another part's."""
    for name in node.names:
        if isinstance(node, ast.Import):
            yield ast.unparse(ast.Import([name]))
        elif name.asname or node.module not in _MODULES:
            yield ast.unparse(ast.ImportFrom(node.module, [name], node.level))
