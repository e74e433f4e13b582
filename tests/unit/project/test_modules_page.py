# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever the API does, a module does, or it is written why none does."""

from __future__ import annotations

import re

from tests import modules_page

REMEDY = "PYTHONPATH=src:plugins/module_utils python tests/modules_page.py"


def test_every_operation_has_a_module_or_a_reason() -> None:
    without = [operation for operation in modules_page.operations() if not modules_page.answers(operation)]
    assert without == [], "enter a module or a reason in tests/modules_page.py"


def test_no_rule_is_for_nothing_and_each_module_is_there() -> None:
    used = {modules_page.answers(operation)[0] for operation in modules_page.operations()}
    rules = {**modules_page.DECLARED, **modules_page.OPERATIONS, **modules_page.REASONS}
    assert rules.items() <= used
    named = {said for _rule, said in used if re.fullmatch(r"[a-z_]+", said)}
    there = {path.stem for path in modules_page.ROOT.glob("plugins/modules/*.py")}
    assert named <= there
    reasons = [said for _rule, said in used if said not in named]
    assert {word for said in reasons for word in re.findall(r"`(\w+)`", said)} <= there | {"status"}


def test_page_is_as_the_api_is() -> None:
    assert modules_page.PAGE.read_text(encoding="utf-8") == modules_page.page(), f"write it anew: {REMEDY}"
