# SPDX-License-Identifier: GPL-3.0-or-later
"""Many racks in one process: each calls as an agent does, with its own certificate and from its own address.

A rack polls for jobs and for its desired state, registers and tells of its services; a job is reported done at once.
Which region's port is polled, and how long a rack waits after a failure, the agent's own code says.

Usage: simulated_racks.py FILE, a JSON file with `urls`, `spread_s` (seconds over which the racks begin) and `racks`,
each with `system_id`, `identity` (a directory) and `address` (of the loopback). It ends with SIGTERM. Every line it
prints is a JSON object with `at` (seconds of the monotonic clock, which all processes share) and one of
`job` (id of a job that has arrived), `desired` (generation of a document that has), `failed` (a call, with `why`).
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rackyard import __version__
from rackyard.rack import desired, polls, transport
from rackyard.rack.backoff import Backoff, shortened
from rackyard.rack.regions import Regions

HEARTBEAT_S = 10.0
SLOTS = 50
SERVICES = ("dhcp", "dns", "http", "ntp", "proxy", "syslog", "tftp")


class CallFailed(Exception):
    """A region that does not answer, or not as it should."""


@dataclass
class Rack:
    """One rack. `address` is where its connections come from."""

    system_id: str
    identity: str
    address: str
    urls: tuple[str, ...]
    held: set[int] = field(default_factory=set)
    etag: str = ""

    def __post_init__(self) -> None:
        self.tls = transport.client_tls(Path(self.identity))
        # It only says which region's port is next, and is told what became of that.
        spread = zlib.crc32(self.system_id.encode())
        self.regions = Regions(Path(self.identity), Path(self.identity) / "regions.json", self.urls, spread)

    async def live(self, begins_in_s: float) -> None:
        """All that the rack does, without an end."""
        await asyncio.sleep(begins_in_s)
        async with asyncio.TaskGroup() as together:
            for name in self.regions.names:
                together.create_task(self._jobs(name))
            together.create_task(self._desired())
            together.create_task(self._every(HEARTBEAT_S, "register", self.registration()))
            together.create_task(self._every(HEARTBEAT_S, "services", services()))

    async def _jobs(self, name: str) -> None:
        backoff = Backoff()
        while True:
            body = {"wait": int(shortened(polls.WAIT_S)), "slots": SLOTS, "held": sorted(self.held)}
            try:
                _headers, answer = await self._call(self.regions.channel(name)[0], "POST", "jobs", body)
            except CallFailed:
                await asyncio.sleep(backoff.next_s())
                continue
            backoff.reset()
            for job in answer["jobs"]:
                tell(job=job["id"])
                self.held.add(job["id"])
                background(self._report(job))

    async def _report(self, job: dict[str, Any]) -> None:
        result = {
            "epoch": job["epoch"], "ok": True, "power_state": "off", "warnings": [], "error": None, "error_kind": None,
            "took_seconds": 0.1,
        }  # fmt: skip
        await self._sent(f"jobs/{job['id']}/result", result)
        self.held.discard(job["id"])

    async def _sent(self, path: str, body: Any) -> None:
        backoff = Backoff()
        while True:
            for url in self.regions.live_first():
                try:
                    await self._call(url, "POST", path, body)
                except CallFailed:
                    continue
                return
            await asyncio.sleep(backoff.next_s())

    async def _desired(self) -> None:
        backoff = Backoff()
        while True:
            for url in self.regions.live_first():
                asked = {"If-None-Match": self.etag} if self.etag else {}
                try:
                    headers, answer = await self._call(
                        url, "GET", f"desired?wait={int(shortened(desired.WAIT_S))}", headers=asked
                    )
                except CallFailed:
                    await asyncio.sleep(backoff.next_s())
                    continue
                backoff.reset()
                if answer is not None:
                    self.etag = headers["etag"]
                    tell(desired=answer["generation"])
                break

    async def _every(self, seconds: float, path: str, body: Any) -> None:
        while True:
            await self._sent(path, body)
            await asyncio.sleep(shortened(seconds))

    def registration(self) -> dict[str, Any]:
        """What it registers with."""
        address = self.address.replace("127.", "10.", 1) + "/24"
        return {"version": __version__, "interfaces": [{"name": "eth0", "mac": None, "addresses": [address]}]}

    async def _call(
        self, url: str, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[dict[str, str], Any]:
        try:
            async with asyncio.timeout(45):
                status, answered, content = await self._exchange(url, method, path, body, headers or {})
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as reason:
            raise self._failed(url, path, type(reason).__name__) from reason
        if status not in (200, 304):
            words = content.decode("utf-8", "replace").split("\n", 1)[0].strip()[:200]
            raise self._failed(url, path, f"HTTP {status} {words}")
        self.regions.note_live(url)
        return answered, json.loads(content) if status == 200 else None

    def _failed(self, url: str, path: str, why: str) -> CallFailed:
        self.regions.note_away(url, why)
        tell(failed=path.partition("?")[0], why=why)
        return CallFailed(why)

    async def _exchange(
        self, url: str, method: str, path: str, body: Any, headers: dict[str, str]
    ) -> tuple[int, dict[str, str], bytes]:
        port = urlsplit(url).port
        async with asyncio.timeout(transport.CONNECT_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=self.tls, server_hostname="localhost", local_addr=(self.address, 0)
            )
        try:
            content = b"" if body is None else json.dumps(body).encode()
            sent = {"Host": f"localhost:{port}", "Connection": "close", "Content-Length": str(len(content)), **headers}
            lines = [f"{method} /rpc/1/{path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
            writer.write("\r\n".join([*lines, "", ""]).encode() + content)
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            answered = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            received = await reader.readexactly(int(answered.get("content-length", 0)))
            return int(head[0].split()[1]), answered, received
        finally:
            writer.close()


def services() -> dict[str, Any]:
    """What it tells of its services: all is well."""
    return {"services": [{"name": name, "state": "running", "info": ""} for name in SERVICES]}


_running: set[asyncio.Task[None]] = set()


def background(work: Any) -> None:
    """Let it go on by itself; asyncio alone would let it be collected."""
    task = asyncio.get_running_loop().create_task(work)
    _running.add(task)
    task.add_done_callback(_running.discard)


def tell(**what: Any) -> None:
    """One line for whoever measures."""
    print(json.dumps({"at": time.monotonic(), **what}), flush=True)


async def main(plan: dict[str, Any]) -> None:
    """Every rack of the plan."""
    racks = [Rack(urls=tuple(plan["urls"]), **each) for each in plan["racks"]]
    async with asyncio.TaskGroup() as together:
        for rack in racks:
            together.create_task(rack.live(random.uniform(0, plan["spread_s"])))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
