# SPDX-License-Identifier: GPL-3.0-or-later
"""Posts of machines that wait for a region: on disk before the machine hears that they were taken, in order per boot.

A directory per boot, in it a file per post whose name sorts by time: one line of JSON, then the body as it came.
Machines are hostile: there are limits per post, per boot and in all, and the disk is never filled.
One process at a time owns the directory (two overlap while gunicorn is reloaded)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import threading
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rackyard.daemons import files

MIB = 1024 * 1024
# A region takes four streams of 1 MiB and what is around them.
POST_LIMIT_BYTES = 5 * MIB
MAX_BOOT_POSTS, MAX_BOOT_BYTES = 2_000, 64 * MIB
MAX_POSTS, MAX_BYTES = 50_000, 2048 * MIB
MIN_FREE_BYTES = 256 * MIB
MAX_REFUSED = 200
_SHOWN_REFUSALS, _REASON_LIMIT_BYTES = 5, 4096
_REFUSED = "refused"
_BOOT = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[0-9]{20}-[0-9a-f]{32}-(?:post|final)")


class NoRoom(Exception):
    """The post was not kept; the message says which limit it would break."""


@dataclass(frozen=True)
class Post:
    """One post as the machine sent it. ``key`` is the rack's own name for it, ``taken_at`` in ISO 8601."""

    key: str
    taken_at: str
    boot_id: str
    hostname: str
    path: str
    content_type: str
    address: str
    final: bool
    authorization: str = field(repr=False)
    body: bytes = field(repr=False)


class MachinePosts:
    """The directory, counted once and then known."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        # By boot: names and sizes of what waits; and of what is being written, which counts but is not there yet.
        self._waiting: dict[str, dict[str, int]] = {}
        self._written: dict[str, dict[str, int]] = {}
        self._last_ns = 0
        self._owner = -1

    def own(self) -> bool:
        """Whether this process owns the directory now; True from then on. Raises OSError."""
        with self._lock:
            if self._owner >= 0:
                return True
            descriptor = os.open(self._directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._count()
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
            self._owner = descriptor
            return True

    def boots(self) -> list[str]:
        """The boots of which something waits."""
        with self._lock:
            return list(self._waiting)

    def waits(self, boot_id: str) -> bool:
        """Whether something of that boot waits, which later posts may not overtake."""
        with self._lock:
            return boot_id in self._waiting

    def ended(self, boot_id: str) -> bool:
        """Whether the last word of that boot waits: then it is over."""
        with self._lock:
            return any(name.endswith("-final") for name in self._waiting.get(boot_id, ()))

    def append(self, post: Post) -> None:
        """Keep a post; it is on disk when this returns. Raises NoRoom, OSError."""
        head = {name: value for name, value in asdict(post).items() if name != "body"}
        content = json.dumps(head).encode() + b"\n" + post.body
        folder = self._directory / post.boot_id
        with self._lock:
            self._require_room(post, len(content))
            folder.mkdir(mode=0o750, exist_ok=True)
            # A clock that steps back must not reorder anything.
            self._last_ns = max(self._last_ns + 1, time.time_ns())
            name = f"{self._last_ns:020d}-{post.key}-{'final' if post.final else 'post'}"
            self._written.setdefault(post.boot_id, {})[name] = len(content)
        try:
            files.replace(folder / name, content, 0o600)
            files.sync_directory(self._directory)
            with self._lock:
                self._waiting.setdefault(post.boot_id, {})[name] = len(content)
        finally:
            self._forget(self._written, post.boot_id, name)

    def first(self, boot_id: str) -> tuple[str, Post | None]:
        """The oldest post of a boot and the name of its file; None in place of one that cannot be read.

        Raises LookupError when nothing of it waits."""
        with self._lock:
            name = min(self._waiting.get(boot_id, ()), default="")
        if not name:
            raise LookupError(boot_id)
        head, _newline, body = (files.read(self._directory / boot_id / name) or b"").partition(b"\n")
        try:
            return name, Post(**json.loads(head), body=body)
        except (ValueError, TypeError):
            return name, None

    def done(self, boot_id: str, name: str) -> None:
        """A region has taken the post."""
        (self._directory / boot_id / name).unlink(missing_ok=True)
        self._forget(self._waiting, boot_id, name)

    def refuse(self, boot_id: str, name: str, hostname: str, reason: str) -> None:
        """No region will ever take the post: put it aside with the region's words, for people to look at."""
        aside = self._directory / _REFUSED
        words = {"post": name, "hostname": hostname, "reason": reason[:1000]}
        with contextlib.suppress(OSError):  # it is in the log; what comes after it must not be held up
            aside.mkdir(mode=0o750, exist_ok=True)
            os.replace(self._directory / boot_id / name, aside / name)
            files.replace(aside / f"{name}.json", json.dumps(words).encode(), 0o640)
            for old in sorted(each for each in os.listdir(aside) if _NAME.fullmatch(each))[:-MAX_REFUSED]:
                for each in (old, f"{old}.json"):
                    (aside / each).unlink(missing_ok=True)
        self.done(boot_id, name)

    def _require_room(self, post: Post, size_bytes: int) -> None:
        both = (self._waiting, self._written)
        mine = [size for part in both for size in part.get(post.boot_id, {}).values()]
        everybody = [size for part in both for sizes in part.values() for size in sizes.values()]
        limits = (
            (len(post.body), POST_LIMIT_BYTES, "bytes in one post"),
            (len(mine) + 1, MAX_BOOT_POSTS, f"posts of {post.hostname}"),
            (sum(mine) + size_bytes, MAX_BOOT_BYTES, f"bytes of {post.hostname}"),
            (len(everybody) + 1, MAX_POSTS, "posts"),
            (sum(everybody) + size_bytes, MAX_BYTES, "bytes"),
        )
        for found, limit, what in limits:
            if found > limit:
                raise NoRoom(f"more than {limit} {what} would wait for a region")
        if shutil.disk_usage(self._directory).free < MIN_FREE_BYTES + size_bytes:
            raise NoRoom(f"{self._directory} has less than {MIN_FREE_BYTES // MIB} MiB free; make room on that disk")

    def _forget(self, part: dict[str, dict[str, int]], boot_id: str, name: str) -> None:
        with self._lock:
            names = part.get(boot_id, {})
            names.pop(name, None)
            if not names:
                part.pop(boot_id, None)
            if boot_id not in self._waiting and boot_id not in self._written:
                with contextlib.suppress(OSError):
                    (self._directory / boot_id).rmdir()

    def _count(self) -> None:
        for boot_id in filter(_BOOT.fullmatch, os.listdir(self._directory)):
            folder = self._directory / boot_id
            found = {name: (folder / name).stat().st_size for name in os.listdir(folder) if _NAME.fullmatch(name)}
            if found:
                self._waiting[boot_id] = found
                self._last_ns = max(self._last_ns, *(int(name[:20]) for name in found))


def summary(directory: Path) -> dict[str, Any]:
    """What waits and what was put aside, for whoever only looks: numbers, and the latest reasons."""
    waiting = sum(len(_listed(directory / boot, _NAME)) for boot in _listed(directory, _BOOT))
    refused = _listed(directory / _REFUSED, _NAME)
    reasons = [_reason(directory / _REFUSED / f"{name}.json") for name in refused[-_SHOWN_REFUSALS:]]
    return {"waiting": waiting, "refused": len(refused), "reasons": [reason for reason in reasons if reason]}


def _listed(directory: Path, pattern: re.Pattern[str]) -> list[str]:
    try:
        return sorted(filter(pattern.fullmatch, os.listdir(directory)))
    except OSError:
        return []


def _reason(path: Path) -> str:
    """The words in a file of the boot service, which faces machines: no link, no pipe, no more than a few bytes."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            words = json.loads(os.read(descriptor, _REASON_LIMIT_BYTES))
        finally:
            os.close(descriptor)
        return f"{words['hostname']}: {words['reason']}"
    except (OSError, ValueError, TypeError, KeyError):
        return ""
