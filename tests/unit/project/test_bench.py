# SPDX-License-Identifier: GPL-3.0-or-later
"""`./run bench`: what it says of itself, and how it brings a database."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Debian's pg_virtualenv as far as its traps go.
LIKE_DEBIAN = """#!/bin/bash
cleanup () {
    set +e
    echo "Dropping cluster ..."
    touch "$(dirname "$0")/dropped"
}
trap cleanup 0 HUP INT QUIT ILL ABRT PIPE TERM
shift 2
"$@" || exit
"""


@pytest.mark.parametrize("name", ["direct-boot", "commission", "retention", "racks", "inventory", "machines"])
def test_help_tells_of_one_benchmark_and_starts_none(name: str, tmp_path: Path) -> None:
    # Nothing could be installed, made or found here.
    done = subprocess.run(
        [ROOT / "run", "bench", name, "--help"],
        env={"PATH": "/usr/bin:/bin", "RACKYARD_CACHE": str(tmp_path / "none")},
        capture_output=True, text=True, timeout=10, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"  bench {name} [--")
    assert done.stdout.count("  bench ") == 1
    assert not (tmp_path / "none").exists()


def test_help_without_a_name_tells_of_all() -> None:
    done = subprocess.run([ROOT / "run", "bench", "--help"], capture_output=True, text=True, timeout=10, check=True)
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  bench ")] == [
        "direct-boot", "commission", "retention", "api", "racks", "inventory", "machines",
    ]  # fmt: skip
    assert "Caches" not in done.stdout


def test_database_is_dropped_when_nobody_reads_what_is_said(tmp_path: Path) -> None:
    stand_in = tmp_path / "pg_virtualenv"
    stand_in.write_text(LIKE_DEBIAN)
    stand_in.chmod(0o755)
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        done = subprocess.run(
            [ROOT / "tests" / "load" / "with-database", "true"],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
            stdout=nobody, stderr=subprocess.DEVNULL, timeout=20, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert (tmp_path / "dropped").exists()
