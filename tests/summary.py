# SPDX-License-Identifier: GPL-3.0-or-later
"""The last lines of `./run test`: each part with its numbers and time, then what failed and why, then the sum.

Reads what noxfile.py left in a folder: ``parts.json``, for each part ``PART.json`` (``seconds``, number of ``passed``
checks, seconds that each ``took``, ``reasons`` of failed ones) and JUnit reports below ``PART/``. Exits 1 unless every
part has run and passed.

Usage: summary.py FOLDER
"""

from __future__ import annotations

import json
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from pathlib import Path

SHOWN = 10  # failures of one part
WIDTH = 200  # characters of one line
SLOW_S = 20.0  # a check that takes longer is named with its time


@dataclass
class Part:
    """One part of the run, counted in tests where there are tests and in checks where not."""

    name: str
    seconds: float = 0.0
    passed: int = 0
    skipped: int = 0
    failures: list[str] = field(default_factory=list)
    took: dict[str, float] = field(default_factory=dict)

    def numbers(self) -> str:
        """As "12 passed, 1 failed", with skipped ones if there are some, and of several checks those that take long."""
        counts = ((self.passed, "passed"), (len(self.failures), "failed"), (self.skipped, "skipped"))
        slow = [f"{name} {time_of(seconds)}" for name, seconds in self.took.items() if seconds >= SLOW_S]
        times = f" ({', '.join(slow)})" if len(self.took) > 1 and slow else ""
        return ", ".join(f"{count} {word}" for count, word in counts if count or word == "passed") + times


def one_line(text: str) -> str:
    """The first line that says something, cut to what a terminal shows."""
    line = next((line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines() if line.strip()), "")
    return line if len(line) <= WIDTH else line[: WIDTH - 1] + "…"


def read_junit(path: Path) -> Part:
    """Numbers and failures of one report; one that cannot be read is a failure itself."""
    part = Part(path.stem)
    try:
        cases = list(ET.parse(path).getroot().iter("testcase"))  # written by our own tools
    except ET.ParseError as error:
        part.failures.append(f"{path.name}: {error}")
        return part
    for case in cases:
        broken = case.find("failure") if case.find("failure") is not None else case.find("error")
        if broken is not None:
            why = one_line(broken.get("message") or broken.text or "")
            part.failures.append(f"{name_of(case)}: {why}")
        elif case.find("skipped") is not None:
            part.skipped += 1
        else:
            part.passed += 1
    return part


def name_of(case: ET.Element) -> str:
    """The file and the test, as one would look for it."""
    file = (case.get("classname") or "").rpartition(".")[2]
    name = case.get("name") or "?"
    return f"{file}::{name}" if file.startswith("test_") else name


def read_part(folder: Path, name: str) -> Part:
    """What one part did; a part that left nothing did not run."""
    try:
        note = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Part(name, failures=["it did not run to its end"])
    part = Part(name, note["seconds"], note["passed"], took=note["took"])
    if name == "molecule":  # counted in scenarios: their reports only say which task it was
        part.failures = [with_task(folder, reason) for reason in note["reasons"]]
        return part
    reports = [read_junit(path) for path in sorted((folder / name).glob("**/*.xml"))]
    if reports:
        part.passed = sum(report.passed for report in reports)
    part.skipped = sum(report.skipped for report in reports)
    part.failures = [failure for report in reports for failure in report.failures] or note["reasons"]
    return part


def with_task(folder: Path, reason: str) -> str:
    """A scenario's failure with the first task that failed in it, if one did: "dns: exit 1: Verify: …"."""
    scenario = reason.partition(":")[0]
    reports = sorted((folder / "molecule" / scenario).glob("*.xml"), key=lambda path: path.stat().st_mtime)
    failures = [failure for path in reports for failure in read_junit(path).failures]
    return one_line(f"{reason}: {failures[0]}") if failures else reason


def time_of(seconds: float) -> str:
    """As "8 s" or "12 min 5 s"."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def summary(parts: list[Part]) -> list[str]:
    """The lines to print, the sum last."""
    width = max(len(part.name) for part in parts)
    lines = [f"{part.name:<{width}}  {time_of(part.seconds):>12}  {part.numbers()}" for part in parts]
    total = Part("", sum(part.seconds for part in parts), sum(part.passed for part in parts))
    lines.append(f"{'all':<{width}}  {time_of(total.seconds):>12}")
    for part in parts:
        total.failures += part.failures
        for failure in part.failures[:SHOWN]:
            lines.append(f"{part.name}: {one_line(failure)}")
        if len(part.failures) > SHOWN:
            lines.append(f"{part.name}: … and {len(part.failures) - SHOWN} more; all of them: nox -s {part.name}")
    lines.append(f"{total.passed} passed, {len(total.failures)} failed")
    return lines


def main(folder: Path) -> int:
    """Print the summary; 0 if all parts passed."""
    try:
        names = json.loads((folder / "parts.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        print("the run ended before its first part")
        return 1
    parts = [read_part(folder, name) for name in names]
    print("", *summary(parts), sep="\n")
    return 1 if any(part.failures for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
