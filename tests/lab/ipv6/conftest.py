# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab of topology ipv6 for all files of this folder: its machine's network has no IPv4."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_site import Lab


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A region, a rack and a blank machine; removed at the end whatever happens."""
    work = Path(os.environ.get("RACKYARD_TEST_LOGS") or tmp_path_factory.mktemp("ipv6"))
    work.mkdir(parents=True, exist_ok=True)
    handle = Lab(work)
    handle.run("lab", "down")
    try:
        handle.run("lab", "up", "--topology", "ipv6")
        yield handle
    finally:
        for capture in handle.captures.values():
            capture.stop()
        handle.run("lab", "down", check=False)
