# SPDX-License-Identifier: GPL-3.0-or-later
"""A region that does what the contracts say and can be told to misbehave: for the rack's half of them, over real TLS.

It holds every body that the agent sends against its contract, to the last field; ``violations`` has what does not fit.
What it answers itself fulfils the contracts, too, unless it is told to misbehave.
"""

from __future__ import annotations

import contextlib
import json
import select
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from exact import sent

from rackyard import contracts

REGISTERED = {"system_id": "abc234", "settings": {"heartbeat_s": 1}, "regions": []}


@dataclass
class Job:
    """A job in the queue of the region."""

    document: dict[str, Any]
    state: str = "queued"
    taken_at: float = 0.0
    results: list[dict[str, Any]] = field(default_factory=list)


class ContractRegion:
    """State and rules; one lock, as requests come in threads."""

    def __init__(self) -> None:
        self.lock = threading.Condition()
        self.jobs: dict[int, Job] = {}
        self.polls: list[dict[str, Any]] = []
        self.received: dict[str, list[dict[str, Any]]] = {"leases": [], "events": [], "services": [], "applied": []}
        self.violations: list[str] = []
        # Misbehaviour: answers to job polls that get lost on the way, and a page instead of every answer.
        self.answers_lost = 0
        self.page: bytes | None = None
        self.lost_after_s = 1.0
        self.url = ""

    def add(self, job_id: int, **fields: Any) -> Job:
        """Queue a job."""
        document = {"id": job_id, "epoch": 1, "machine": "abcdef", "hostname": "m1", "limit_s": 180, **fields}
        with self.lock:
            self.jobs[job_id] = Job(sent("job", document))
            self.lock.notify_all()
            return self.jobs[job_id]

    def post(self, path: str, body: Any, gone: Callable[[], bool]) -> Any:
        """The answer to a call; `gone` says whether whoever called has hung up."""
        if path.startswith("jobs/"):
            return self._result(int(path.split("/")[1]), self._read("job-result", body))
        self._read({"jobs": "jobs-poll"}.get(path, path), body)
        if path == "jobs":
            return self._poll(body, gone)
        if path == "register":
            return sent("register-answer", {**REGISTERED, "regions": [self.url]})
        if path in ("leases", "events"):
            return self._batch(path, body[path])
        with self.lock:
            self.received.setdefault(path, []).append(body)
        return {}

    def get(self, path: str) -> Any:
        """The answer to a question: no boot is under way, and of desired states there is one, which everybody has."""
        if path == "boots":
            return sent("boots-answer", {"boots": []})
        time.sleep(0.2)
        return {"generation": 1, "rack": {"hostname": "rack1"}}

    def _read(self, contract: str, body: Any) -> Any:
        try:
            return sent(contract, body)
        except contracts.ContractError as reason:
            self.violations.append(str(reason))
            raise

    def _batch(self, name: str, items: list[Any]) -> Any:
        for item in items:
            self._read(name.removesuffix("s"), item)
        with self.lock:
            known = {item["key"] for item in self.received[name]}
            self.received[name] += [item for item in items if item["key"] not in known]
        return sent("batch-answer", {"taken": len(items), "refused": []})

    def _poll(self, poll: dict[str, Any], gone: Callable[[], bool]) -> Any:
        give_up_at = time.monotonic() + poll["wait"]
        with self.lock:
            self.polls.append(poll)
            number = len(self.polls)
            self.lock.notify_all()
            while not self._waiting(poll["held"]) and time.monotonic() < give_up_at and number == len(self.polls):
                self.lock.wait(0.1)
            # A newer poll ends this one, and an agent that was stopped leaves its poll behind.
            current = number == len(self.polls) and not gone()
            handed = self._waiting(poll["held"])[: poll["slots"]] if current else []
            for job in handed:
                job.state, job.taken_at = "taken", time.monotonic()
            if handed and self.answers_lost:
                self.answers_lost -= 1
                raise ConnectionAbortedError
            return sent("jobs-answer", {"jobs": [job.document for job in handed]})

    def _waiting(self, held: list[int]) -> list[Job]:
        """What is to be handed out; what was handed out and did not arrive is put back first."""
        for job_id, job in self.jobs.items():
            if job.state == "taken" and job_id not in held and time.monotonic() - job.taken_at > self.lost_after_s:
                job.state = "queued"
        return [job for job in self.jobs.values() if job.state == "queued"]

    def _result(self, job_id: int, result: dict[str, Any]) -> Any:
        with self.lock:
            job = self.jobs[job_id]
            job.results.append(result)
            job.state = "done" if result["ok"] else "failed"
            self.lock.notify_all()
        return {"accepted": True}


def _handler(region: ContractRegion) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            try:
                answer = region.post(self.path.removeprefix("/rpc/1/"), body, self._gone)
            except contracts.ContractError as reason:
                self._answer(400, json.dumps({"error": str(reason)}).encode())
            except ConnectionAbortedError:
                self.close_connection = True
            else:
                self._answer(200, json.dumps(answer).encode())

        def _gone(self) -> bool:
            poller = select.poll()
            poller.register(self.connection, select.POLLRDHUP)
            return bool(poller.poll(0))

        def do_GET(self) -> None:
            document = region.get(self.path.removeprefix("/rpc/1/"))
            known = self.headers.get("If-None-Match") == '"1"'
            self._answer(304 if known else 200, b"" if known else json.dumps(document).encode(), '"1"')

        def _answer(self, status: int, content: bytes, etag: str = "") -> None:
            content = content if region.page is None else region.page
            # Whoever asked may be gone by now.
            with contextlib.suppress(OSError):
                self.send_response(200 if region.page is not None else status)
                if etag:
                    self.send_header("ETag", etag)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_arguments: object) -> None:
            pass

    return Handler


@contextmanager
def serving(region: ContractRegion, certificate: Path, key: Path, ca: Path) -> Iterator[ContractRegion]:
    """Serve it on a free port; only callers with a certificate of the CA get in."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(ca))
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(region))
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    region.url = f"https://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield region
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
