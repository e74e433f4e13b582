# SPDX-License-Identifier: GPL-3.0-or-later
"""What regions want to know before they keep an operator's snippet: whether this rack's dhcpd would take it.

Whoever asked waits for the answer, so it is neither kept on disk nor repeated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rackyard import contracts
from rackyard.daemons import dhcp_snippets, engine
from rackyard.daemons.model import Refused
from rackyard.daemons.registry import DAEMONS
from rackyard.rack.errors import RackError, RegionAway, RegionRefused
from rackyard.rack.log import log
from rackyard.rack.regions import Regions

ABILITY = "dhcp_check"
# A checker may take all of a processor for half a minute.
_THREADS = 2
# As the contract `dhcp-check-result` has it.
_MAX_WORDS = 2000
_JUDGES = {daemon.name: daemon for daemon in DAEMONS if daemon.name in ("dhcp", "dhcp6")}


class DhcpChecks:
    """Takes checks from the poll loops. ``root`` is where the daemons' files are."""

    def __init__(self, regions: Regions, root: Path) -> None:
        self._regions = regions
        self._root = root
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="dhcp-check")

    def begin(self, url: str, check: Any) -> None:
        """Take one check as the region handed it out. Returns at once."""
        try:
            contracts.read("dhcp-check", check)
        except contracts.ContractError as reason:
            log("error", "dhcp-check-malformed", region=url, reason=reason)
            return
        self._threads.submit(self._run, url, check)

    def close(self) -> None:
        """Take nothing more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _run(self, url: str, check: dict[str, Any]) -> None:
        words = words_of(check, self._root)
        log("info", "dhcp-checked", snippet=check["name"], daemon=check["daemon"], refusal=words or None)
        try:
            self._regions.call_at(url, "POST", f"dhcp-checks/{check['id']}/result", {"words": words[:_MAX_WORDS]})
        except (RegionAway, RegionRefused, RackError) as reason:
            log("warning", "dhcp-check-not-reported", region=url, snippet=check["name"], reason=reason)


def words_of(check: dict[str, Any], root: Path) -> str:
    """What this rack's dhcpd says to a check (`dhcp-check`), with the snippet's own lines; empty when it is content."""
    try:
        words, content = engine.judge(_JUDGES[check["daemon"]], check["section"], root)
        return dhcp_snippets.placed(words, content, check["name"], check["value"])
    except Refused as refusal:
        return str(refusal)
    except Exception as reason:  # whoever waits must hear of it, whatever went wrong here
        log("error", "dhcp-check-failed", snippet=check["name"], reason=f"{type(reason).__name__}: {reason}")
        return f"the rack cannot check it ({type(reason).__name__}: {reason}); see `journalctl -u rackyard-rack`"
