# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys are imported over HTTPS from a real server, which stands for GitHub and Launchpad."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from key_server import FIRST, SECOND, KeyServer

from rackyard.region.services.site import key_sources

from ..conftest import Api

KEYS = "account/prefs/sshkeys/"
DSA = "ssh-dss AAAAB3NzaC1kc3MAAACB"


def imports(api: Api, **data: str) -> list[tuple[str, str]]:
    answer = api.post(f"{KEYS}?op=import", data=data)
    assert answer.status_code == 200, answer.text
    return [(key["key"], key["keysource"]) for key in answer.json]


def refusal(api: Api, keysource: str, status: int = 400) -> str:
    answer = api.post(f"{KEYS}?op=import", data={"keysource": keysource})
    assert answer.status_code == status, answer.text
    return answer.json["keysource"][0] if status == 400 else answer.text


def test_keys_are_imported_once_and_keep_their_source(api: Api, key_server: KeyServer) -> None:
    key_server.publish("/ann.keys", FIRST, "", DSA, SECOND)
    key_server.publish("/~bob/+sshkeys", "", status=302, Location="/~bob/elsewhere")
    key_server.publish("/~bob/elsewhere", f"{SECOND} bob@desk")
    assert imports(api, keysource="gh:ann") == [(FIRST, "gh:ann"), (SECOND, "gh:ann")]
    listed = api.get(KEYS).json
    assert imports(api, protocol="gh", auth_id="ann") == [(FIRST, "gh:ann"), (SECOND, "gh:ann")]
    assert imports(api, keysource="lp:bob") == imports(api, keysource="bob") == [(SECOND, "gh:ann")]
    assert api.get(KEYS).json == listed
    assert key_server.asked == ["/ann.keys", "/ann.keys", *["/~bob/+sshkeys", "/~bob/elsewhere"] * 2]
    api.delete(f"{KEYS}{listed[0]['id']}/")
    assert imports(api, keysource="gh:ann") == [(SECOND, "gh:ann"), (FIRST, "gh:ann")]


def test_what_cannot_be_imported_is_refused_in_words(api: Api, key_server: KeyServer) -> None:
    key_server.publish("/nothing.keys", "", "")
    key_server.publish("/old.keys", DSA)
    key_server.publish("/away.keys", "", status=302, Location="https://127.0.0.1:1/x")
    key_server.publish("/plain.keys", "", status=302, Location="http://localhost/x")
    key_server.publish("/round.keys", "", status=302, Location="/round.keys")
    key_server.publish("/ill.keys", "", status=500)
    key_server.publish("/large.keys", FIRST + " " + "x" * key_sources.MAX_BYTES)
    assert "GitHub knows no ann; " in refusal(api, "gh:ann")
    assert f"{key_server.url}/ann.keys was asked" in refusal(api, "gh:ann")
    assert "nothing has no SSH keys at GitHub" in refusal(api, "gh:nothing")
    assert "None of the 1 lines that gh:old publishes" in refusal(api, "gh:old")
    for name, words in (
        ("away", "elsewhere"), ("plain", "elsewhere"), ("round", "one place to the next"), ("ill", "answered 500"),
        ("large", "more than"),
    ):  # fmt: skip
        assert words in refusal(api, f"gh:{name}", 504), name
    asked = len(key_server.asked)
    for wrong in ("", "gh:", "gl:ann", "gh:a/b", "gh:../x", "gh:a b", "lp:~ann", "gh:" + "a" * 65):
        assert "write gh:NAME" in refusal(api, wrong)
    assert len(key_server.asked) == asked
    assert api.get(KEYS).json == []


def test_server_that_is_not_trusted_or_silent_gives_no_keys(
    api: Api, app, key_server: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_server.publish("/ann.keys", FIRST)
    with monkeypatch.context() as patch:
        patch.delenv("SSL_CERT_FILE")
        assert "CERTIFICATE_VERIFY_FAILED" in refusal(api, "gh:ann", 504)
    ctx = app.extensions["rackyard"]
    app.extensions["rackyard"] = replace(ctx, config=replace(ctx.config, github_url="https://localhost:1"))
    assert "https://localhost:1/ann.keys was asked: " in refusal(api, "gh:ann", 504)
    assert api.get(KEYS).json == []


def test_imports_at_the_same_time_add_each_key_once(api: Api, api_of, key_of, app, key_server: KeyServer) -> None:
    key_server.publish("/ann.keys", FIRST, SECOND)
    key = key_of("ann")
    answers: list[int] = []

    def once() -> None:
        answers.append(api_of(key).post(f"{KEYS}?op=import", data={"keysource": "gh:ann"}).status_code)

    threads = [threading.Thread(target=once) for _each in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One at a time for each account; the others are told to try again.
    assert set(answers) <= {200, 429}
    assert 200 in answers
    assert len(api_of(key).get(KEYS).json) == 2
    assert api.get(KEYS).json == []
