# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One file or directory of a host: what it is, what it should be, and how it becomes that. For module host_files."""

from __future__ import annotations

import base64
import contextlib
import grp
import os
import pwd
import stat
from dataclasses import dataclass
from typing import Any

BEGIN = "# BEGIN rackyard.metal\n"
END = "# END rackyard.metal\n"

FILE_SPEC: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "state": {"type": "str", "choices": ["file", "directory", "absent"], "default": "file"},
    "template": {"type": "str"},
    "content": {"type": "str"},
    "copy_of": {"type": "path"},
    "random": {"type": "str", "choices": ["base64", "base64url"]},
    "vars": {"type": "dict"},
    "force": {"type": "bool", "default": True},
    "block": {"type": "bool", "default": False},
    "backup": {"type": "bool", "default": False},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "mode": {"type": "str"},
    "validate": {"type": "str"},
    "after": {"type": "str"},
}

RANDOM_BYTES = 32

Diff = dict[str, str]


@dataclass(frozen=True)
class Change:
    """What is to be done about one entry. C(content) is that of a file to be written."""

    make: bool
    remove: bool
    content: bytes
    diffs: tuple[Diff, ...]
    attributes: bool

    def __bool__(self) -> bool:
        """Whether anything is to be done."""
        return self.make or self.remove or self.attributes


def read(path: str) -> bytes | None:
    """Content of a file, None when there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def ids(entry: dict[str, Any]) -> tuple[int, int] | None:
    """Numbers of the owner and the group, None when one of them is unknown here."""
    try:
        return pwd.getpwnam(entry["owner"]).pw_uid, grp.getgrnam(entry["group"]).gr_gid
    except KeyError:
        return None


def mode_of(entry: dict[str, Any]) -> str:
    """The wanted permissions."""
    return entry["mode"] or ("0755" if entry["state"] == "directory" else "0644")


def decide(entry: dict[str, Any], *, check_mode: bool) -> Change:
    """Compare one entry with the host. Raises ValueError when something else is in the way, or a source is missing."""
    path, state = entry["path"], entry["state"]
    if state == "absent":
        return _removal(path)
    if os.path.lexists(path) and not (os.path.isdir(path) if state == "directory" else os.path.isfile(path)):
        raise ValueError(f"{path} is not a {state}; move it away")
    if state == "directory":
        if os.path.isdir(path):
            return _attributes(entry)
        return Change(True, False, b"", (_diff(path, "absent\n", "directory\n"),), False)
    present = read(path)
    wanted = _wanted(entry, present, check_mode=check_mode)
    if present is not None and (not entry["force"] or entry["random"] or present == wanted):
        return _attributes(entry)
    # Content that is made or copied on the host is so because it is a secret.
    secret = entry["copy_of"] or entry["random"]
    diff = _veiled(path, present) if secret else _diff(path, _shown(present), _shown(wanted))
    return Change(True, False, wanted, (diff,), False)


def _removal(path: str) -> Change:
    if os.path.isdir(path) and not os.path.islink(path):
        raise ValueError(f"{path} is a directory, and only files are removed; take it away by hand")
    if not os.path.lexists(path):
        return Change(False, False, b"", (), False)
    target = f"link to {os.readlink(path)}\n" if os.path.islink(path) else _shown(read(path))
    return Change(False, True, b"", (_diff(path, target, ""),), False)


def _attributes(entry: dict[str, Any]) -> Change:
    """Owner, group and permissions against what is wanted."""
    status = os.stat(entry["path"])
    before = [
        _name(pwd.getpwuid, status.st_uid),
        _name(grp.getgrgid, status.st_gid),
        f"{stat.S_IMODE(status.st_mode):04o}",
    ]
    after = [entry["owner"], entry["group"], f"{int(mode_of(entry), 8):04o}"]
    if before == after:
        return Change(False, False, b"", (), False)
    words = [
        "".join(f"{what}: {value}\n" for what, value in zip(("owner", "group", "mode"), values, strict=True))
        for values in (before, after)
    ]
    return Change(False, False, b"", (_diff(entry["path"], *words),), True)


def _name(lookup: Any, number: int) -> str:
    """Name of a user or a group, its number when it has none."""
    with contextlib.suppress(KeyError):
        return str(lookup(number)[0])
    return str(number)


def _wanted(entry: dict[str, Any], present: bytes | None, *, check_mode: bool) -> bytes:
    if entry["copy_of"]:
        content = read(entry["copy_of"])
        if content is None and not check_mode:
            raise ValueError(f"there is no {entry['copy_of']} on this host to copy; make it first")
        return content or b""
    text = entry["content"] or ""
    if entry["random"]:
        text = text.replace("%s", _random(entry["random"]))
    return (with_the_rest(present or b"", text) if entry["block"] else text).encode()


def _random(notation: str) -> str:
    """A new key: C(RANDOM_BYTES) in base64, in the standard alphabet or in that for URLs (RFC 4648)."""
    encode = base64.urlsafe_b64encode if notation == "base64url" else base64.b64encode
    return encode(os.urandom(RANDOM_BYTES)).decode()


def with_the_rest(present: bytes, block: str) -> str:
    """The block between its marks, then what else the file has. Raises ValueError when an end mark is missing."""
    before, begin, after = present.decode("utf-8").partition(BEGIN)
    _old, end, rest = after.partition(END)
    if begin and not end:
        raise ValueError(f"it has the line {BEGIN.strip()!r} without {END.strip()!r}; put it back")
    body = block if block.endswith("\n") else f"{block}\n"
    return f"{BEGIN}{body}{END}{before}{rest}"


def without_block(present: bytes) -> bytes:
    """What a file has besides the block between its marks. Raises ValueError when an end mark is missing."""
    before, begin, after = present.partition(BEGIN.encode())
    _old, end, rest = after.partition(END.encode())
    if begin and not end:
        raise ValueError(f"it has the line {BEGIN.strip()!r} without {END.strip()!r}; put it back")
    return before + rest


def _diff(path: str, before: str, after: str) -> Diff:
    return {"before_header": path, "after_header": path, "before": before, "after": after}


def _veiled(path: str, present: bytes | None) -> Diff:
    """That content changes, and not what it is."""
    return _diff(path, "absent\n" if present is None else "other content\n", "secret content\n")


def _shown(content: bytes | None) -> str:
    return (content or b"").decode("utf-8", errors="replace")
