# SPDX-License-Identifier: GPL-3.0-or-later
"""A region that listens, for clients that are programs of their own."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.serving import make_server


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    """Where the region listens."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.port}/MAAS/"
    server.shutdown()
    thread.join()
