# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image that is uploaded: what it should be, the plan that makes it so, and sending it, even if that breaks off."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from . import filetypes
from .client import API_PATH, RegionClient, RegionRefused, RegionUnreachable
from .patience import Patience
from .plan import Action, Plan

PATH = "boot-resources/"
CHUNK_BYTES = 4 * 1024 * 1024
# A region that dies is looked for so often at the same place of a file.
_TRIES = 5


class BadImage(ValueError):
    """The wish cannot be fulfilled; the message names the image and the remedy."""


@dataclass(frozen=True)
class LocalFile:
    """A file that can be uploaded."""

    path: Path
    filetype: str
    sha256: str
    size_bytes: int

    @classmethod
    def read(cls, path: str, filetype: str | None) -> LocalFile:
        """Raises BadImage for one that cannot be read, is empty, or does not say of which type it is."""
        try:
            with Path(path).open("rb") as stream:
                digest = hashlib.sha256()
                while part := stream.read(CHUNK_BYTES):
                    digest.update(part)
                size_bytes = stream.tell()
        except OSError as reason:
            raise BadImage(f"path: {path} cannot be read: {reason.strerror}") from reason
        if not size_bytes:
            raise BadImage(f"path: {path} is empty; build the image again")
        known = filetype or filetypes.of_name(path)
        if known is None:
            types = ", ".join(filetypes.FILES)
            raise BadImage(f"filetype: the name of {path} does not say of which type it is; give one of {types}")
        return cls(Path(path), known, digest.hexdigest(), size_bytes)


@dataclass(frozen=True)
class Wish:
    """Which image is meant. A title of None is left as it is."""

    name: str
    architecture: str
    title: str | None

    @classmethod
    def of(cls, name: str, architecture: str, title: str | None) -> Wish:
        """With name and architecture as the region writes them."""
        full = name if "/" in name else f"custom/{name}"
        return cls(full, architecture if "/" in architecture else f"{architecture}/generic", title)

    def __str__(self) -> str:
        return f"image {self.name} ({self.architecture})"


def find(client: RegionClient, wish: Wish) -> dict[str, Any]:
    """The region's object with its sets, empty when there is none."""
    for row in client.get(PATH):
        if (row["name"], row["architecture"]) == (wish.name, wish.architecture):
            return dict(client.get(f"{PATH}{row['id']}/"))
    return {}


def view_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """An image in the module's words: its newest complete file, and whether there is any. Empty for an empty row."""
    if not row:
        return {}
    complete = [_file_of(row, version) for version in sorted(row["sets"]) if row["sets"][version]["complete"]]
    newest = complete[-1] if complete else {"filetype": "", "sha256": "", "size": 0}
    return {
        "id": row["id"],
        "name": row["name"],
        "architecture": row["architecture"],
        "title": row["title"],
        "complete": bool(complete),
        **{name: newest[name] for name in ("filetype", "sha256", "size")},
    }


def plan_for(view: Mapping[str, Any], wish: Wish, file: LocalFile | None) -> Plan:
    """Upload or correct; remove when there shall be no file."""
    if file is None:
        return Plan(view, {}, (Action("delete", str(wish)),) if view else ())
    wanted = {
        "name": wish.name,
        "architecture": wish.architecture,
        "title": view.get("title", "") if wish.title is None else wish.title,
        "complete": True,
        "filetype": filetypes.FILES[file.filetype],
        "sha256": file.sha256,
        "size": file.size_bytes,
    }
    if all(view.get(name) == value for name, value in wanted.items()):
        return Plan(view, view)
    same_file = all(view.get(name) == wanted[name] for name in ("complete", "filetype", "sha256"))
    return Plan(view, {**view, **wanted}, (Action("update" if same_file else "upload", str(wish)),))


class Sender:
    """Sends a file until the region has it: goes on where an earlier run or a region that died has stopped."""

    def __init__(
        self,
        client: RegionClient,
        wish: Wish,
        file: LocalFile,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._wish = wish
        self._file = file
        self._patience = patience
        self._clock = clock
        self._trouble: Exception | None = None
        self.sent_bytes = 0
        self.words = ""

    def send(self, row: Mapping[str, Any]) -> None:
        """Have the region know the file by the wish's name. ``row`` is what it has now, and may be empty.

        Raises RegionRefused in the region's words, RegionUnreachable when it stays away, BadImage when it has not said
        that the file is whole, or another upload has taken the place of this one."""
        file, began = self._file, self._clock()
        begun = _unfinished(row, file) if self._wish.title in (None, row.get("title")) else None
        if begun is None:
            made = self._client.post(PATH, **self._announcement())
            begun = _file_of(made, max(made["sets"]))
        if begun["complete"]:
            self.words = "the region had the content already"
            return
        there = int(begun["received"])
        self._send_file(_api_path(begun["upload_uri"]), there)
        seconds = max(self._clock() - began, 0.001)
        self.words = (
            f"sent {_mib(self.sent_bytes)} of {_mib(file.size_bytes)} MiB in {seconds:.1f} s "
            f"({self.sent_bytes / 2**20 / seconds:.1f} MiB/s)"
            + (f"; {_mib(there)} MiB were there from an earlier run" if there else "")
        )

    def _announcement(self) -> dict[str, Any]:
        file = self._file
        named = {"name": self._wish.name, "architecture": self._wish.architecture}
        title = {} if self._wish.title is None else {"title": self._wish.title}
        return {**named, **title, "filetype": file.filetype, "sha256": file.sha256, "size": file.size_bytes}

    def _send_file(self, path: str, start: int) -> None:
        tries, furthest = 0, start
        with self._file.path.open("rb") as stream:
            while not self._put_from(stream, path, start):
                next_start = self._where_to_go_on(path)
                if next_start is None:
                    return
                tries = 0 if next_start > furthest else tries + 1
                start, furthest = next_start, max(furthest, next_start)
                if tries > _TRIES:
                    raise self._trouble or BadImage(f"{self._wish}: the region takes nothing more")

    def _put_from(self, stream: BinaryIO, path: str, start: int) -> bool:
        """Send from there on; whether the region says that the file is whole. If not, `_trouble` is why, or None when
        all was sent."""
        self._trouble = None
        try:
            while start < self._file.size_bytes:
                stream.seek(start)
                part = stream.read(CHUNK_BYTES)
                if not part:
                    raise BadImage(f"path: {self._file.path} has become shorter while it was sent")
                said = self._client.put_bytes(path, part, start, self._file.size_bytes)
                start += len(part)
                self.sent_bytes += len(part)
                if said["complete"]:
                    return True
        except RegionUnreachable as reason:
            self._trouble = reason  # this region died, or its database is away: another one may go on
        except RegionRefused as reason:
            if reason.status != 409:
                raise
            self._trouble = reason  # an answer was lost, or somebody sends the same
        return False

    def _where_to_go_on(self, path: str) -> int | None:
        """Ask until a region says how much it has, or that the file is whole (None)."""
        for _look in self._patience.looks():
            try:
                said = self._state(path)
            except RegionUnreachable as reason:
                self._trouble = reason
                continue
            if said["complete"]:
                return None
            if said["refusal"]:
                raise BadImage(f"{self._wish}: {said['refusal']} Has the file changed meanwhile?")
            if said["received"] < self._file.size_bytes:
                return int(said["received"])
            self._trouble = None
        raise self._trouble or BadImage(
            f"{self._wish}: all was sent, and no region has put it together within {self._patience.timeout_s:g} s; "
            "see `journalctl -u rackyard-region-worker` on the regions"
        )

    def _state(self, path: str) -> dict[str, Any]:
        """What the region has of this upload. Raises BadImage when it knows it no more."""
        row = self._client.get(path.partition("upload/")[0])
        for version in row["sets"]:
            found = _file_of(row, version)
            if _api_path(found.get("upload_uri", "")) == path or (
                found["complete"] and found["sha256"] == self._file.sha256
            ):
                return found
        raise BadImage(
            f"{self._wish}: another upload of it has taken the place of this one; let only one program send it"
        )


def _unfinished(row: Mapping[str, Any], file: LocalFile) -> dict[str, Any] | None:
    """An upload of the same file that has stopped on the way."""
    same = {"sha256": file.sha256, "size": file.size_bytes, "filetype": filetypes.FILES[file.filetype], "refusal": ""}
    found = [_file_of(row, version) for version in sorted(row.get("sets", {}), reverse=True)]
    return next((one for one in found if all(one.get(name) == value for name, value in same.items())), None)


def _file_of(row: Mapping[str, Any], version: str) -> dict[str, Any]:
    """The one file of a set."""
    return dict(next(iter(row["sets"][version]["files"].values())))


def _api_path(uri: str) -> str:
    """Relative to the API: the region does not know what its address is from here."""
    return urlsplit(uri).path.partition(API_PATH)[2]


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.1f}"
