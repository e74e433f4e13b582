# SPDX-License-Identifier: GPL-3.0-or-later
"""Bodies as clients write them: by Python's `email` in base64, by others as they are."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.test import encode_multipart

from rackyard.region.api import multipart
from rackyard.region.errors import BadRequest

NAMES = st.from_regex(r"[a-z_]{1,20}", fullmatch=True)
# PostgreSQL's and UTF-8's limits are looked at elsewhere.
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=200)
FIELDS = st.lists(st.tuples(NAMES, TEXTS), max_size=8)
BOUNDARY = "the-boundary"


def by_name(fields: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    return found


def of_email(fields: Sequence[tuple[str, str]], line_end: str) -> bytes:
    """As `email` writes it: each part in base64, in lines of 76 characters."""
    message = MIMEMultipart("form-data", boundary=BOUNDARY)
    for name, value in fields:
        part = MIMEText(value, "plain", "utf-8")
        part.add_header("Content-Disposition", "form-data", name=name)
        message.attach(part)
    text = message.as_bytes(policy=message.policy.clone(linesep=line_end))
    return text.partition(f"{line_end}{line_end}".encode())[2]


def part(headers: str, content: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="hostname"\r\n{headers}\r\n'.encode()
    return head + content + f"\r\n--{BOUNDARY}--\r\n".encode()


@given(FIELDS, st.sampled_from(["\n", "\r\n"]))
@example([("hostname", "client-check"), ("mac_addresses", "52:54:00:20:01:01"), ("mac_addresses", "")], "\r\n")
@example([], "\n")
def test_parts_in_base64_are_read(fields: list[tuple[str, str]], line_end: str) -> None:
    assert multipart.values(of_email(fields, line_end), BOUNDARY) == by_name(fields)


@given(FIELDS)
@example([("description", "two\r\nlines, and a --boundary")])
def test_parts_as_they_are_are_read(fields: list[tuple[str, str]]) -> None:
    boundary, body = encode_multipart(MultiDict(fields))
    assert multipart.values(body, boundary) == by_name(fields)


def test_nothing_is_no_field() -> None:
    assert multipart.values(b"", BOUNDARY) == multipart.values(b"", "") == {}


@pytest.mark.parametrize(
    ("body", "boundary", "words"),
    [
        (part("Content-Transfer-Encoding: base64\r\n", b"no base64!"), BOUNDARY, "'hostname' is said to be base64"),
        (part("Content-Transfer-Encoding: base64\r\n", b"YQ="), BOUNDARY, "'hostname' is said to be base64"),
        (part("Content-Transfer-Encoding: quoted-printable\r\n", b"=20"), BOUNDARY, "'hostname' is in 'quoted-pr"),
        (part("", b"\xff\xfe"), BOUNDARY, "'hostname' is not UTF-8"),
        (part("Content-Transfer-Encoding: base64\r\n", base64.b64encode(b"\xff")), BOUNDARY, "is not UTF-8"),
        (part("", b"m1"), "another", "no multipart/form-data with the boundary"),
        (part("", b"m1"), "", "names no boundary"),
        (part("", b"m1")[:-20], BOUNDARY, "no multipart/form-data with the boundary"),
        (part("", b"m1").replace(b"form-data; name", b"form-data; title"), BOUNDARY, "has no name"),
        (b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" * 1001 + b"--b--", "b", "more than 1000 parts"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(body: bytes, boundary: str, words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        multipart.values(body, boundary)


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_no_body_breaks_it(head: bytes, tail: bytes) -> None:
    body = head + f"\r\n--{BOUNDARY}\r\n".encode() + tail + f"\r\n--{BOUNDARY}--\r\n".encode()
    with suppress(BadRequest):
        multipart.values(body, BOUNDARY)
