# SPDX-License-Identifier: GPL-3.0-or-later
"""Molecule's scenarios on hosts that they share: which of them run on which hosts, and which at the same time.

Scenarios of roles run one after the other on a pair of hosts (`molecule/resources/inventory`), two such rows at one
time, on two pairs. Scenarios of more than a role have hosts of their own. Hosts are removed in the end, and those that
a run has left that was cut off, in the beginning of the next.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event, Lock

ROOT = Path(__file__).resolve().parent.parent
# In an order that works on one pair too: a packet filter, which others would meet, is taken away by its own scenario.
ROWS = (
    ("ntp", "tftp", "proxy", "syslog", "dns", "dhcp", "firewall"),
    (
        "service_runtime", "postgres", "controller_identity", "region_service", "http", "api_gateway", "rack_service",
        "boot_image",
    ),
)  # fmt: skip
PAIRS = ("../resources/inventory/first_pair.yml", "../resources/inventory/second_pair.yml")
# A whole site, and the examples of the roles' READMEs.
OWN_HOSTS = ("site", "readme")
# `readme` has a host for each example, and so is run by its name only.
ALL = (*(name for row in ROWS for name in row), "site")
# What every `./run test` proves, besides what it is the day for.
ALWAYS = ("dhcp", "dns", "site")
# Says that the first pair is to stay; gone after a reboot, as the hosts are.
KEPT = Path("/run/rackyard-molecule-kept")
FOREIGN = "RACKYARD_MOLECULE_HOSTS"

# Runs a command, whether it passed: `Part.check` of noxfile.py.
Check = Callable[..., bool]


class Misuse(Exception):
    """What was asked for cannot be done; the text says what can."""


@dataclass(frozen=True)
class Row:
    """Scenarios that run one after the other, and the inventory of the pair that they share; none with own hosts."""

    names: Sequence[str]
    pair: str = ""
    makes_hosts: bool = True
    removes_hosts: bool = True


def of_day(day: int) -> tuple[str, ...]:
    """What `./run test` proves on a day of the calendar (its ordinal): some always, of each row one more in turn."""
    turns = ([name for name in row if name not in ALWAYS] for row in ROWS)
    return (*ALWAYS, *(names[day % len(names)] for names in turns))


def rows_of(words: Sequence[str], foreign: str, kept: bool) -> list[Row]:
    """Which scenarios run where: of names, `--all`, `--keep`; nothing is all. Raises Misuse."""
    names = [word for word in words if word not in ("--all", "--keep")] or list(ALL)
    keep = "--keep" in words
    unknown = [name for name in names if name not in (*ALL, *OWN_HOSTS)]
    if unknown:
        raise Misuse(f"no scenario {', '.join(unknown)}; there are: {', '.join((*ALL, 'readme'))}")
    shared = [[name for name in row if name in names] for row in ROWS]
    alone = [name for name in OWN_HOSTS if name in names]
    if foreign:
        if set(alone) & set(words):
            raise Misuse(f"{' and '.join(alone)} run on hosts of the lab only, not on those of {FOREIGN}")
        return [Row([name for row in shared for name in row], foreign, makes_hosts=False, removes_hosts=False)]
    if keep or kept:  # there is one pair that may stay
        together = [name for row in shared for name in row]
        rows = [Row(together, PAIRS[0], makes_hosts=not kept, removes_hosts=False)] if together else []
    else:
        rows = [Row(row, pair) for row, pair in zip(shared, PAIRS, strict=True) if row]
    return rows + [Row([name]) for name in alone]


class Run:
    """One call of `./run molecule`: hosts are made and removed one after the other, rows run at the same time."""

    def __init__(self, check: Check, folder: Path, report: Path | None) -> None:
        self._check = check
        self._folder = folder
        self._report = report
        self._hosts = Lock()
        self._stopped = Event()

    def rows(self, rows: Sequence[Row]) -> None:
        """Prove all scenarios; an interruption ends after those that are under way."""
        streams = len(rows) == 1
        with ThreadPoolExecutor(max_workers=2) as running:
            try:
                list(running.map(partial(self._row, streams=streams), rows))
            except BaseException:
                self._stopped.set()
                raise

    def _row(self, row: Row, streams: bool) -> None:
        if self._stopped.is_set():
            return
        label = "hosts" if row.pair else f"{row.names[0]}'s hosts"
        try:
            if row.makes_hosts and not self._make(row, f"{label} made", "destroy", "create"):
                return
            for name in row.names:
                if not self._stopped.is_set():
                    self._prove(row, name, streams)
        finally:
            if row.removes_hosts:
                self._make(row, f"{label} removed", "destroy")

    def _make(self, row: Row, label: str, *steps: str) -> bool:
        """Make or remove hosts. One row at a time: the lab's networks come with the first and go with the last."""
        with self._hosts:
            return all(
                self._molecule(row, row.names[0], label, streams=True, words=(step,), counts=False) for step in steps
            )

    def _prove(self, row: Row, name: str, streams: bool) -> None:
        self._molecule(row, name, name, streams=streams, words=("test", "--destroy=never"), counts=True)

    def _molecule(self, row: Row, name: str, label: str, *, streams: bool, words: Sequence[str], counts: bool) -> bool:
        """Have molecule do something; its words are shown at once, or together when it has ended."""
        log = self._folder / f"{name}-{words[0]}.log"
        command = ("bash", "-o", "pipefail", "-c", '"$@" 2>&1 | tee "$0"', str(log))
        command += ("molecule", *words, "--scenario-name", name)
        state = self._folder / f"{name}-state"
        env = {"MOLECULE_EPHEMERAL_DIRECTORY": str(state), **(task_report(self._report, name) if counts else {})}
        if row.pair:
            env[FOREIGN] = row.pair
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
            output: Mapping[str, object] = {} if streams else {"stdout": said, "stderr": said}
            passed = self._check(*command, name=label, env=env, counts=counts, explain=partial(failure, log), **output)
            said.seek(0)
            sys.stdout.write(said.read())
        return passed


def failure(log: Path) -> str:
    """In which step molecule failed, and what a report of tasks lacks: hosts away, tasks of a second run not idle."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(encoding="utf-8", errors="replace")) if log.exists() else ""
    steps = re.findall(r" ➜ (\w+): .*[Ff]ailed", text)
    tasks = re.findall(r"^\s*\* (\[.*\] => .*)$", text, re.MULTILINE)
    away = [f"{host} is unreachable" for host in sorted(set(re.findall(r"fatal: \[(.*?)\]: UNREACHABLE!", text)))]
    return ": ".join(filter(None, (*(f"in {step}" for step in steps[-1:]), "; ".join(away + tasks))))


def task_report(report: Path | None, name: str) -> dict[str, str]:
    """What makes Ansible leave a report of a scenario's tasks, if one is wanted."""
    if not report:
        return {}
    junit = {"JUNIT_OUTPUT_DIR": str(report / "molecule" / name), "JUNIT_HIDE_TASK_ARGUMENTS": "true"}
    return {**junit, "ANSIBLE_CALLBACKS_ENABLED": "ansible.builtin.junit"}


def pair_stands() -> bool:
    """Whether the first pair was made to stay, and runs."""
    tool = ROOT / "roles/lab_hosts/files/lab-host"
    states = [
        subprocess.run([tool, "state", name], capture_output=True, text=True, check=False)
        for name in ("mol-12", "mol-13")
    ]
    return KEPT.exists() and all(state.stdout.strip() == "on" for state in states)


def run(check: Check, words: Sequence[str], report: Path | None) -> None:
    """Prove what the words name. Raises Misuse."""
    foreign = os.environ.get(FOREIGN, "")
    kept = not foreign and pair_stands()
    with tempfile.TemporaryDirectory() as folder:
        work = Run(check, Path(folder), report)
        if list(words) == ["--remove"]:
            KEPT.unlink(missing_ok=True)
            work.rows([Row(["ntp"], PAIRS[0], makes_hosts=False)])
            return
        if foreign and not Path(foreign).is_file():
            raise Misuse(f"{FOREIGN} names {foreign}, which is no file")
        rows = rows_of(words, str(Path(foreign).resolve()) if foreign else "", kept)
        if "--keep" in words:
            KEPT.touch()
        work.rows(rows)
