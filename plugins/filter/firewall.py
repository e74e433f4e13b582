# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a table of who may reach which port means for nftables, for one address, and for the interfaces of a host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

Network = IPv4Network | IPv6Network
# Who reaches what: {to, from, protocols, ports, unaddressed}, as roles/firewall/vars/main.yml explains it.
Row = Mapping[str, Any]
# Networks of each party by its name. None is anybody, an empty list nobody.
Parties = Mapping[str, Sequence[str] | None]
# Protocols without ports, by their numbers: nft knows the names of some only.
PORTLESS = {"vrrp": 112}
# nft's names of the IP versions.
FAMILIES = {"ip": 4, "ip6": 6}


def _network(text: object) -> Network | None:
    """The network that a text names, a single address being one too; None when it names none."""
    try:
        return ip_network(str(text), strict=False)
    except ValueError:
        return None


def _networks(texts: Iterable[object] | None, version: int) -> list[Network]:
    """Networks of one IP version, sorted, and as a set of nft wants them: none inside another."""
    found = {network for network in map(_network, texts or []) if network is not None and network.version == version}
    return sorted(one for one in found if not any(one != other and one.subnet_of(other) for other in found))


def not_networks(texts: Iterable[object]) -> list[str]:
    """Those that are neither an IP address nor a network in CIDR notation."""
    return [str(text) for text in texts if _network(text) is None]


def _plain(network: Network) -> str:
    """A network as nft prints it: a single address has no prefix."""
    return str(network.network_address if network.prefixlen == network.max_prefixlen else network)


def _ports(row: Row) -> list[tuple[int, int]]:
    """First and last port of each of a row's entries, which are numbers or ranges (`5250-5270`)."""
    ends = [str(port).partition("-") for port in row["ports"]]
    return [(int(first), int(last or first)) for first, _dash, last in ends]


def _sender(row: Row, parties: Parties) -> str | tuple[str, ...] | None:
    """Whom a row lets in: a party's name, networks of the row's own, or None for anybody."""
    sender = row.get("from")
    if isinstance(sender, str):
        return None if row.get("unaddressed") or parties[sender] is None else sender
    return None if sender is None else tuple(sender)


def _senders(row: Row, parties: Parties) -> Sequence[str] | None:
    """Networks that a row lets in, None for any."""
    sender = _sender(row, parties)
    return parties[sender] if isinstance(sender, str) else sender


def _sources(row: Row, parties: Parties) -> list[str]:
    """How nft names the sources that a row lets in: one text for each IP version, an empty one for anything."""
    sender, networks = _sender(row, parties), _senders(row, parties)
    if networks is None:
        return [""]
    found = {family: _networks(networks, version) for family, version in FAMILIES.items()}
    if isinstance(sender, str):
        return [f"{family} saddr @{sender}{FAMILIES[family]} " for family, those in found.items() if those]
    return [f"{family} saddr {{ {', '.join(map(_plain, those))} }} " for family, those in found.items() if those]


def _rules(rows: Sequence[Row], parties: Parties) -> list[str]:
    """One rule for each source and protocol of the rows."""
    ports: dict[tuple[str, str], set[tuple[int, int]]] = {}
    for row in rows:
        for source in _sources(row, parties):
            for protocol in row["protocols"]:
                ports.setdefault((source, protocol), set()).update(_ports(row))
    return [f"{source}{_match(protocol, spans)} accept" for (source, protocol), spans in ports.items()]


def _match(protocol: str, spans: set[tuple[int, int]]) -> str:
    if protocol in PORTLESS:
        return f"meta l4proto {PORTLESS[protocol]}"
    return f"{protocol} dport {{ {', '.join(map(_span, sorted(spans)))} }}"


def _span(ends: tuple[int, int]) -> str:
    return str(ends[0]) if ends[0] == ends[1] else f"{ends[0]}-{ends[1]}"


def _order(table: Sequence[Row], tiers: Sequence[str], parties: Parties) -> dict[str, list[Row]]:
    """Rows for a host of these tiers, by where their rules stand. A row without a tier is for both."""
    rows = [row for row in table if row.get("to", tiers[0]) in tiers]
    machines = [row for row in rows if row.get("from") == "machines"]
    others = [row for row in rows if row.get("from") != "machines"]
    return {
        "named": [row for row in others if _sender(row, parties) is not None],
        "machines": machines,
        "anybody": [row for row in others if _sender(row, parties) is None],
    }


def firewall_rules(table: Sequence[Row], tiers: Sequence[str], parties: Parties) -> dict[str, Any]:
    """Sets and rules in the syntax of nft(8) that let in what the table says.

    :param table: rows of who may reach which port.
    :param tiers: the host's own, `region` and `rack`.
    :param parties: who is who; every name in a row's `from` is one of them.
    :returns: `sets`, each a dictionary of `name`, `type` and `elements`; and lists of rules in the order in which they
        must stand: `named` (who is let in whatever network that is in), `machines`, and `anybody`.
    """
    sets = [
        {"name": f"{name}{version}", "type": f"ipv{version}_addr", "elements": [_plain(one) for one in found]}
        for name, texts in parties.items()
        for version in FAMILIES.values()
        if (found := _networks(texts, version))
    ]
    return {"sets": sets, **{place: _rules(rows, parties) for place, rows in _order(table, tiers, parties).items()}}


def _among(address: str, texts: Iterable[str] | None) -> bool:
    own = ip_address(address.partition("%")[0])
    return any(own in network for network in _networks(texts, own.version))


def firewall_admits(
    table: Sequence[Row], tiers: Sequence[str], parties: Parties, sender: str, protocol: str, port: int | str
) -> bool:
    """Whether the rules of `firewall_rules` let a sender's address in at a port.

    Raises ValueError when the address is none.
    """
    places = _order(table, tiers, parties)

    def through(place: str) -> bool:
        return any(
            protocol in row["protocols"]
            and any(first <= int(port) <= last for first, last in _ports(row))
            and (_senders(row, parties) is None or _among(sender, _senders(row, parties)))
            for row in places[place]
        )

    if through("named"):
        return True
    if _among(sender, parties["bmcs"]):
        return False
    return through("machines") or (not _among(sender, parties["machines"]) and through("anybody"))


def _addresses(link: Mapping[str, Any]) -> list[str]:
    """Addresses of an interface without link-local ones."""
    found = [str(entry["local"]) for entry in link.get("addr_info", []) if entry.get("local")]
    return [address for address in found if not ip_address(address).is_link_local]


def interfaces_within(links: Sequence[Mapping[str, Any]], networks: Sequence[str]) -> list[str]:
    """Names of the interfaces that have addresses in these networks and in no other.

    :param links: what `ip -json address` says (iproute2).
    """
    addresses = {str(link["ifname"]): _addresses(link) for link in links if "ifname" in link}
    return sorted(
        name for name, told in addresses.items() if told and all(_among(address, networks) for address in told)
    )


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Any]:
        """Names as used in templates."""
        return {
            "firewall_admits": firewall_admits,
            "firewall_rules": firewall_rules,
            "interfaces_within": interfaces_within,
            "not_networks": not_networks,
        }
