# SPDX-License-Identifier: GPL-3.0-or-later
"""Render, check, swap, apply, verify, report: one daemon after the other, none stops another.

A file that the daemon's own checker refuses never replaces a good one. A file that the checker likes and the daemon
does not is taken back. Nothing is written and nothing reloaded when the content is equal and the daemon runs.
"""

from __future__ import annotations

import difflib
import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rackyard.daemons import files, tftp
from rackyard.daemons.model import Daemon, Refused, Section, Untold
from rackyard.daemons.registry import DAEMONS
from rackyard.daemons.supervisor import Supervisor

_CHECK_TIMEOUT_S = 30
_REFUSES = " refuses the new configuration: "
_WORDS_LIMIT = 2000
_WORDS_LINES = 6
_REPORT_LIMIT = 4000
_TELLING = re.compile(r"\b(?:error|fatal|emerg|invalid|unknown|cannot|failed)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Outcome:
    """What became of one daemon. ``message`` is empty when all is well; ``diff`` is unified, for people."""

    ok: bool
    changed: bool = False
    message: str = ""
    diff: str = ""

    def report(self) -> dict[str, Any]:
        """What the region is told; it takes no longer message."""
        return {"ok": self.ok, "changed": self.changed, "message": self.message[:_REPORT_LIMIT]}


def apply(
    desired: Section,
    root: Path,
    supervisor: Supervisor,
    *,
    fetch: tftp.Fetch | None = None,
    check_only: bool = False,
    daemons: Iterable[Daemon] = DAEMONS,
) -> dict[str, Outcome]:
    """Bring the daemons to the desired state; sections that are absent are left alone.

    ``fetch`` gets boot loaders from a region. With ``check_only`` the checkers run and nothing is changed.
    """
    outcomes: dict[str, Outcome] = {}
    if "tftp" in desired:
        outcomes["tftp"] = _apply_tftp(desired, root, fetch, check_only)
    for daemon in daemons:
        if daemon.name in desired:
            outcomes[daemon.name] = _apply_one(daemon, desired[daemon.name], root, supervisor, check_only)
    return outcomes


def judge(daemon: Daemon, section: Section, root: Path) -> tuple[str, bytes]:
    """What the daemon's checker says to a section, empty when it is content, and what was judged. Nothing is changed.

    Raises Refused; OSError when the file cannot be written beside the daemon's own."""
    content = daemon.render(section)
    return _check(daemon, content, root / daemon.path).removeprefix(f"{daemon.unit}{_REFUSES}"), content


def _apply_one(daemon: Daemon, section: Any, root: Path, supervisor: Supervisor, check_only: bool) -> Outcome:
    if not isinstance(section, dict):
        return Outcome(False, message=f"the desired state of {daemon.name} is not an object; update the region")
    try:
        content = daemon.render(section)
    except Refused as refusal:
        return Outcome(False, message=f"{refusal}. The previous configuration keeps serving")
    outcome = _apply_file(daemon, content, root, supervisor, check_only)
    if daemon.live is None or not outcome.ok or not daemon.should_run(content):
        return outcome
    try:
        told = daemon.live(section, check_only)
    except (Refused, Untold) as reason:
        return replace(outcome, ok=False, message=str(reason))
    return replace(outcome, changed=outcome.changed or bool(told), diff=outcome.diff + told)


def _apply_file(daemon: Daemon, content: bytes, root: Path, supervisor: Supervisor, check_only: bool) -> Outcome:
    target = root / daemon.path
    try:
        # Kept from before the swap until the daemon runs on the new file: it also tells of an apply that was cut off.
        previous = files.read(_previous(target))
        current = files.read(target) or b""
        before = current if previous is None else previous
        if content == current and previous is None:
            return _keep_running(daemon, content, supervisor, check_only)
        diff = _diff(before, content, daemon.path)
        words = _check(daemon, content, target)
        if words:
            return Outcome(False, message=f"{words}. The previous configuration keeps serving", diff=diff)
        if check_only:
            return Outcome(True, changed=True, diff=diff)
        files.replace(_previous(target), before)
        files.replace(target, content)
        return _go_live(daemon, before, content, target, supervisor, diff)
    except OSError as reason:
        return Outcome(False, message=f"{target}: {reason.strerror or reason}; it must belong to the user rackyard")


def _keep_running(daemon: Daemon, content: bytes, supervisor: Supervisor, check_only: bool) -> Outcome:
    """Equal content: only a daemon that should run and does not is touched."""
    if not daemon.should_run(content) or supervisor.is_active(daemon.unit):
        return Outcome(True)
    if check_only:
        return Outcome(True, changed=True, message=f"{daemon.unit} does not run and would be started")
    trouble = supervisor.act("start", daemon.unit)
    if trouble or not supervisor.stays_active(daemon.unit):
        return Outcome(False, message=_not_running(daemon, trouble))
    return Outcome(True, changed=True, message=f"{daemon.unit} did not run and was started")


def _go_live(daemon: Daemon, before: bytes, content: bytes, target: Path, supervisor: Supervisor, diff: str) -> Outcome:
    trouble = _load(daemon, content, supervisor)
    if not trouble:
        _previous(target).unlink(missing_ok=True)
        return Outcome(True, changed=True, diff=diff)
    files.replace(target, before)
    _previous(target).unlink(missing_ok=True)
    again = _load(daemon, before, supervisor)
    ending = f"taking it back failed too: {again}" if again else "the previous configuration was put back and serves"
    return Outcome(False, message=f"{trouble}; {ending}", diff=diff)


def _previous(target: Path) -> Path:
    return target.with_name(f"{target.name}.previous")


def _load(daemon: Daemon, content: bytes, supervisor: Supervisor) -> str:
    """Make the daemon use its file; empty text when it runs with it."""
    if not daemon.should_run(content):
        return supervisor.act("stop", daemon.unit)
    trouble = supervisor.act(daemon.verb, daemon.unit)
    if trouble or not supervisor.stays_active(daemon.unit):
        return _not_running(daemon, trouble)
    return ""


def _not_running(daemon: Daemon, trouble: str) -> str:
    reason = f" ({trouble})" if trouble else ""
    return f"{daemon.unit} does not run{reason}; look at `journalctl -u {daemon.unit}`"


def _check(daemon: Daemon, content: bytes, target: Path) -> str:
    """The checker's words, empty when it is content. It works beside the target, where AppArmor lets it read."""
    if not content:
        return ""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="check-") as name:
        workdir = Path(name)
        candidate = workdir / target.name
        candidate.write_bytes(content)
        try:
            done = subprocess.run(
                daemon.check(candidate, workdir),
                capture_output=True,
                timeout=_CHECK_TIMEOUT_S,
                cwd=workdir,
                stdin=subprocess.DEVNULL,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the checker of {daemon.unit} did not end within {_CHECK_TIMEOUT_S} s"
        if done.returncode == 0:
            return ""
        words = (done.stderr + done.stdout).decode("utf-8", "replace").replace(str(candidate), str(target))
        reason = _gist(words.replace(f"{workdir}/", ""), target)
        return f"{daemon.unit}{_REFUSES}{reason or 'no reason given'}"


def _gist(words: str, target: Path) -> str:
    """The lines of a checker that say what is wrong and where, without its banners."""
    lines = [line.strip() for line in words.splitlines() if line.strip()]
    telling = [line for line in lines if str(target) in line or _TELLING.search(line)]
    return "; ".join((telling or lines)[:_WORDS_LINES])[:_WORDS_LIMIT]


def _apply_tftp(desired: Section, root: Path, fetch: tftp.Fetch | None, check_only: bool) -> Outcome:
    try:
        before = files.read(root / tftp.STUB_PATH)
        changed = tftp.apply(desired, root, fetch, check_only)
    except (Refused, tftp.LoaderError) as refusal:
        return Outcome(False, message=str(refusal))
    except OSError as reason:
        return Outcome(False, message=f"{root}/tftp: {reason.strerror or reason}; it must belong to the user rackyard")
    diff = _diff(before or b"", tftp.stub(desired), tftp.STUB_PATH)
    return Outcome(True, changed=bool(changed), diff=diff + "".join(f"loader {name}\n" for name in changed))


def _diff(before: bytes, after: bytes, path: str) -> str:
    old, new = (text.decode("utf-8", "replace").splitlines(keepends=True) for text in (before, after))
    return "".join(difflib.unified_diff(old, new, f"{path} (before)", f"{path} (after)"))
