# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from ansible_collections.rackyard.metal.plugins.modules import file

Result = dict[str, Any]
Run = Callable[..., Result]

# All that no text has, and what looks like the end of a part.
BYTES = bytes(range(256)) + b"\r\n--x--\r\n\xed\xa0\x80"


def test_every_byte_is_kept_foretold_and_removed(run: Run, client: FlaskClient, tmp_path: Path) -> None:
    src = tmp_path / "state"
    src.write_bytes(BYTES)
    known = {"filename": "state.bin"}
    for wish, content, verb in (({"src": str(src)}, BYTES, "create"), ({"content": "Grüße\n"}, None, "update")):
        content = content or wish["content"].encode()
        foretold, done = run(file, check=True, **known, **wish), run(file, **known, **wish)
        assert foretold["actions"] == done["actions"] == [f"{verb} file state.bin"]
        assert foretold["diff"] == done["diff"]
        told = {**known, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        assert told.items() <= foretold["file"].items()
        assert told.items() <= done["file"].items()
        assert client.get(done["file"]["anon_resource_uri"]).data == content
        assert not run(file, **known, **wish)["changed"]
    assert not run(file, filename="state", state="absent")["changed"], "another one's name begins so"
    foretold, gone = run(file, check=True, state="absent", **known), run(file, state="absent", **known)
    assert foretold["actions"] == gone["actions"] == ["delete file state.bin"]
    assert not run(file, state="absent", **known)["changed"]


def test_refusals_are_worded(run: Run) -> None:
    refused = run(file, filename=".hidden", content="")
    assert (refused["status"], ".hidden" in refused["msg"]) == (400, True)
    assert "src: /moon cannot be read" in run(file, check=True, filename="a", src="/moon")["msg"]
    assert run(file, filename="a")["failed"], "what shall be in it is missing"
