# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a machine sends, the parsers answer with facts or with FactsError, never with anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from rackyard.region.ephemeral.facts import FactsError, HardwareFacts, parse_results

DATA = Path(__file__).parent / "data" / "commissioning" / "bios"
DOCUMENTS = {path.stem: json.loads(path.read_bytes()) for path in DATA.glob("*.json")}
PARSED = sorted(set(DOCUMENTS) - {"40-apt-probe"})

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way] + [found for key, item in inner for found in places(item, (*way, key))]


def replaced(value: Any, way: tuple[Any, ...], new: Any) -> Any:
    if not way:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = replaced(value[way[0]], way[1:], new)
    return copy


def check(script: str, content: bytes) -> None:
    outputs = {name: json.dumps(document).encode() for name, document in DOCUMENTS.items()}
    try:
        found = parse_results(outputs | {script: content})
    except FactsError as error:
        refusal = error
    else:
        assert isinstance(found, HardwareFacts)
        return
    assert refusal.script == script
    assert str(refusal).startswith(f"{script}: ")
    assert len(str(refusal)) < 600


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PARSED), st.binary(max_size=2000))
def test_bytes_that_are_no_document(script: str, content: bytes) -> None:
    check(script, content)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(PARSED), JUNK)
def test_documents_of_another_shape(script: str, document: Any) -> None:
    check(script, json.dumps(document).encode())


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_documents_with_one_value_replaced(data: st.DataObject) -> None:
    script = data.draw(st.sampled_from(PARSED))
    way = data.draw(st.sampled_from(places(DOCUMENTS[script])))
    check(script, json.dumps(replaced(DOCUMENTS[script], way, data.draw(JUNK))).encode())
