# SPDX-License-Identifier: GPL-3.0-or-later
"""python-libmaas as it is on PyPI, in an environment and a process of its own, against a region that listens."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.service.clients.replay import DEPLOYMENT, NEVER, WORKS, Region, Things, documented
from tests.service.conftest import uploading

PYTHON = os.environ.get("RACKYARD_CLIENTS_PYTHON", "")
PROGRAM = Path(__file__).with_name("libmaas_program.py")


# A client that is AGPL is in no environment of ours: only where the runner has made one for it can it be run.
@pytest.mark.skipif(not PYTHON, reason="`nox -s service` makes the environment that has python-libmaas")
def test_program_of_an_operator_works_unchanged(region: Region) -> None:
    ready = Things(region)["ready"]
    assert ready["hostname"] == "m1"
    with uploading(region.ctx), region.listening() as url:
        ran = subprocess.run(
            [PYTHON, "-W", "ignore", str(PROGRAM), url, region.key],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    outcomes = json.loads(ran.stdout)
    assert {name: told for name, told in outcomes.items() if told != "passed"} == {}
    kinds = {"later": DEPLOYMENT, "never": NEVER}
    assert Counter(kinds.get(name.split(":")[0], WORKS) for name in outcomes) == documented("python-libmaas")
