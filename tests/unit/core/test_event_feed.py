# SPDX-License-Identifier: GPL-3.0-or-later
"""The event log as a reader follows it, and the event source's own part in that."""

from __future__ import annotations

import asyncio
import json
import runpy
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from rackyard_core.client import RegionError
from rackyard_core.event_feed import Bookmark, Wanted, for_rules
from rackyard_core.wire import Request, urllib_transport

SOURCE = runpy.run_path(str(Path(__file__).parents[3] / "extensions/eda/plugins/event_source/events.py"))
URL, KEY = "http://region1.example.org:5240/MAAS", "consumer:token:secret"


def test_filters_are_the_regions_with_one_value_or_several() -> None:
    wanted = Wanted.parse({"level": "ERROR", "hostname": ["m1", "m2"], "type": "NODE_CREATED", "owner": None})
    assert wanted.parameters == {"level": ["ERROR"], "hostname": ["m1", "m2"]}
    assert [wanted.has({"type": name}) for name in ("NODE_CREATED", "NODE_DELETED")] == [True, False]
    assert Wanted.parse({}).has({"type": "ANY"})


@pytest.mark.parametrize(
    ("filters", "words"),
    [("m1", "names with values"), ({"host": "m1"}, "no host;"), ({"level": ["INFO", "ERROR"]}, "one level"),
     ({"hostname": {"a": 1}}, "hostname is a text")],
)  # fmt: skip
def test_wrong_filter_is_named(filters: Any, words: str) -> None:
    with pytest.raises(RegionError, match=words):
        Wanted.parse(filters)


def test_bookmark_is_read_again_and_a_broken_one_is_named_not_guessed(tmp_path: Path) -> None:
    bookmark = Bookmark(tmp_path / "state.json")
    assert bookmark.read() is None
    bookmark.write(7)
    assert (bookmark.read(), [path.name for path in tmp_path.iterdir()]) == (7, ["state.json"])
    for text in ("", "[]", '{"after": null}'):
        (tmp_path / "state.json").write_text(text)
        with pytest.raises(RegionError, match=r"state\.json cannot be understood"):
            bookmark.read()
    with pytest.raises(RegionError, match="its folder has to exist"):
        Bookmark(tmp_path / "none" / "state.json").write(1)


def test_no_text_of_an_event_begins_a_template() -> None:
    event = {"id": 1, "type": "T", "level": "ERROR", "username": None, "created_at": "2026-01-01T00:00:00+00:00"}
    event |= {"description": "said {{{ x }}} {% y %} {# z #} {1}", "node_type_name": None, "hostname": None}
    told = for_rules({**event, "node": None})
    assert told["description"] == "said { { { x }}} { % y %} { # z #} {1}"
    assert (told["username"], set(told) & {"machine", "rack"}) == ("", set())


def test_only_what_was_taken_is_noted_with_what_nobody_wanted_behind_it(tmp_path: Path) -> None:
    async def deliver() -> list[int | None]:
        bookmark, queue = Bookmark(tmp_path / "state.json"), asyncio.Queue[Any]()
        delivery = SOURCE["Delivery"](queue, None, bookmark, 0)
        noted = []
        for event_id, event in ((1, None), (2, {"id": 2}), (3, None), (4, {"id": 4})):
            await delivery.put(event_id, event)
            delivery.note()
            noted.append(bookmark.read())
        for _ in range(2):
            queue.get_nowait()
            delivery.note()
            noted.append(bookmark.read())
        return noted

    assert asyncio.run(deliver()) == [1, 1, 1, 1, 3, 4]


def test_with_feedback_the_rule_engine_says_what_it_has(tmp_path: Path) -> None:
    async def deliver() -> int | None:
        bookmark, feedback = Bookmark(tmp_path / "state.json"), asyncio.Queue[Any]()
        delivery = SOURCE["Delivery"](asyncio.Queue(), feedback, bookmark, 0)
        putting = asyncio.create_task(delivery.put(1, {"id": 1}))
        await asyncio.sleep(0)
        assert not putting.done()
        assert bookmark.read() is None
        feedback.put_nowait({"id": 1})
        await putting
        return bookmark.read()

    assert asyncio.run(deliver()) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [({"regin_url": URL}, "no option regin_url"), ({"api_key": KEY}, "RACKYARD_URL"), ({"region_url": URL}, "api_key"),
     ({"region_url": URL, "api_key": KEY, "start": "later"}, "now or beginning"),
     ({"region_url": URL, "api_key": KEY, "interval_s": "0"}, "interval_s"),
     ({"region_url": URL, "api_key": KEY, "ca_path": "/no/ca.crt"}, "no readable PEM file"),
     ({"region_url": "region1", "api_key": KEY}, "is not a URL")],
)  # fmt: skip
def test_wrong_option_is_named(options: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("RACKYARD_URL", "RACKYARD_API_KEY", "RACKYARD_CA_PATH"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(RegionError, match=words):
        asyncio.run(SOURCE["main"](asyncio.Queue(), options))


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """An HTTP proxy, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"events": []}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            """Not into the test's output."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_proxy_that_is_given_counts_and_not_the_environments(
    proxy: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = proxy
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    request = Request("GET", "http://region1.invalid/MAAS/", {})
    assert urllib_transport(proxy=address)(request, 5).status == 200
    assert asked == ["http://region1.invalid/MAAS/"]
    assert urllib_transport(proxy="")(Request("GET", address + "/x", {}), 5).status == 200
    assert asked[1:] == ["/x"]
