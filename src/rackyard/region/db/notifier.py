# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for PostgreSQL's NOTIFY: one connection and one thread per process, any number of waiters.

A notice can come between looking and waiting, so subscribe first, then look, then wait:

    with notifier.subscribe("rackyard_jobs", system_id) as subscription:
        while not (jobs := take_jobs()) and subscription.wait(seconds_left()):
            pass
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2 import sql

from rackyard.region.db import connections

CHANNELS = (
    "rackyard_desired", "rackyard_dhcp_checks", "rackyard_jobs", "rackyard_machines", "rackyard_names",
    "rackyard_uploads", "rackyard_worker",
)  # fmt: skip
_RECONNECT_S = 1.0


class Subscription:
    """One waiter's flag for one channel, and one payload if that is given."""

    def __init__(self, channel: str, payload: str | None) -> None:
        self.channel = channel
        self.payload = payload
        self._event = threading.Event()

    def wait(self, timeout_s: float) -> bool:
        """True when something was announced since the last call (or since subscribing), False after the timeout."""
        heard = self._event.wait(max(timeout_s, 0.0))
        self._event.clear()
        return heard

    def wake(self) -> None:
        """Let the waiter look again."""
        self._event.set()

    def matches(self, channel: str, payload: str) -> bool:
        """Whether a notice is for this waiter."""
        return self.channel == channel and self.payload in (None, payload)


class Notifier:
    """Dispatches notices to subscriptions. Its thread starts with the first subscription."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._lock = threading.Lock()
        self._subscriptions: set[Subscription] = set()
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._closing = threading.Event()
        self._missed = False
        self._wake_read, self._wake_write = os.pipe()

    @contextmanager
    def subscribe(self, channel: str, payload: str | None = None) -> Iterator[Subscription]:
        """A subscription that is already listening when the block begins."""
        if channel not in CHANNELS:
            raise ValueError(f"unknown channel {channel!r}")
        subscription = Subscription(channel, payload)
        with self._lock:
            self._subscriptions.add(subscription)
            self._start()
        self._ready.wait(timeout=5)
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions.discard(subscription)

    def wait(self, channel: str, payload: str | None, timeout_s: float) -> bool:
        """Wait for one notice from now on; False after the timeout."""
        with self.subscribe(channel, payload) as subscription:
            return subscription.wait(timeout_s)

    def close(self) -> None:
        """Stop the thread and wake every waiter."""
        if self._closing.is_set():
            return
        self._closing.set()
        os.write(self._wake_write, b"x")
        if self._thread:
            self._thread.join(timeout=5)
        self._dispatch_all()
        if self._thread is None or not self._thread.is_alive():
            os.close(self._wake_read)
            os.close(self._wake_write)

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._ready.clear()
            self._thread = threading.Thread(target=self._run, name="rackyard-notifier", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except psycopg2.Error:
                self._ready.clear()
                self._missed = True
                self._closing.wait(_RECONNECT_S)

    def _listen(self) -> None:
        connection = connections.connect(self._dsn, "rackyard-notifier")
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for channel in CHANNELS:
                    cursor.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            self._ready.set()
            if self._missed:  # what was announced without a connection is lost: everybody looks again
                self._missed = False
                self._dispatch_all()
            # Not select(): it knows no descriptor beyond 1024, and a process with many waiting racks has more.
            readers = select.poll()
            readers.register(connection, select.POLLIN)
            readers.register(self._wake_read, select.POLLIN)
            while not self._closing.is_set():
                readers.poll(60_000)
                connection.poll()
                self._dispatch(connection.notifies)
        finally:
            connection.close()

    def _dispatch(self, notices: list[Any]) -> None:
        with self._lock:
            while notices:
                notice = notices.pop(0)
                for subscription in self._subscriptions:
                    if subscription.matches(notice.channel, notice.payload):
                        subscription.wake()

    def _dispatch_all(self) -> None:
        with self._lock:
            for subscription in self._subscriptions:
                subscription.wake()
