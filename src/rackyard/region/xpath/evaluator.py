# SPDX-License-Identifier: GPL-3.0-or-later
"""Has expressions evaluated over documents by a process that is limited in all it could take, and ends with the work.

subprocess is all that is needed of this process, so that it works in threads and in gevent's greenlets alike."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rackyard.region.errors import Unavailable

_PROGRAM = Path(__file__).with_name("program.py")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """Processor time in seconds for one expression over one document (also for reading it), for one expression over all
    documents of a call, and after which a call ends with the documents that it has; and memory."""

    document_cpu_s: float = 0.5
    definition_cpu_s: float = 3.0
    run_cpu_s: float = 30.0
    memory_bytes: int = 512 * 2**20
    # Of the real clock: a process that gets no processor is no use either.
    wall_s: float = 120.0


LIMITS = Limits()


@dataclass
class Verdicts:
    """What came of a call: for each document that was looked at, in their order, the expressions that match it; the
    documents that are no XML, which match nothing; and the expressions that cannot be evaluated, with the reason.
    Of the latter, verdicts mean nothing."""

    matches: dict[int, set[int]] = field(default_factory=dict)
    unreadable: set[int] = field(default_factory=set)
    faults: dict[int, str] = field(default_factory=dict)


def evaluate(
    expressions: Mapping[int, str], documents: Sequence[tuple[int, bytes]], limits: Limits = LIMITS
) -> Verdicts:
    """Evaluate each expression over each document, both by number; at least one document is looked at.

    Raises Unavailable when the process cannot be started or does not come to an end."""
    verdicts = Verdicts()
    left, give_up_at = list(documents), time.monotonic() + limits.wall_s
    while left:
        sound = {number: text for number, text in expressions.items() if number not in verdicts.faults}
        run = _Run(sound, left, limits)
        verdicts.matches |= run.verdicts.matches
        verdicts.unreadable |= run.verdicts.unreadable
        verdicts.faults |= run.verdicts.faults
        left = [document for document in left if document[0] not in verdicts.matches]
        if run.ended_well or (verdicts.matches and time.monotonic() > give_up_at):
            break
    return verdicts


class _Run:
    """One process: what it said, and what its end means."""

    def __init__(self, expressions: Mapping[int, str], documents: Sequence[tuple[int, bytes]], limits: Limits) -> None:
        self.verdicts = Verdicts()
        self._document: int | None = None
        self._expression: int | None = None
        self._found: set[int] = set()
        order = {"limits": vars(limits), "expressions": expressions}
        frames = [f"{number} {len(body)}\n".encode() + body for number, body in documents]
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-B", str(_PROGRAM)],
                input=b"".join([json.dumps(order).encode(), b"\n", *frames]),
                capture_output=True, timeout=limits.wall_s, check=False, env={"LC_ALL": "C.UTF-8"},
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unavailable(f"Definitions of tags cannot be evaluated: {error}") from error
        for line in done.stdout.decode("utf-8", "replace").splitlines():
            self._hear(line)
        self.ended_well = done.returncode == 0
        if not self.ended_well:
            self._died(done.returncode, done.stderr, limits)

    def _hear(self, line: str) -> None:
        word, _space, rest = line.partition(" ")
        if word == "D":
            self._document, self._expression, self._found = int(rest), None, set()
        elif word == "T":
            self._expression = int(rest)
        elif word == "Y" and self._expression is not None:
            self._found.add(self._expression)
        elif word == "F" and self._expression is not None:
            self.verdicts.faults[self._expression] = rest
        elif word == "U" and self._document is not None:
            self.verdicts.unreadable.add(self._document)
        elif word == "E" and self._document is not None:
            self.verdicts.matches[self._document] = self._found
            self._document = self._expression = None

    def _died(self, exit_status: int, errors: bytes, limits: Limits) -> None:
        """The last thing that was begun ended the process: an expression, or reading a document."""
        if exit_status in (-signal.SIGPROF, -signal.SIGXCPU):
            words = f"it took more than {limits.document_cpu_s:g} s of processor time on one machine"
        else:
            words = "the evaluation ended by itself; it asks for too much"
        if self._expression is not None:
            self.verdicts.faults[self._expression] = words
        elif self._document is not None:
            self.verdicts.unreadable.add(self._document)
            self.verdicts.matches[self._document] = set()
        else:
            _log.error("the process that evaluates definitions ended: %s", errors.decode("utf-8", "replace"))
            raise Unavailable(
                "Definitions of tags cannot be evaluated: the process for it ends at once; look at the region's "
                "journal (is python3-lxml installed?)"
            )
