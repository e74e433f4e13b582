# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots as a region gives them to a rack to keep."""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from exact import sent

ONE, OTHER = "1" * 32, "2" * 32


def answer(boot_id: str = ONE, ends_in_s: float = 600, **changes: Any) -> dict[str, Any]:
    documents = {name: b64encode(name.encode()).decode() for name in ("preseed", "user-data", "maas-scripts")}
    document = {
        "boot_id": boot_id, "system_id": "abcdef", "hostname": "m1", "addresses": ["10.20.0.101"],
        "ends_at": (datetime.now(UTC) + timedelta(seconds=ends_in_s)).isoformat(), "consumer_key": "consumer",
        "token_key": f"token{boot_id[:4]}", "token_secret": "hush-hush", "documents": documents, **changes,
    }  # fmt: skip
    return dict(sent("boot-metadata-answer", document))
