# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether files and units of a host are as wanted: a look that changes nothing. For module host_files.

It needs nothing but Python's own library, as does ``host_file``: the controller sends both as text to ask a host in a
third of the time that a module takes, and runs the module only where something is to be done."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

from .host_file import FILE_SPEC, decide, ids

SELINUX = "/sys/fs/selinux/enforce"

# What runs a command of several words: its exit code, output and errors.
Run = Callable[[list[str]], tuple[int, str, str]]


def properties(text: str) -> list[dict[str, str]]:
    """Properties of each unit, as C(systemctl show) prints them: an empty line between two units."""
    return [dict(line.split("=", 1) for line in answer.splitlines()) for answer in text.strip().split("\n\n")]


def unit_states(run: Run, units: list[str]) -> dict[str, dict[str, str]]:
    """What systemd says of each unit, by one question, whose order the answer has. Raises ValueError with its words."""
    if not units:
        return {}
    code, out, err = run(["systemctl", "show", "--property=ActiveState,UnitFileState", "--", *units])
    answers = properties(out)
    if code != 0 or len(answers) != len(units):
        raise ValueError(f"systemd does not say in which states {', '.join(units)} are: {(err or out).strip()}")
    return dict(zip(units, answers, strict=True))


def prove(run: Run, proofs: list[str], units: dict[str, dict[str, str]], *, check_mode: bool) -> bool:
    """Whether all units run and all proofs succeed; none is no proof."""
    if not proofs or check_mode or any(state.get("ActiveState") != "active" for state in units.values()):
        return False
    return all(run(shlex.split(proof))[0] == 0 for proof in proofs)


def look(arguments: dict[str, Any], *, check_mode: bool) -> dict[str, Any] | None:
    """What the module would answer if it had nothing to do; None if it has, and where only it can tell.

    C(arguments) are those of the module, as a task has them. Raises whatever goes wrong with odd ones, which the module
    words better.
    """
    pending = arguments.get("pending")
    if os.path.exists(SELINUX) or (pending and os.path.exists(pending)):
        return None
    for given in arguments["files"]:
        entry = {name: given.get(name, option.get("default")) for name, option in FILE_SPEC.items()}
        if not os.path.isabs(entry["path"]) or decide(entry, check_mode=check_mode):
            return None
        if entry["state"] != "absent" and ids(entry) is None:
            return None
    units = unit_states(_run, arguments.get("units") or [])
    proven = prove(_run, arguments.get("proofs") or [], units, check_mode=check_mode)
    return {"changed": False, "changed_paths": [], "units": units, "proven": proven, "diff": []}


def settled(daemons: list[dict[str, Any]], *, check_mode: bool) -> dict[str, Any] | None:
    """States of all units of several daemons, if nothing is to be written and their proofs succeed; None if not.

    Each has C(files), C(pending), C(units) and C(proofs), as the module would get them. One without a proof is not
    settled, except in check mode, where none is run. Whether units should be in their states is the caller's to judge.
    """
    for daemon in daemons:
        if look({"files": daemon["files"], "pending": daemon["pending"]}, check_mode=check_mode) is None:
            return None
    units = unit_states(_run, [unit for daemon in daemons for unit in daemon["units"]])
    proofs = [daemon["proofs"] for daemon in daemons]
    if not check_mode and not all(each and all(_run(shlex.split(proof))[0] == 0 for proof in each) for each in proofs):
        return None
    return {"units": units}


def _run(words: list[str]) -> tuple[int, str, str]:
    nothing = subprocess.DEVNULL
    done = subprocess.run(words, capture_output=True, text=True, errors="replace", stdin=nothing, check=False)
    return done.returncode, done.stdout, done.stderr
