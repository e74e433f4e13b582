# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rack tells about itself: addresses, daemons, services."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from ipaddress import ip_interface

from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import BadRequest
from rackyard.region.services.site import journal
from rackyard_core import macs

MAX_INTERFACES = 256
_INTERFACE = re.compile(r"[A-Za-z0-9_.:@-]{1,32}")
_VERSION = re.compile(r"[A-Za-z0-9.+~-]{0,64}")
_SERVICE = re.compile(r"[a-z0-9-]{1,32}")
_SERVICE_STATES = frozenset({"running", "dead", "off", "degraded", "unknown"})


def register(ctx: Context, rack: Rack, version: str, interfaces: Sequence[Mapping[str, object]]) -> list[str]:
    """A rack's agent started: store its addresses. Returns the RPC URLs of all live region workers."""
    check_version(version)
    addresses = [item for interface in interfaces for item in _addresses(interface)]
    if len(addresses) > MAX_INTERFACES:
        raise BadRequest(f"rack {rack.hostname} reports more than {MAX_INTERFACES} addresses")
    with ctx.db.transaction() as tx:
        tx.run("racks.registration.registered", rack_id=rack.id, version=version)
        for name, mac, address in addresses:
            tx.run("racks.registration.put_interface", rack_id=rack.id, name=name, mac=mac, address=address)
        keep = [f"{name} {address}" for name, _mac, address in addresses]
        tx.run("racks.registration.drop_other_interfaces", rack_id=rack.id, keep=keep)
        rows = tx.all("site.processes.addresses")
    live = [f"https://{_bracketed(row['address'])}:{row['port']}" for row in rows]
    return list(dict.fromkeys([*ctx.config.rpc_urls, *live]))


def applied(ctx: Context, rack: Rack, generation: int, daemons: Mapping[str, Mapping[str, object]]) -> None:
    """What a rack's daemons said to the desired state; a new refusal becomes an event with the checker's words."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        for name, outcome in daemons.items():
            if not _SERVICE.fullmatch(name):
                raise BadRequest(f"{name!r} is not the name of a daemon")
            ok, message = outcome.get("ok") is True, str(outcome.get("message", ""))[:4000]
            before = tx.one("racks.registration.daemon_ok", rack_id=rack.id, name=name)
            tx.run(
                "racks.registration.put_daemon",
                rack_id=rack.id, name=name, generation=generation, ok=ok, message=message, now=now,
            )  # fmt: skip
            if not ok and (before is None or before["ok"] or before["message"] != message):
                text = (
                    f"{name} on {rack.hostname} refused generation {generation} and keeps the last good one: {message}"
                )
                journal.record(tx, now, "DAEMON_REFUSED", text, rack_id=rack.id, level=journal.ERROR)


def services(ctx: Context, rack: Rack, states: Sequence[Mapping[str, object]]) -> None:
    """What a rack sees of its own services."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        for item in states:
            name, state = str(item.get("name", "")), str(item.get("state", ""))
            if not _SERVICE.fullmatch(name) or state not in _SERVICE_STATES:
                raise BadRequest(f"service {name!r} in state {state!r} is not known")
            info = str(item.get("info", ""))[:1000]
            tx.run("racks.registration.put_service", rack_id=rack.id, name=name, state=state, info=info, now=now)


def check_version(version: str) -> None:
    """Raises BadRequest for what cannot be a version."""
    if not _VERSION.fullmatch(version):
        raise BadRequest(f"{version!r} is not a version")


def _addresses(interface: Mapping[str, object]) -> list[tuple[str, str | None, str]]:
    name, mac, addresses = interface.get("name"), interface.get("mac"), interface.get("addresses", [])
    if not isinstance(name, str) or not _INTERFACE.fullmatch(name) or not isinstance(addresses, list):
        raise BadRequest(f"interface {name!r} is malformed: name, mac and addresses are needed")
    if mac is not None and not macs.is_normal(mac):
        raise BadRequest(f"interface {name}: {mac!r} is not a MAC address (lower case, colons)")
    found: list[tuple[str, str | None, str]] = []
    for text in addresses:
        try:
            address = ip_interface(text if isinstance(text, str) and "%" not in text else "")
        except ValueError:
            raise BadRequest(f"interface {name}: {text!r} is not an address with prefix") from None
        if not (address.is_loopback or address.is_link_local):
            # inet prints a host prefix without its length.
            host_only = address.network.prefixlen == address.max_prefixlen
            found.append((name, mac, str(address.ip) if host_only else str(address)))
    return found


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
