# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's event log as somebody follows it: which events, from which of several regions, and how far they got."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from .client import RegionClient, RegionError, RegionRefused, RegionUnauthorized, RegionUnreachable

# Events asked for at once.
PAGE = 100
# Until another look at an event beside which something is still being written.
_UNSETTLED_S = 0.5
# What the region filters by; a list means any of its values.
_OF_REGION = ("level", "id", "hostname", "mac_address", "owner")
_TOO_MANY = 429
# Where Jinja would see an expression, a statement or a comment.
_TEMPLATE = re.compile(r"\{(?=[{%#])")

Event = dict[str, Any]


@dataclass(frozen=True)
class Wanted:
    """Which events: `parameters` as the API has them, and of these only the `types`, if there are any."""

    parameters: Mapping[str, Any]
    types: frozenset[str]

    @classmethod
    def parse(cls, filters: Any) -> Wanted:
        """From ``filters`` as an operator writes them. Raises RegionError that names the wrong one."""
        if not isinstance(filters, Mapping):
            raise RegionError("filters has to be names with values, such as {level: WARNING}")
        unknown = sorted(set(map(str, filters)) - {*_OF_REGION, "type"})
        if unknown:
            raise RegionError(f"filters has no {', '.join(unknown)}; there are {', '.join(_OF_REGION)} and type")
        given = {name: _texts(name, value) for name, value in filters.items() if value is not None}
        if len(given.get("level", [""])) != 1:
            raise RegionError("filters: level is one level; events of it and of all that are graver come")
        return cls({name: given[name] for name in _OF_REGION if name in given}, frozenset(given.get("type", ())))

    def has(self, event: Event) -> bool:
        """Whether an event that the region gave is of a type that is wanted."""
        return not self.types or event["type"] in self.types


class EventFeed:
    """Reads the event log of a site from whichever of its regions answers, beginning with the one that did last."""

    def __init__(self, regions: Sequence[RegionClient], wanted: Wanted) -> None:
        self.wanted = wanted
        self._regions = deque(regions)

    def following(self, after: int) -> tuple[list[Event], int]:
        """The next events after an id, oldest first, at most PAGE, and the id to go on after: nothing is left out then.

        Raises RegionUnreachable when no region answers, other RegionErrors when asking again would not help."""
        answer = self._read(after=after, limit=PAGE)
        return answer["events"][::-1], int(dict(parse_qsl(urlsplit(answer["next_uri"]).query))["after"])

    def now(self) -> int:
        """The id after which everything is still to come, as soon as nobody writes what has a smaller one."""
        while newest := self._read(limit=1)["events"]:
            number = int(newest[0]["id"])
            if self._read(after=number - 1, limit=1)["events"]:
                return number
            time.sleep(_UNSETTLED_S)
        return 0

    def _read(self, **page: int) -> dict[str, Any]:
        reasons = []
        for region in tuple(self._regions):
            try:
                answer: dict[str, Any] = region.get("events/", "query", **self.wanted.parameters, **page)
            except RegionError as reason:
                if isinstance(reason, (RegionRefused, RegionUnauthorized)) and reason.status != _TOO_MANY:
                    raise
                reasons.append(str(reason))
                self._regions.rotate(-1)
            else:
                return answer
        raise RegionUnreachable("; ".join(reasons))


class Bookmark:
    """A file with the id of the last event that somebody has, replaced as a whole: no crash leaves half of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> int | None:
        """The id, None when nothing was ever noted. Raises RegionError that names the file."""
        try:
            return int(json.loads(self._path.read_text(encoding="utf-8"))["after"])
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as reason:
            raise RegionError(
                f'state_file {self._path} cannot be understood ({reason}); correct it, it is like {{"after": 4711}} '
                "with the id of the last event that was handled, or remove it to begin with what `start` says"
            ) from reason

    def write(self, event_id: int) -> None:
        """Note an id. Raises RegionError that names the file."""
        try:
            handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    json.dump({"after": event_id}, file)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(name, self._path)
            except OSError:
                os.unlink(name)
                raise
        except OSError as reason:
            raise RegionError(
                f"state_file {self._path} cannot be written ({reason}); its folder has to exist and to be writable"
            ) from reason


def for_rules(event: Event) -> Event:
    """An event with the names that rules match: ``machine`` or ``rack`` is there when it happened to one.

    Some of its words are a machine's own, and what rules hand on to a playbook is a template there: none begins."""
    told = {name: _TEMPLATE.sub("{ ", event[name] or "") for name in ("type", "level", "description", "username")}
    told.update(id=event["id"], created=event["created_at"])
    kind = {"Machine": "machine", "Rack controller": "rack"}.get(event["node_type_name"])
    return told if kind is None else {**told, kind: {"hostname": event["hostname"], "system_id": event["node"]}}


def _texts(name: str, value: Any) -> list[str]:
    values = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(one, (str, int)) for one in values):
        raise RegionError(f"filters: {name} is a text or a list of texts")
    return [str(one) for one in values]
