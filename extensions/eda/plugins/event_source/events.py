# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of a site, for the rules of ansible-rulebook."""

from __future__ import annotations

DOCUMENTATION = r"""
---
short_description: Events of a Rackyard site
description:
  - Follows the event log of a region and gives each event to the rules, in the log's order and at least once.
  - Regions that do not answer are asked again after pauses that grow, with one warning.
  - An event has the fields C(id), C(type), C(level), C(description), C(created) (ISO 8601), C(username), and C(machine) or C(rack), each with
    C(hostname) and C(system_id), when it happened to one.
options:
  region_url:
    description:
      - Address of the region, with the C(/MAAS) at its end, or a list of the addresses of several regions of one site.
      - Taken from the environment variable E(RACKYARD_URL) when not given, where commas separate addresses.
    type: raw
    required: true
  api_key:
    description: API key in its text form C(consumer:token:secret); taken from E(RACKYARD_API_KEY) when not given.
    type: str
    required: true
  ca_path:
    description: PEM file of a CA to trust besides the system's; taken from E(RACKYARD_CA_PATH) when not given.
    type: path
  validate_certs:
    description: Whether the certificate of an C(https) region must be valid.
    type: bool
    default: true
  proxy:
    description:
      - Address of the HTTP proxy to reach the regions through; an empty text means none.
      - Without this option E(http_proxy), E(https_proxy) and E(no_proxy) of the environment apply.
    type: str
  filters:
    description:
      - Which events. C(level) is the least grave level (C(INFO) unless given), or C(AUDIT) for what people did and nothing else; C(id) (system_id),
        C(hostname), C(mac_address), C(owner) and C(type) are a value or a list of values.
    type: dict
    default: {}
  state_file:
    description:
      - File on this host with the id of the last event that the rules have. With it a restart goes on where the run before ended.
      - Each source needs a file of its own.
    type: path
  start:
    description: Where to begin when there is no O(state_file) yet, at what happens from now on or at the oldest event that the region keeps.
    type: str
    choices: [now, beginning]
    default: now
  interval_s:
    description: Seconds between two questions, when there was nothing more.
    type: float
    default: 2.0
  request_timeout_s:
    description: Seconds that a region may take for one answer.
    type: float
    default: 20.0
  feedback:
    description:
      - Whether an event counts as handled only when the rule engine has it. ansible-rulebook has to run with persistence for this, and the
        source needs a name of its own.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: site
  hosts: localhost
  sources:
    - name: region
      rackyard.metal.events:
        region_url: [https://region1.example.org:5443/MAAS, https://region2.example.org:5443/MAAS]
        api_key: "{{ rackyard_api_key }}"
        ca_path: /etc/rackyard/ca.crt
        filters:
          level: WARNING
        state_file: /var/lib/eda/rackyard.json
  rules:
    - name: Something is wrong with a machine
      condition: event.machine is defined
      action:
        debug:
          msg: "{{ event.machine.hostname }}: {{ event.description }}"
"""

import asyncio
import logging
import os
import random
import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# ansible-rulebook runs this file by its path and knows nothing of collections' libraries.
LIBRARY = str(Path(__file__).resolve().parents[4] / "plugins" / "module_utils")
if LIBRARY not in sys.path:
    sys.path.append(LIBRARY)

from rackyard_core.client import RegionClient, RegionError, RegionUnreachable
from rackyard_core.event_feed import PAGE, Bookmark, EventFeed, Wanted, for_rules
from rackyard_core.region_options import ENVIRONMENT
from rackyard_core.wire import urllib_transport

LONGEST_PAUSE_S = 60.0
DEFAULTS: Mapping[str, Any] = {
    "region_url": None,
    "api_key": None,
    "ca_path": None,
    "validate_certs": True,
    "proxy": None,
    "filters": {},
    "state_file": None,
    "start": "now",
    "interval_s": 2.0,
    "request_timeout_s": 20.0,
    "feedback": False,
}
log = logging.getLogger("rackyard.metal.events")


async def main(queue: asyncio.Queue, args: dict[str, Any]) -> None:
    """Put events until cancelled. Raises RegionError when an option is wrong or the region refuses to answer."""
    options = _options(args)
    feed = EventFeed(_regions(options), Wanted.parse(options["filters"] or {}))
    bookmark = Bookmark(Path(options["state_file"])) if options["state_file"] else None
    interval_s, outage = _number(options, "interval_s"), Outage()
    after = await _begin(feed, bookmark, options["start"], outage)
    delivery = Delivery(queue, args.get("eda_feedback_queue"), bookmark, after)
    while True:
        events, after = await outage.outlast(feed.following, after)
        for event in events:
            await delivery.put(event["id"], for_rules(event) if feed.wanted.has(event) else None)
        await delivery.put(after, None)
        delivery.note()
        if len(events) < PAGE:
            await asyncio.sleep(interval_s)
            delivery.note()


async def _begin(feed: EventFeed, bookmark: Bookmark | None, start: str, outage: Outage) -> int:
    """The id after which to go on, noted at once so that a restart leaves nothing out from here."""
    known = bookmark.read() if bookmark else None
    if known is not None:
        return known
    after = await outage.outlast(feed.now) if start == "now" else 0
    if bookmark:
        bookmark.write(after)
    return after


@dataclass
class Outage:
    """No region answers: said once, and again only when one does."""

    pause_s: float = 0.0

    async def outlast(self, read: Callable[..., Any], *args: Any) -> Any:
        """What `read` gives, as soon as a region answers; other errors are the caller's."""
        while True:
            try:
                found = await asyncio.to_thread(read, *args)
            except RegionUnreachable as reason:
                if not self.pause_s:
                    log.warning("No events until a region answers again: %s", " ".join(str(reason).split()))
                self.pause_s = min(LONGEST_PAUSE_S, self.pause_s * 2 or 1.0)
                # Not all that follow a region shall be back in the same moment.
                await asyncio.sleep(self.pause_s * random.uniform(0.5, 1.0))
            else:
                if self.pause_s:
                    log.warning("A region answers again; nothing was left out.")
                self.pause_s = 0.0
                return found


class Delivery:
    """Gives events to the rules and notes how far those have got: what only lies in their queue would be lost with it."""

    def __init__(
        self, queue: asyncio.Queue, feedback: asyncio.Queue | None, bookmark: Bookmark | None, after: int
    ) -> None:
        self._queue = queue
        self._feedback = feedback
        self._bookmark = bookmark
        self._noted = self._taken = after
        self._given: deque[int] = deque()

    async def put(self, event_id: int, event: dict[str, Any] | None) -> None:
        """Give an event, None when the rules do not want the one with this id."""
        if event is None:
            if self._given:
                self._given[-1] = event_id  # done with when the one before it is
            else:
                self._taken = event_id
            return
        await self._queue.put(event)
        self._given.append(event_id)
        if self._feedback is not None:
            await self._feedback.get()
        await asyncio.sleep(0)  # for whoever waits at the queue
        self.note()

    def note(self) -> None:
        """Note what was taken. First in, first out: of ours no more is in the queue than it has."""
        # ansible-rulebook gives its queue with filters around it.
        waiting = 0 if self._feedback is not None else getattr(self._queue, "queue", self._queue).qsize()
        while len(self._given) > waiting:
            self._taken = self._given.popleft()
        if self._bookmark and self._taken != self._noted:
            self._bookmark.write(self._taken)
            self._noted = self._taken


def _options(args: Mapping[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(args) - set(DEFAULTS) - {"eda_feedback_queue"})
    if unknown:
        raise RegionError(f"rackyard.metal.events has no option {', '.join(unknown)}; there are {', '.join(DEFAULTS)}")
    given = {name: value for name, value in args.items() if value is not None}
    environment = {name: os.environ[variable] for name, variable in ENVIRONMENT.items() if os.environ.get(variable)}
    options = {**DEFAULTS, **environment, **given}
    for name in ("region_url", "api_key"):
        if not options[name]:
            raise RegionError(f"{name} is missing; give it to the source, or as {ENVIRONMENT[name]} in the environment")
    if options["start"] not in ("now", "beginning"):
        raise RegionError(f"start is now or beginning, not {options['start']}")
    return options


def _regions(options: Mapping[str, Any]) -> list[RegionClient]:
    urls = options["region_url"]
    if isinstance(urls, str):
        urls = urls.split(",")
    # A template gives a text.
    validate = str(options["validate_certs"]).lower() not in ("false", "no", "0")
    timeout_s = _number(options, "request_timeout_s")
    try:
        transport = urllib_transport(validate, options["ca_path"], options["proxy"])
    except OSError as reason:
        raise RegionError(f"ca_path '{options['ca_path']}' is no readable PEM file: {reason}") from reason
    return [RegionClient(url.strip(), options["api_key"], timeout_s, transport) for url in urls]


def _number(options: Mapping[str, Any], name: str) -> float:
    try:
        number = float(options[name])
    except (TypeError, ValueError):
        number = 0.0
    if not 0 < number < float("inf"):
        raise RegionError(f"{name} is a number of seconds above 0, not {options[name]}")
    return number
