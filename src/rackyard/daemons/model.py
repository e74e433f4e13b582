# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine needs to know about a daemon."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HEADER = "This file is managed by the Rackyard service. Changes made here are lost."

Section = Mapping[str, Any]


class Refused(Exception):
    """A value of the desired state is not safe to write into a configuration; the message names it."""


class Untold(Exception):
    """A running daemon could not be told something; the message says why and what to do."""


# A section, and whether to look only -> what changes, for people; empty when nothing does. Raises Refused and Untold.
Live = Callable[[Section, bool], str]


@dataclass(frozen=True)
class Daemon:
    """One daemon with one service-owned file.

    ``render`` is pure and raises Refused. ``check`` writes what the daemon's own checker needs beside the candidate and
    returns its command line, or None when there is nothing to judge. ``verb`` is systemctl's. ``live`` brings about
    what a running daemon is told besides its file.
    """

    name: str
    unit: str
    path: str
    render: Callable[[Section], bytes]
    check: Callable[[Path, Path], list[str]]
    verb: str = "reload-or-restart"
    empty_means_stopped: bool = False
    live: Live | None = None

    def should_run(self, content: bytes) -> bool:
        """False only for a daemon that must be stopped when it has nothing to serve."""
        return not (self.empty_means_stopped and not content)


def comment(lines: list[str], sign: str = "#") -> bytes:
    """Lines under the managed header, as bytes."""
    return ("\n".join([f"{sign} {HEADER}", *lines]) + "\n").encode("ascii")
