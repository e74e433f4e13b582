# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes machines' posts on to a region: at once when one is there, later and in order when none was.

Each post has a key, by which regions know one that comes twice, so whatever is in doubt is sent again. While anything
of a boot waits, its later posts queue behind it. The machine's own credentials go with each post: a region judges it
as if it had come straight from the machine."""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from rackyard.rack import transport
from rackyard.rack.errors import RegionAway, RegionFailed, RegionRefused
from rackyard.rack.log import log
from rackyard.rack.machine_posts import MachinePosts, Post
from rackyard.rack.transport import Response

# nginx gives a region that hangs six seconds, and then asks the next.
_REGION_TIMEOUT_S = 9.0
# After a region did not answer, nobody waits for one again so soon.
_PAUSE_S = 3.0
_LOOK_S, _BACKOFF_S = 0.5, 2.0
_SENDERS = 4
# A region that does not know this rack yet refuses everything: such a refusal has to last before it is believed.
_DOUBTFUL, _DOUBT_S = frozenset({401, 403}), 60.0
MAX_FAILURES = 5
_AWAY = frozenset({502, 503, 504})


class Uplink:
    """The way to the regions, through nginx."""

    def __init__(self, gateway: str) -> None:
        self._gateway = gateway
        self._quiet_until = 0.0

    @property
    def away(self) -> bool:
        """Whether no region answered a moment ago."""
        return time.monotonic() < self._quiet_until

    def send(self, post: Post) -> Response:
        """One post, and a region's answer to it. Raises RegionAway when there is none."""
        headers = {
            "X-Real-IP": post.address,
            "X-Rackyard-Post-Key": post.key,
            "X-Rackyard-Post-Taken": post.taken_at,
            "Content-Type": post.content_type,
            "Authorization": post.authorization,
        }
        return self._send(post.path, {name: text for name, text in headers.items() if text}, post.body)

    def _send(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        try:
            answer = transport.request(
                "POST", self._gateway + path, content=body, headers=headers, timeout_s=_REGION_TIMEOUT_S
            )
            if answer.status in _AWAY:
                raise RegionAway(f"HTTP {answer.status}")
        except RegionAway:
            self._quiet_until = time.monotonic() + _PAUSE_S
            raise
        self._quiet_until = 0.0
        return answer


class Replay:
    """One thread that empties the spool, the boots in turn: no machine seems silent because another has said much."""

    def __init__(self, posts: MachinePosts, uplink: Uplink) -> None:
        self._posts = posts
        self._uplink = uplink
        # Of the oldest post of a boot: when it was first refused in doubt, and how often a region failed on it.
        self._doubted: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def start(self) -> None:
        """Begin, in a thread of its own."""
        threading.Thread(target=self._run, name="replay", daemon=True).start()

    def _run(self) -> None:
        """For ever. What nobody foresaw ends the process: gunicorn starts it anew, and the journal says why."""
        complaint = ""
        while True:
            moved = False
            try:
                moved = self._posts.own() and self.round()
                complaint = ""
            except RegionAway:
                time.sleep(_BACKOFF_S)
            except OSError as reason:
                if str(reason) != complaint:
                    complaint = str(reason)
                    log("error", "posts-unreadable", reason=reason)
            except Exception as reason:
                log("error", "replay-failed", reason=f"{type(reason).__name__}: {reason}")
                os._exit(1)
            if not moved:
                time.sleep(_LOOK_S)

    def round(self) -> bool:
        """Send the oldest post of each boot; whether anything went. Raises RegionAway, OSError."""
        boots = self._posts.boots()
        random.shuffle(boots)
        # The first finds out whether anybody is there.
        moved = [self._next_of(boot_id) for boot_id in boots[:1]]
        if len(boots) > 1:
            with ThreadPoolExecutor(_SENDERS) as pool:
                moved += pool.map(self._next_of, boots[1:])
        return any(moved)

    def _next_of(self, boot_id: str) -> bool:
        """Send the oldest post of a boot; False when it has to wait although a region is there.

        Raises RegionAway when none is, OSError."""
        name, post = self._posts.first(boot_id)
        if post is None:
            self._put_aside(boot_id, name, boot_id[:8], "the file is damaged")
            return True
        try:
            transport.checked(self._uplink.send(post))
        except RegionFailed as reason:
            self._failures[name] = self._failures.get(name, 0) + 1
            if self._failures[name] < MAX_FAILURES:
                return False
            self._put_aside(boot_id, name, post.hostname, f"a region failed on it {MAX_FAILURES} times: {reason}")
        except RegionRefused as refusal:
            since = self._doubted.setdefault(name, time.monotonic())
            if refusal.status in _DOUBTFUL and time.monotonic() - since < _DOUBT_S:
                return False
            self._put_aside(boot_id, name, post.hostname, f"HTTP {refusal.status}: {refusal}")
        else:
            self._settle(name)
            self._posts.done(boot_id, name)
        return True

    def _put_aside(self, boot_id: str, name: str, hostname: str, reason: str) -> None:
        log("error", "post-refused", machine=hostname, post=name, reason=reason)
        self._posts.refuse(boot_id, name, hostname, reason)
        self._settle(name)

    def _settle(self, name: str) -> None:
        self._doubted.pop(name, None)
        self._failures.pop(name, None)
