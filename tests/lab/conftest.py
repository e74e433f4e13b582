# SPDX-License-Identifier: GPL-3.0-or-later
"""One lab for all files of this folder.

They run in the order of their numbers and build on each other, as an operator's first day does: untouched hosts, demo,
what went over the wires, bad input, second run, faults, removal, teardown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab_site import Lab, host_traces


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of fresh hosts and blank machines; removed at the end whatever happens."""
    work = Path(os.environ.get("RACKYARD_TEST_LOGS") or tmp_path_factory.mktemp("lab"))
    work.mkdir(parents=True, exist_ok=True)
    handle = Lab(work)
    handle.run("lab", "down")
    handle.traces_before = host_traces()
    try:
        handle.run("lab", "up")
        yield handle
    finally:
        for capture in handle.captures.values():
            capture.stop()
        handle.run("lab", "down", check=False)
