# SPDX-License-Identifier: GPL-3.0-or-later
"""Structured log lines on stderr: `event key=value …`, one line each, for the journal."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from typing import Any

_PRIORITY = {"error": "<3>", "warning": "<4>", "info": "<6>", "debug": "<7>"}
_lock = threading.Lock()


def log(level: str, event: str, **fields: Any) -> None:
    """Write one line. Values with blanks or control characters are quoted, so that nobody can forge a line."""
    words = [f"{key}={_quoted(value)}" for key, value in fields.items() if value is not None]
    # Who cannot log (a full disk) works all the same.
    with _lock, contextlib.suppress(OSError):
        print(_PRIORITY[level] + " ".join([event, *words]), file=sys.stderr, flush=True)


def _quoted(value: Any) -> str:
    text = str(value)[:1000]
    plain = text.isascii() and text.isprintable() and " " not in text and '"' not in text and text
    return text if plain else json.dumps(text)
