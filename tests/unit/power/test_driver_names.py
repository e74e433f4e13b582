# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of one kind of BMC stands in its driver: no other code knows a driver's name or its usual port.

Found in the source: words of strings and parts of names in Python (docstrings may explain), everything but comments
elsewhere. History (migrations) and what machines say of themselves (ephemeral) are no code about drivers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from rackyard_core.power import fields, registry

ROOT = Path(__file__).resolve().parents[3]
SOURCES = (ROOT / "src", ROOT / "plugins/module_utils")
CORE = ROOT / "plugins/module_utils/rackyard_core/power"
HISTORY = ROOT / "src/rackyard/region/db/migrations"
IN_BAND = ROOT / "src/rackyard/region/ephemeral"
# The drivers' own files, and the one place that lists them.
OWN = {CORE / f"{name}.py" for name in registry.DRIVERS} | {CORE / "registry.py"}
NAMES = sorted(registry.DRIVERS)
# cloud-init's way to report to a metadata service has the name of a driver.
OTHER_MEANING = {"webhook": ROOT / "src/rackyard/region/metadata"}
# That of HTTPS is no driver's own.
PORTS = {fields.usual_port(name) for name in NAMES} - {None, 443}


def is_about(name: str, text: str) -> bool:
    """Whether the driver is meant: alone, quoted or set to, not a word of a sentence."""
    return text == name or re.search(rf"(?:['\"=]|power type ){name}\b", text) is not None


def in_python(text: str) -> Iterator[str]:
    """What of a file names a driver."""
    tree = ast.parse(text)
    explained = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body
        if isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in explained:
            if isinstance(node.value, str):
                yield from (node.value for name in NAMES if is_about(name, node.value))
            elif node.value in PORTS and not isinstance(node.value, bool):
                yield str(node.value)
        elif isinstance(node, ast.Name | ast.Attribute | ast.alias):
            words = (
                node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else node.name
            )
            yield from (words for name in NAMES if name in re.split(r"[_.]", words.lower()))


def in_text(text: str) -> Iterator[str]:
    """The same for SQL, JSON, templates and scripts."""
    body = re.sub(r"(?m)(^|\s)(--|#).*$", "", text)
    yield from (name for name in NAMES if is_about(name, body))
    yield from (str(port) for port in PORTS if re.search(rf"(?<![\w.]){port}(?![\w.])", body))


def files() -> list[Path]:
    """All that is code, each with text in it."""
    found = [path for root in SOURCES for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return [path for path in found if path not in OWN and HISTORY not in path.parents and IN_BAND not in path.parents]


def test_no_driver_is_named_outside_its_own_file() -> None:
    named = {}
    for path in files():
        text = path.read_text(encoding="utf-8")
        hits = list((in_python if path.suffix == ".py" else in_text)(text))
        meant = [name for name, place in OTHER_MEANING.items() if place in path.parents]
        hits = [hit for hit in hits if not any(name in hit.lower() for name in meant)]
        if hits:
            named[str(path.relative_to(ROOT))] = hits
    assert named == {}
    assert {path.suffix for path in files()} >= {".py", ".sql", ".json"}


@pytest.mark.parametrize(
    ("scan", "text"),
    [
        (in_python, 'TYPES = ("", "ipmi")'),
        (in_python, "port = power.port or 623"),
        (in_python, "IPMI_PORT = usual()"),
        (in_python, "from rackyard_core.power import ipmi"),
        (in_python, 'raise Invalid(f"give power_type=ipmi, {name}")'),
        (in_python, 'if kind == "manual": pass'),
        (in_text, "SELECT 1 FROM machine WHERE power_type = 'ipmi';"),
        (in_text, "SELECT coalesce(power_port, 623) FROM machine;"),
        (in_text, '{"enum": ["", "manual"]}'),
    ],
)
def test_scan_finds_a_name_where_it_must_not_stand(scan, text: str) -> None:
    assert list(scan(text))


def test_scan_lets_sentences_pass() -> None:
    assert list(in_python('"""Talks to ipmi BMCs at 623."""\nwords = "read the manual of the server"')) == []
    assert list(in_text("-- ipmi at 623\nSELECT 'do it by manual work', 16230;")) == []
