# SPDX-License-Identifier: GPL-3.0-or-later
"""Two dhcpds that serve subnets together: how each is configured, how they stand to each other, and one that goes on
alone.

Source: dhcpd.conf(5) ("DHCP FAILOVER"), dhcpd(8) ("THE FAILOVER STATE OBJECT"), draft-ietf-dhc-failover-12.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rackyard.daemons import values
from rackyard.daemons.dhcp_control import OWN, Control, succeed
from rackyard.daemons.model import Section, Untold

PORT = 647
# A partner that says nothing for so long is not there; it says something every third of that.
_SILENCE_S = 10
# A machine that has asked for so long is answered by both.
_BOTH_ANSWER_S = 3
_UNACKNOWLEDGED = 10
# Of 256: how many clients, by a hash of their address, are the primary's while both are there.
_SPLIT = 128
_MAX_MCLT_S = 86_400
# enum failover_state of dhcpd.
_STATES = {
    0: "unknown",
    1: "startup",
    2: "normal",
    3: "communications-interrupted",
    4: "partner-down",
    5: "potential-conflict",
    6: "recover",
    7: "paused",
    8: "shutdown",
    9: "recover-done",
    10: "resolution-interrupted",
    11: "conflict-done",
    254: "recover-wait",
}
_PARTNER_DOWN = 4
_PEER = re.compile(rb'^failover peer "([a-z][a-z0-9-]*)" \{', re.MULTILINE)
# With a partner there, or on the way to it: whoever takes that one for dead is mistaken.
_IN_TOUCH = frozenset({"normal", "paused", "shutdown", "potential-conflict", "conflict-done"})


@dataclass(frozen=True)
class PairState:
    """How this dhcpd stands to one partner, in dhcpd's words."""

    name: str
    own: str
    partner: str


def peers(section: Section) -> list[str]:
    """The pairs as dhcpd's configuration has them: one for each partner, whatever subnets it shares. dhcpd mixes up
    two pairs between the same addresses."""
    return [line for each in _sorted(section) for line in _peer(each)]


def names(section: Section) -> list[str]:
    """Names of the pairs, sorted."""
    return [_name(each) for each in _sorted(section)]


def names_in(configuration: bytes) -> list[str]:
    """Names of the pairs in what was rendered, sorted."""
    return sorted(match.decode() for match in _PEER.findall(configuration))


def declared(section: Section) -> dict[str, int]:
    """Pairs whose partner the region takes for dead, with the number of that declaration."""
    return {
        _name(each): values.number(each["partner_down"], 1, 2**53, f"dhcp pair {_name(each)} partner_down")
        for each in _sorted(section)
        if each.get("partner_down") is not None
    }


def _sorted(section: Section) -> list[Section]:
    return sorted(values.mappings(section, "pairs", "dhcp"), key=_name)


def _name(pair: Section) -> str:
    return values.name(pair.get("name"), "dhcp pair name")


def _peer(pair: Section) -> list[str]:
    what = f"dhcp pair {_name(pair)}"
    primary = values.one_of(pair.get("role"), ("primary", "secondary"), f"{what} role") == "primary"
    lines = [
        "",
        f'failover peer "{_name(pair)}" {{',
        f"  {'primary' if primary else 'secondary'};",
        f"  address {values.address4(pair.get('address'), f'{what} address')};",
        f"  port {PORT};",
        f"  peer address {values.address4(pair.get('peer_address'), f'{what} peer_address')};",
        f"  peer port {PORT};",
        f"  max-response-delay {_SILENCE_S};",
        f"  max-unacked-updates {_UNACKNOWLEDGED};",
        f"  load balance max seconds {_BOTH_ANSWER_S};",
    ]
    if primary:
        mclt_s = values.number(pair.get("mclt_s"), 1, _MAX_MCLT_S, f"{what} mclt_s")
        lines += [f"  mclt {mclt_s};", f"  split {_SPLIT};"]
    return [*lines, "}"]


class Pairs:
    """The pairs of the dhcpd on this host."""

    def __init__(self, control: Control = OWN) -> None:
        self._control = control
        # Which declaration of the region was carried out: one is good for one death.
        self._done: dict[str, int] = {}

    def states(self, wanted: Iterable[str]) -> list[PairState]:
        """How each pair stands. Raises Untold when dhcpd does not say."""
        import pypureomapi  # only racks have it

        asked = list(wanted)
        if not asked:
            return []
        try:
            with self._control.link() as link:
                return [_state(link, name) for name in asked]
        except (OSError, pypureomapi.OmapiError) as reason:
            raise Untold(f"dhcpd does not say how it stands to its partner ({reason})") from reason

    def go_alone(self, section: Section, check_only: bool) -> str:
        """Let dhcpd take those partners for dead that a region declared to be so; what changes.

        Raises Untold when dhcpd does not take the order, or hears the partner itself."""
        import pypureomapi

        told = ""
        for name, number in declared(section).items():
            if self._done.get(name) == number:
                continue
            (state,) = self.states([name])
            if state.own in _IN_TOUCH:
                raise Untold(f"the region takes the partner of {name} for dead, and dhcpd hears it ({state.own})")
            if state.own != "partner-down":
                told += f"{name}: {state.own} -> partner-down\n"
                if check_only:
                    continue
                try:
                    with self._control.link() as link:
                        _set(link, name, _PARTNER_DOWN)
                except (OSError, pypureomapi.OmapiError) as reason:
                    raise Untold(f"dhcpd does not go on without the partner of {name} ({reason})") from reason
            if not check_only:
                self._done[name] = number
        return told


def _find(link: Any, name: str) -> Any:
    import pypureomapi

    order = pypureomapi.OmapiMessage.open(b"failover-state")
    order.obj.append((b"name", name.encode()))
    found = link.query_server(order)
    succeed(found)
    return found


def _state(link: Any, name: str) -> PairState:
    fields = dict(_find(link, name).obj)
    return PairState(name, _word(fields.get(b"local-state")), _word(fields.get(b"partner-state")))


def _set(link: Any, name: str, state: int) -> None:
    import pypureomapi

    order = pypureomapi.OmapiMessage.update(_find(link, name).handle)
    order.obj.append((b"local-state", state.to_bytes(4, "big")))
    succeed(link.query_server(order))


def _word(value: bytes | None) -> str:
    return _STATES.get(int.from_bytes(value or b"", "big"), "unknown")
