# SPDX-License-Identifier: GPL-3.0-or-later
"""What `./run runner` needs: the installed collection, and a region that listens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from .. import test_machine_commission, test_machine_power
from .jobs import Controller

served, obedient_rack = test_machine_commission.served, test_machine_power.obedient_rack


@pytest.fixture(scope="session")
def installed() -> Iterator[Controller]:
    """A folder that everybody may enter, with the collection installed in it."""
    if os.geteuid() != 0:
        pytest.exit("Hiding the repository from jobs is a mount, which needs root: sudo ./run runner", 3)
    folder = Path(tempfile.mkdtemp(prefix="ry-runner-"))
    folder.chmod(0o755)
    try:
        controller = Controller(Path(os.environ["RACKYARD_RUNNER_ENVIRONMENT"]) / "bin", folder)
        controller.install()
        yield controller
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def controller(installed: Controller, admin_key: str) -> Controller:
    """The same, which knows what must not be seen of a test's jobs: the key's secret part, the password of a BMC."""
    return replace(installed, secrets=(admin_key.split(":")[2], "sesame-of-the-bmc", "sesame-of-the-database"))
