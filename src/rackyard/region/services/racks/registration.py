# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rack tells about itself: addresses, daemons, services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from rackyard.daemons import units
from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.db.site.hosts import Host
from rackyard.region.errors import BadRequest
from rackyard.region.services.racks import dhcp_alone, dhcp_turns
from rackyard.region.services.site import journal

MAX_ADDRESSES = 256
# More would be refused by each rack; they call one after the other anyway.
MAX_REGIONS = 200


@dataclass(frozen=True)
class Interface:
    """A network interface of a rack, as it reports it. `mac` is None where there is none."""

    name: str
    mac: str | None
    addresses: Sequence[IPv4Interface | IPv6Interface]


@dataclass(frozen=True)
class DaemonOutcome:
    """Whether a daemon took its desired state, and the words of its checker."""

    ok: bool
    message: str


@dataclass(frozen=True)
class ServiceState:
    """A rack's service as systemd has it there."""

    name: str
    state: str
    info: str


@dataclass(frozen=True)
class SelfReport:
    """What else an agent says of itself: its channel to each region's URL (live, or why not), and how many reports and
    posts of machines wait there for a region, and how many posts were refused for good."""

    channels: Mapping[str, str]
    reports_waiting: int
    posts_waiting: int
    posts_refused: int


def register(
    ctx: Context,
    rack: Rack,
    version: str,
    interfaces: Sequence[Interface],
    abilities: Sequence[str] = (),
    host: Host | None = None,
) -> list[str]:
    """A rack's agent started: store its addresses, what it can do, and what its host is made of (None: an agent of the
    release before). Returns the RPC URLs of all live region workers.

    Raises BadRequest for more addresses than a rack can have."""
    addresses = [item for interface in interfaces for item in _addresses(interface)]
    if len(addresses) > MAX_ADDRESSES:
        raise BadRequest(f"rack {rack.hostname} reports more than {MAX_ADDRESSES} addresses")
    with ctx.db.transaction() as tx:
        tx.run("racks.registration.registered", rack_id=rack.id, version=version)
        tx.run("racks.registration.put_host", rack_id=rack.id, host=None if host is None else host.document())
        if tx.one("racks.dhcp_pairs.put_abilities", rack_id=rack.id, abilities=sorted(abilities)) is not None:
            tx.run("racks.desired.changed")
        for name, mac, address in addresses:
            tx.run("racks.registration.put_interface", rack_id=rack.id, name=name, mac=mac, address=address)
        keep = [f"{name} {address}" for name, _mac, address in addresses]
        tx.run("racks.registration.drop_other_interfaces", rack_id=rack.id, keep=keep)
        rows = tx.all("site.processes.addresses")
    live = [f"https://{_bracketed(row['address'])}:{row['port']}" for row in rows]
    return list(dict.fromkeys([*ctx.config.rpc_urls, *live]))[:MAX_REGIONS]


def applied(ctx: Context, rack: Rack, generation: int, daemons: Mapping[str, DaemonOutcome]) -> None:
    """What a rack's daemons said to the desired state; a new refusal becomes an event with the checker's words."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        tx.run("racks.registration.drop_other_daemons", rack_id=rack.id, keep=list(daemons), generation=generation)
        for name, outcome in daemons.items():
            before = tx.one("racks.registration.daemon_ok", rack_id=rack.id, name=name)
            tx.run(
                "racks.registration.put_daemon", rack_id=rack.id, name=name, generation=generation, ok=outcome.ok,
                message=outcome.message, now=now,
            )  # fmt: skip
            if name == "dhcp":
                dhcp_turns.end(tx, rack.id, generation)
            if not outcome.ok and (before is None or before["ok"] or before["message"] != outcome.message):
                text = (
                    f"{name} on {rack.hostname} refused generation {generation} and keeps the last good one: "
                    f"{outcome.message}"
                )
                journal.record(tx, now, "DAEMON_REFUSED", text, rack_id=rack.id, level=journal.ERROR)


def services(
    ctx: Context,
    rack: Rack,
    states: Sequence[ServiceState],
    pairs: Sequence[dhcp_alone.PairState] | None = None,
    report: SelfReport | None = None,
) -> None:
    """What a rack sees of its own services, its dhcpd of its partners, and its agent of itself (None: one that says
    nothing of it)."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        for each in states:
            tx.run(
                "racks.registration.put_service", rack_id=rack.id, name=each.name, state=each.state, info=each.info,
                failed=units.failed(each.state, each.info), now=now,
            )  # fmt: skip
        if report is not None:
            tx.run(
                "racks.registration.put_report", rack_id=rack.id, channels=dict(report.channels),
                reports_waiting=report.reports_waiting, posts_waiting=report.posts_waiting,
                posts_refused=report.posts_refused, now=now,
            )  # fmt: skip
        if pairs is not None:
            dhcp_alone.take_states(ctx, tx, rack, pairs)


def _addresses(interface: Interface) -> list[tuple[str, str | None, str]]:
    """Those that others can reach, as `inet` prints them: a host prefix without its length."""
    return [
        (
            interface.name,
            interface.mac,
            str(address.ip if address.network.prefixlen == address.max_prefixlen else address),
        )
        for address in interface.addresses
        if not (address.is_loopback or address.is_link_local)
    ]


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
