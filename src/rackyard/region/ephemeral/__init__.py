# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine runs while it is commissioned, and how its answers are read.

``runner/`` is delivered as user data, ``scripts/`` are run by it in the ephemeral system, ``facts.py`` turns
their output into dataclasses. The index (``catalogue.py``) says in which order, how long and what they need.
"""

from rackyard.region.ephemeral.catalogue import (
    LSHW,
    OF_FACTS,
    OPTIONAL,
    Script,
    Test,
    build_archive,
    script_index,
    tests,
)
from rackyard.region.ephemeral.userdata import RunnerConfig, build_user_data

__all__ = [
    "LSHW", "OF_FACTS", "OPTIONAL", "RunnerConfig", "Script", "Test", "build_archive", "build_user_data",
    "script_index", "tests",
]  # fmt: skip
