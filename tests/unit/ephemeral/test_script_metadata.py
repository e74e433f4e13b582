# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackyard.region.ephemeral.script_metadata import FIELDS, Metadata, MetadataError, read

WHOLE = b"""#!/bin/bash -e
#
# --- Start MAAS 1.0 script metadata ---
# name: disk-check
# title: Check of a disk
# description: >
#   Looks at a disk,
#   and at no other.
# tags: [quick, storage]
# script_type: testing
# hardware_type: storage
# parallel: instance
# timeout: 00:05:30
# packages: {apt: [smartmontools]}
#
# parameters:
#   storage:
#     type: storage
#     argument_format: --disk {path} --model={model}
#   runtime: {type: runtime, default: 90}
# results:
#   temperature: {title: Temperature}
# for_hardware: [pci:8086:1572, "system_vendor:Acme Inc"]
# comment: first
# --- End MAAS 1.0 script metadata ---
true
"""


def script(fields: str) -> bytes:
    lines = "".join(f"# {line}\n" for line in fields.splitlines())
    ends = [f"# --- {word} MAAS 1.0 script metadata ---\n" for word in ("Start", "End")]
    return f"#!/bin/sh\n{ends[0]}{lines}{ends[1]}true\n".encode()


def test_block_is_read_and_comes_back_from_json() -> None:
    known = read(WHOLE, {"name": "disk-check"})
    assert known.description == "Looks at a disk, and at no other."
    assert (known.tags, known.timeout, known.packages) == (("quick", "storage"), 330, {"apt": ["smartmontools"]})
    assert known.parameters == {
        "storage": {"type": "storage", "default": "all", "arguments": ["--disk", "{path}", "--model={model}"]},
        "runtime": {"type": "runtime", "default": "90", "arguments": ["--runtime={input}"]},
    }
    assert known.for_hardware == ("pci:8086:1572", "system_vendor:Acme Inc")
    assert Metadata.of(json.loads(json.dumps(known.plain))) == known


def test_without_a_block_all_is_given_and_what_was_before_stays() -> None:
    given = {"name": "mine", "script_type": "0", "parallel": 2, "tags": "a, b"}
    known = read(b"#!/bin/sh\ntrue\n", given)
    assert (known.name, known.script_type, known.parallel, known.tags) == ("mine", "commissioning", "any", ("a", "b"))
    assert read(script("timeout: 12:00:00"), {"title": "T"}, known).plain == known.plain | {
        "timeout": 43200,
        "title": "T",
    }


@pytest.mark.parametrize(
    ("fields", "name", "words"),
    [
        ("title: x", "name", "missing"),
        ("name: 12", "name", "cannot be a name"),
        ("name: none", "name", "cannot be a name"),
        ("name: a\nscript_type: release", "script_type", "commissioning, testing"),
        ("name: a\nhardware_type: true", "hardware_type", "none of node"),
        ("name: a\nparallel: all", "parallel", "disabled, instance, any"),
        ("name: a\ntimeout: 1h", "timeout", "HH:MM:SS"),
        ("name: a\ntimeout: 0", "timeout", "1 second to"),
        ("name: a\npackages: {snap: [x]}", "packages", "only apt"),
        ("name: a\npackages: {apt: [-y]}", "packages.apt", "no name of a Debian package"),
        ("name: a\nparameters: {p: {type: password}}", "parameters.p.type", "none of storage"),
        ("name: a\nparameters: {u: {type: url}}", "parameters.u.default", "missing"),
        ("name: a\nparameters: {s: {type: storage, argument_format: '{a}'}}", "parameters.s.argument_format", "{path}"),
        ("name: a\nparameters: {s: {type: storage}, i: {type: interface}}", "parameters", "at most one"),
        ("name: a\nparameters: {s: {type: storage, x: 1}}", "parameters.s", "does not take 'x'"),
        ("name: a\nresults: {s: {x: 1}}", "results.s", "title and description"),
        ("name: a\nfor_hardware: [cpu]", "for_hardware", "no hardware"),
        ("name: a\ndestructive: maybe", "destructive", "neither true nor false"),
        ("name: a\nmay_reboot: true", "may_reboot", "not supported"),
        ("name: a\ncolour: red", "colour", "unknown"),
        ("name: &a x\ntitle: *a", "script", "aliases"),
        ("name: [", "script", "not YAML"),
        ("- a", "script", "fields with values"),
    ],
)  # fmt: skip
def test_wrong_field_is_named(fields: str, name: str, words: str) -> None:
    with pytest.raises(MetadataError) as refused:
        read(script(fields), {})
    assert refused.value.name == name
    assert words in refused.value.problem


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b" ", "empty"),
        (b"echo hello\n", "first line"),
        (b"#!/bin/sh\n" + b"#" * 2**18, "at most"),
        (script("name: a").replace(b"End", b"end"), "once each"),
        (script("name: a").replace(b"# name", b"name"), "does not begin with '#'"),
        (script("name: a\ntitle: " + "x" * 2**14), "metadata have more than"),
    ],
)
def test_content_that_cannot_be_a_script_is_refused(content: bytes, words: str) -> None:
    with pytest.raises(MetadataError, match=words) as refused:
        read(content, {})
    assert refused.value.name == "script"


def test_what_is_given_must_not_differ_from_the_block() -> None:
    with pytest.raises(MetadataError) as refused:
        read(WHOLE, {"timeout": 5})
    assert refused.value.name == "timeout"
    assert read(WHOLE, {"timeout": "330"}).timeout == 330


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode), st.dictionaries(st.sampled_from(FIELDS), VALUES)
)
def test_anything_is_either_metadata_or_refused(inside: bytes, given_beside: dict[str, object]) -> None:
    content = script("").replace(b"true\n", inside).replace(b"# --- End", inside + b"\n# --- End")
    for text in (inside, content, b"#!/bin/sh\n"):
        with suppress(MetadataError):
            known = read(text, given_beside)
            assert Metadata.of(json.loads(json.dumps(known.plain))) == known
