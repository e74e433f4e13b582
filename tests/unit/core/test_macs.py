# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackyard_core import macs

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    "text",
    [
        "52:54:00:20:01:0a",
        "52-54-00-20-01-0A",
        "52540020010a",
        "5254.0020.010a",
        " 52:54:00:20:01:0A\n",
    ],
)
def test_usual_notations_are_one_address(text: str) -> None:
    assert macs.normal(text) == "52:54:00:20:01:0a"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "52:54:00:20:01",
        "52:54:00:20:01:zz",
        "52:54:0:20:1:1",
        "52540020010",
        "52:54:00:20:01:01:02:03",
        "52:54:00:20:01:0\u0661",
        "52 54 00 20 01 01",
        "5:2:5:4:0:0:2:0:0:1:0:1",
    ],
)
def test_malformed_address_is_named_with_the_remedy(text: str) -> None:
    with pytest.raises(ValueError, match=f"MAC address '{re.escape(text)}' is malformed; write six pairs"):
        macs.normal(text)


def test_message_does_not_repeat_a_flood() -> None:
    with pytest.raises(ValueError, match="malformed") as caught:
        macs.normal("f" * 1_000_000)
    assert len(str(caught.value)) < 200


@given(st.integers(min_value=0, max_value=2**48 - 1))
def test_every_address_survives_every_notation(value: int) -> None:
    digits = f"{value:012x}"
    pairs = [digits[at : at + 2] for at in range(0, 12, 2)]
    expected = ":".join(pairs)
    assert {macs.normal(form) for form in (expected, "-".join(pairs), digits.upper())} == {expected}
    assert macs.is_normal(expected)


@given(st.text(max_size=24))
def test_normal_form_is_all_that_is_ever_given(text: str) -> None:
    try:
        found = macs.normal(text)
    except ValueError:
        return
    assert re.fullmatch("[0-9a-f]{2}(:[0-9a-f]{2}){5}", found)


@pytest.mark.parametrize("text", ["52:54:0:20:1:a", "52:54:00:20:01:0A"])
def test_octets_without_leading_zeros_are_padded(text: str) -> None:
    assert macs.of_octets(text) == "52:54:00:20:01:0a"


def test_nobody_else_has_a_grammar_of_mac_addresses() -> None:
    grammar = re.compile(r"\]\{2\}.{0,12}\{5\}")
    files = [path for folder in ("plugins", "src") for path in (ROOT / folder).rglob("*.py")]
    assert len(files) > 100
    assert [path.name for path in files if grammar.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("value", ["52:54:00:20:01:0A", "52-54-00-20-01-0a", "", None, 5, b"52:54:00:20:01:0a"])
def test_other_forms_are_not_normal(value: object) -> None:
    assert not macs.is_normal(value)


@pytest.mark.parametrize(
    ("mac", "own"), [("52:54:00:20:01:0a", True), ("01:00:5e:00:00:01", False), ("00:00:00:00:00:00", False)]
)
def test_group_and_null_addresses_are_no_nics_own(mac: str, own: bool) -> None:
    assert macs.is_unicast(mac) is own
