# SPDX-License-Identifier: GPL-3.0-or-later
"""`files/`: what programs keep here, each for its account, and for whoever knows a file's key."""

from __future__ import annotations

import base64
import io
import re

import pytest

PREFIX = "/MAAS/api/2.0"
# Everything that no text has: NUL, halves of characters, line ends as a form has them.
BYTES = bytes(range(256)) + b"\r\n--x\r\n\xed\xa0\x80"
MIB = 2**20


def put(api, name: str, content: bytes):
    return api.post("files/", data={"filename": name, "file": (io.BytesIO(content), "file")})


def names(api, query: str = "") -> list[str]:
    return [each["filename"] for each in api.get(f"files/?{query}").json]


@pytest.fixture
def reader(api_of, key_of):
    """Somebody who is no administrator."""
    return api_of(key_of("reader"))


def test_file_is_kept_as_it_is_and_shown_in_each_way(api, client) -> None:
    stored = put(api, "state.bin", BYTES)
    assert (stored.status_code, stored.data) == (201, b"")
    (listed,) = api.get("files/").json
    assert listed.keys() == {"filename", "anon_resource_uri", "resource_uri"}
    assert (listed["filename"], listed["resource_uri"]) == ("state.bin", f"{PREFIX}/files/state.bin/")
    one = api.get("files/state.bin/").json
    assert one == {**listed, "content": base64.b64encode(BYTES).decode()}
    whole = api.get("files/?op=get&filename=state.bin")
    assert (whole.data, whole.mimetype) == (BYTES, "application/octet-stream")
    anonymous = client.get(listed["anon_resource_uri"])
    assert anonymous.data == BYTES
    assert anonymous.headers["Content-Disposition"] == "attachment"
    assert anonymous.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("content", [b"", b"\r\n", b"plain", BYTES])
def test_each_way_of_sending_keeps_every_byte(api, content: bytes) -> None:
    put(api, "plain", content)
    body = b"".join(
        b'--x\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
        % (name, base64.encodebytes(value).replace(b"\n", b"\r\n"))
        for name, value in ((b"filename", b"encoded"), (b"file", content))
    )
    sent = api.post("files/", data=body + b"--x--\r\n", content_type="multipart/form-data; boundary=x")
    assert sent.status_code == 201, sent.text
    for name in ("plain", "encoded"):
        assert api.get(f"files/?op=get&filename={name}").data == content


def test_file_as_a_word_of_a_form_or_of_json_is_text(api) -> None:
    api.post("files/", data={"filename": "a", "file": "ä"})
    api.post("files/", json={"filename": "b", "file": "ä"})
    assert [api.get(f"files/?op=get&filename={name}").data for name in "ab"] == ["ä".encode()] * 2
    for bad in ("\0", "\ud800"):
        assert api.post("files/", json={"filename": "c", "file": bad}).status_code == 400


def test_only_the_part_that_is_a_file_may_be_no_text(api) -> None:
    bad = api.post("files/", data={"filename": (io.BytesIO(b"\xff"), "x"), "file": (io.BytesIO(b""), "x")})
    assert (bad.status_code, "not UTF-8" in bad.text) == (400, True)
    bad = api.post("files/", data={"filename": (io.BytesIO(b"a\0"), "x"), "file": (io.BytesIO(b""), "x")})
    assert bad.status_code == 400
    assert api.post("tags/", data={"name": (io.BytesIO(b"\xff"), "x")}).status_code == 400


def test_same_name_replaces_and_keeps_its_key(api, client) -> None:
    put(api, "a", b"one")
    (before,) = api.get("files/").json
    put(api, "a", b"two")
    assert api.get("files/").json == [before]
    assert client.get(before["anon_resource_uri"]).data == b"two"


def test_key_is_long_random_and_needed(api, client) -> None:
    put(api, "a", b"x")
    put(api, "b", b"x")
    keys = {each["anon_resource_uri"].partition("key=")[2] for each in api.get("files/").json}
    assert len(keys) == 2
    assert all(re.fullmatch(r"[A-Za-z0-9]{32}", key) for key in keys)
    for key in ("", "x", "0" * 32, "%", next(iter(keys))[:-1], next(iter(keys)).swapcase()):
        assert client.get(f"{PREFIX}/files/", query_string={"op": "get_by_key", "key": key}).status_code == 404
    assert client.get(f"{PREFIX}/files/?op=get&filename=a").status_code == 401
    assert client.get(f"{PREFIX}/files/?op=&op=get_by_key&key={next(iter(keys))}").status_code == 401
    assert client.post(f"{PREFIX}/files/?op=get_by_key").status_code == 401
    assert client.get(f"{PREFIX}/files/?op=get_by_key&colour=blue").status_code == 400


def test_lists_are_by_name_and_prefix(api) -> None:
    for name in ("b", "a-2", "a-1", "A"):
        put(api, name, b"")
    assert names(api) == ["A", "a-1", "a-2", "b"]
    assert names(api, "prefix=a-") == ["a-1", "a-2"]
    assert names(api, "prefix=%25") == []


def test_everybody_has_files_of_their_own(api, reader, client) -> None:
    put(api, "a", b"admin's")
    put(reader, "a", b"reader's")
    put(reader, "b", b"x")
    assert api.get("files/?op=get&filename=a").data == b"admin's"
    assert (names(api), names(reader)) == (["a"], ["a", "b"])
    assert [api.get("files/b/").status_code, api.delete("files/b/").status_code] == [404, 404]
    assert client.get(reader.get("files/").json[0]["anon_resource_uri"]).data == b"reader's"
    assert api.delete("users/reader/").status_code == 204
    assert names(api) == ["a"]


def test_file_is_deleted_by_url_or_by_parameter(api, client) -> None:
    put(api, "a", b"")
    put(api, "b", b"")
    uri = api.get("files/a/").json["anon_resource_uri"]
    assert api.delete("files/a/").status_code == 204
    assert api.delete("files/?filename=b").status_code == 204
    assert [api.delete("files/a/").status_code, api.delete("files/?filename=b").status_code] == [404, 404]
    assert client.get(uri).status_code == 404


@pytest.mark.parametrize("name", ["", ".", "..", "../a", "a/b", ".hidden", "-rf", "a b", "a\n", "a\\b", "ä", "x" * 256])
def test_name_that_leads_anywhere_is_refused(api, name: str) -> None:
    refused = put(api, name, b"x")
    assert refused.status_code == 400
    assert refused.json.keys() == {"filename"}
    assert names(api) == []


def test_file_has_to_be_given(api) -> None:
    assert api.post("files/", data={"filename": "a"}).json.keys() == {"file"}


def test_sizes_are_bounded_by_settings(ctx, api, execute) -> None:
    assert put(api, "ten", bytes(10 * MIB)).status_code == 201
    assert put(api, "more", bytes(10 * MIB + 1)).status_code == 413
    assert put(api, "huge", bytes(15 * MIB)).status_code == 413
    for name, value in (("file_max_mib", "1"), ("files_max_mib", "11")):
        assert api.post("maas/?op=set_config", data={"name": name, "value": value}).status_code == 200
    refused = put(api, "two", bytes(MIB + 1))
    assert (refused.status_code, "file_max_mib" in refused.text) == (413, True)
    assert put(api, "one", bytes(MIB)).status_code == 201
    refused = put(api, "one-more", b"x")
    assert (refused.status_code, "files_max_mib" in refused.text) == (409, True)
    assert put(api, "one", b"x").status_code == 201, "what is replaced does not count"
    assert names(api) == ["one", "ten"]


def test_number_of_files_is_bounded(api, execute) -> None:
    execute(
        "INSERT INTO stored_file (account_id, name, key, content, updated_at) "
        "SELECT account.id, 'f' || n, md5(n::text), '', now() FROM account, generate_series(1, 1000) AS n"
    )
    assert put(api, "f1001", b"").status_code == 409
    assert put(api, "f1", b"").status_code == 201


def test_other_urls_take_no_larger_bodies(api) -> None:
    assert api.post("tags/", data={"name": "x" * (2 * MIB)}).status_code == 413


def test_changes_are_in_the_audit_log_without_what_is_in_them(api) -> None:
    put(api, "a", b"secret")
    api.delete("files/a/")
    events = api.get("events/?op=query&level=AUDIT").json["events"]
    assert [event["description"] for event in events if event["type"] == "FILES"] == [
        "File a of admin was deleted",
        "File a of admin was created",
    ]
