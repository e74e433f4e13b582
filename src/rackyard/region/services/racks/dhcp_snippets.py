# SPDX-License-Identifier: GPL-3.0-or-later
"""Where operators' snippets stand in what racks' dhcpds are told.

A document without snippets is what it would be if there were none such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rackyard.region.db.network.dhcp_snippets import Snippet

Part = dict[str, Any]


@dataclass(frozen=True)
class Snippets:
    """Those that are enabled, the oldest first: a later one may use what an earlier one defines."""

    enabled: tuple[Snippet, ...] = ()

    @classmethod
    def of(cls, snippets: Iterable[Snippet]) -> Snippets:
        """All but those that are switched off."""
        return cls(tuple(snippet for snippet in snippets if snippet.enabled))

    def for_everything(self) -> Part:
        """What stands in the configuration of either family, outside of all networks."""
        return _part(snippet for snippet in self.enabled if snippet.scope.is_global)

    def for_machines(self) -> Part:
        """The snippets of machines, which are known by their MACs: IPv4 alone. One without any is not told."""
        found = [
            {**_document(snippet), "macs": [*snippet.scope.macs]} for snippet in self.enabled if snippet.scope.macs
        ]
        return {"classes": found} if found else {}

    def for_subnet(self, subnet_id: int) -> Part:
        """What stands in a subnet."""
        return _part(snippet for snippet in self.enabled if snippet.scope.subnet_id == subnet_id)

    def for_range(self, range_id: int) -> Part:
        """What stands in the pools of a range."""
        return _part(snippet for snippet in self.enabled if snippet.scope.ip_range_id == range_id)


def names_in(part: Any) -> set[str]:
    """The names of all snippets in a part of a document."""
    if isinstance(part, list):
        return set().union(*map(names_in, part))
    if not isinstance(part, dict):
        return set()
    own = {each["name"] for key in ("snippets", "classes") for each in part.get(key, [])}
    return own.union(*(names_in(inner) for key, inner in part.items() if key in ("networks", "subnets", "pools")))


def _part(snippets: Iterable[Snippet]) -> Part:
    found = [_document(snippet) for snippet in snippets]
    return {"snippets": found} if found else {}


def _document(snippet: Snippet) -> Part:
    return {"name": snippet.name, "value": snippet.value}
