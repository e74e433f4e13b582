# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that waits to be told to stop, and is told at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

# Begins to wait thousands of times in a second, so that a signal often meets it between two of them.
ENVIRONMENT = {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)}
PROGRAM = """
from rackyard.rack.stop_signals import StopSignals
told = StopSignals()
print("waits", flush=True)
while not told.wait(0.00001):
    pass
assert told.wait(60), "it stays so"
print("stops", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_wait_whenever_it_comes(number: signal.Signals) -> None:
    runs = []
    for _run in range(15):
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        time.sleep(random.uniform(0, 0.02))
        process.send_signal(number)
        runs.append(process)
    for process in runs:
        said, _ = process.communicate(timeout=10)
        assert (said, process.returncode) == ("stops\n", 0)


def test_nothing_is_told_before_there_was_a_signal() -> None:
    program = "from rackyard.rack.stop_signals import StopSignals; print(StopSignals().wait(0.05))"
    assert subprocess.check_output([sys.executable, "-c", program], env=ENVIRONMENT, text=True) == "False\n"
