# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for AWX's HTTP API, as far as the modules of awx.awx ask it: it stores what it is sent."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

Item = dict[str, Any]


class Store:
    """Objects by kind, surveys by path, and associations as (path, id)."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Item]] = {}
        self.surveys: dict[str, Item] = {}
        self.links: dict[str, list[int]] = {}
        self.count = 0

    def add(self, kind: str, values: Item) -> Item:
        self.count += 1
        url = f"/api/v2/{kind}/{self.count}/"
        item = {
            **values,
            "id": self.count,
            "url": url,
            "related": {"survey_spec": f"{url}survey_spec/"},
            "summary_fields": {},
            "scm_revision": "",
        }
        self.objects.setdefault(kind, []).append(item)
        return item

    def find(self, kind: str, wanted: dict[str, str]) -> list[Item]:
        kinds = ("job_templates",) if kind == "unified_job_templates" else (kind,)
        items = [item for one in kinds for item in self.objects.get(one, [])]
        return [item for item in items if all(str(item.get(name)) == value for name, value in wanted.items())]

    def named(self, kind: str, name: str) -> Item:
        (item,) = self.find(kind, {"name": name})
        return item


class Handler(BaseHTTPRequestHandler):
    store: Store

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        parts = address.path.strip("/").split("/")[2:]
        if len(parts) == 3 and parts[2] == "survey_spec":
            self.answer(200, self.store.surveys.get(address.path, {}))
            return
        if len(parts) == 3:
            found = [{"id": number} for number in self.store.links.get(address.path, [])]
        else:
            found = self.store.find(parts[0], dict(parse_qsl(address.query)))
        self.answer(200, {"count": len(found), "next": None, "results": found})

    def do_POST(self) -> None:
        body = self.body()
        parts = self.path.strip("/").split("/")[2:]
        if len(parts) == 1:
            self.answer(201, self.store.add(parts[0], body))
        elif parts[2] == "survey_spec":
            self.store.surveys[self.path] = body
            self.answer(200, {})
        else:
            self.store.links.setdefault(self.path, []).append(body["id"])
            self.answer(204, None)

    def do_PATCH(self) -> None:
        parts = self.path.strip("/").split("/")[2:]
        (item,) = self.store.find(parts[0], {"id": parts[1]})
        item.update(self.body())
        self.answer(200, item)

    def body(self) -> Item:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, status: int, value: Any) -> None:
        text = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_args: Any) -> None:
        """Nothing; pytest shows what the playbook says."""


@contextmanager
def standing_in() -> Iterator[tuple[str, Store]]:
    """Its address while it listens, and what it has."""
    store = Store()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"store": store}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", store
    finally:
        server.shutdown()
        server.server_close()
