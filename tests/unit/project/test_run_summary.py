# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of `./run test`, from what its parts leave."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FAILING = """
import pytest

def test_passes(): pass

@pytest.mark.parametrize("name", ["m1"])
def test_fails(name): assert name == "m2", "wrong machine"

@pytest.fixture
def broken(): raise FileNotFoundError("tcpdump")

def test_errors(broken): pass
"""
MOLECULE = """<testsuites><testsuite><testcase name="[localhost] Verify: The server runs" classname="verify.yml">
<failure message="non-zero return code" type="failed"/></testcase></testsuite></testsuites>"""


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """What a run of four parts leaves."""
    return tmp_path


def note(
    report: Path,
    part: str,
    seconds: float = 5.0,
    passed: int = 1,
    reasons: list[str] | None = None,
    took: dict[str, float] | None = None,
) -> None:
    written = {"seconds": seconds, "passed": passed, "took": took or {}, "reasons": reasons or []}
    (report / f"{part}.json").write_text(json.dumps(written))


def summarise(report: Path, *parts: str) -> tuple[int, list[str]]:
    (report / "parts.json").write_text(json.dumps(parts))
    command = [sys.executable, str(ROOT / "tests" / "summary.py"), str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.stderr
    return done.returncode, done.stdout.strip().splitlines()


def run_pytest(report: Path, part: str, text: str) -> None:
    """A real report of real tests."""
    (report / "test_demo.py").write_text(text)
    junit = f"--junit-xml={report / part / 'pytest.xml'}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", junit, "test_demo.py"]
    subprocess.run(command, cwd=report, capture_output=True, check=False)


def test_success_says_numbers_and_time_of_each_part_and_the_sum_last(report: Path) -> None:
    run_pytest(report, "unit", "def test_a(): pass\ndef test_b(): pass")
    note(report, "unit", 61.2)
    note(report, "lint", 8.4, passed=9)
    status, lines = summarise(report, "unit", "lint")
    assert status == 0
    assert [line.split() for line in lines] == [
        ["unit", "1", "min", "1", "s", "2", "passed"],
        ["lint", "8", "s", "9", "passed"],
        ["all", "1", "min", "10", "s"],
        ["11", "passed,", "0", "failed"],
    ]


def test_failed_tests_are_the_last_lines_with_their_reasons(report: Path) -> None:
    run_pytest(report, "lab", FAILING)
    note(report, "lab", reasons=["pytest: exit 1"])
    note(report, "unit", passed=3)
    status, lines = summarise(report, "lab", "unit")
    assert status == 1
    assert lines[-3:] == [
        "lab: test_demo::test_fails[m1]: AssertionError: wrong machine",
        'lab: test_demo::test_errors: failed on setup with "FileNotFoundError: tcpdump"',
        "4 passed, 2 failed",
    ]


def test_a_check_without_a_report_is_named_with_its_exit_status(report: Path) -> None:
    note(report, "lint", passed=8, reasons=["ansible-lint: exit 2"])
    status, lines = summarise(report, "lint")
    assert status == 1
    assert lines[-2:] == ["lint: ansible-lint: exit 2", "8 passed, 1 failed"]


def test_a_run_that_ended_early_fails_although_no_test_did(report: Path) -> None:
    run_pytest(report, "service", "def test_a(): pass")
    note(report, "service", reasons=["pytest: exit 3"])
    status, lines = summarise(report, "service")
    assert status == 1
    assert "service: pytest: exit 3" in lines


def test_a_failed_scenario_names_the_task(report: Path) -> None:
    note(report, "molecule", passed=2, reasons=["dns: exit 2"])
    (report / "molecule" / "dns").mkdir(parents=True)
    (report / "molecule" / "dns" / "verify-1.xml").write_text(MOLECULE)
    status, lines = summarise(report, "molecule")
    assert status == 1
    assert lines[-2:] == [
        "molecule: dns: exit 2: [localhost] Verify: The server runs: non-zero return code",
        "2 passed, 1 failed",
    ]


def test_a_part_that_did_not_run_and_a_broken_report_are_failures(report: Path) -> None:
    note(report, "unit")
    (report / "unit").mkdir()
    (report / "unit" / "pytest.xml").write_text("<testsuites>")
    status, lines = summarise(report, "unit", "lab")
    assert status == 1
    assert lines[-3].startswith("unit: pytest.xml: ")
    assert lines[-2:] == ["lab: it did not run to its end", "0 passed, 2 failed"]


def test_slow_checks_of_a_part_are_named_with_their_times(report: Path) -> None:
    note(report, "molecule", passed=3, took={"dhcp": 75.0, "dns": 19.0, "site": 130.2})
    note(report, "unit", took={"pytest": 99.0})
    _, lines = summarise(report, "molecule", "unit")
    assert lines[0].endswith(" 3 passed (dhcp 1 min 15 s, site 2 min 10 s)")
    assert lines[1].endswith(" 1 passed")


def test_many_failures_of_a_part_are_counted_not_listed(report: Path) -> None:
    note(report, "lint", passed=0, reasons=[f"check {number}: exit 1" for number in range(25)])
    _, lines = summarise(report, "lint")
    assert len(lines) == 14
    assert lines[-2].startswith("lint: … and 15 more")
    assert lines[-1] == "0 passed, 25 failed"
