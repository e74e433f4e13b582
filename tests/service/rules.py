# SPDX-License-Identifier: GPL-3.0-or-later
"""A program that runs an event source as ansible-rulebook does: the file by its path, its queue with one place, filters
around that. Its first line of input are the source's options, each other line lets the rules take one event, which is a
line of output then."""

from __future__ import annotations

import asyncio
import json
import runpy
import sys
from typing import Any


class FilteredQueue:
    """The queue with its filters, of which there is always one that adds where an event came from."""

    def __init__(self, queue: asyncio.Queue[dict[str, Any]]) -> None:
        self.queue = queue

    async def put(self, event: dict[str, Any]) -> None:
        await self.queue.put({**event, "meta": {"source": {"name": "region"}}})


async def take(queue: asyncio.Queue[dict[str, Any]]) -> None:
    while await asyncio.to_thread(sys.stdin.readline):
        print(json.dumps(await queue.get()), flush=True)


async def run(path: str, options: dict[str, Any]) -> None:
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(1)
    source = asyncio.create_task(runpy.run_path(path)["main"](FilteredQueue(queue), options))
    done, _ = await asyncio.wait([source, asyncio.create_task(take(queue))], return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1], json.loads(sys.stdin.readline())))
