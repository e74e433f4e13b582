# SPDX-License-Identifier: GPL-3.0-or-later
"""Which machines a running dhcpd knows: host objects by OMAPI, without a restart and without an unanswered client.

dhcpd writes each host object to its lease file before it answers, and reads it from there when it starts: so the lease
file says what there is, and nothing else has to remember it. Source: dhcpd.leases(5), omapi(3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple

from rackyard.daemons.dhcp_control import OWN, Control, succeed
from rackyard.daemons.model import Untold

# Hosts with other names are somebody else's and stay.
_PREFIX = "rackyard-"
# Entries of later lines replace earlier ones; a host that was removed is there once more, as deleted.
_HOST = re.compile(rf"^host {_PREFIX}([0-9a-f]{{12}}) \{{\n(.*?)^\}}", re.MULTILINE | re.DOTALL)
_ADDRESSES = re.compile(r"^\s*fixed-address ([0-9., ]+);", re.MULTILINE)
_EXISTS, _NOT_FOUND = 18, 23  # isc_result_t


# What is kept for a MAC (lower case with colons): of each subnet it gets the first address that lies there.
Addresses = tuple[IPv4Address, ...]


class Host(NamedTuple):
    """A machine's card, and the addresses that are its own."""

    mac: str
    addresses: Addresses = ()

    def __str__(self) -> str:
        return " ".join(map(str, (self.mac, *self.addresses)))


@dataclass(frozen=True)
class HostPlan:
    """What dhcpd has to learn, and the MACs that it has to forget before, each sorted. One whose addresses change is
    forgotten and learnt anew."""

    add: tuple[Host, ...]
    remove: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.add or self.remove)

    def diff(self) -> str:
        """For people."""
        return "".join([f"-host {mac}\n" for mac in self.remove] + [f"+host {host}\n" for host in self.add])


@dataclass(frozen=True)
class HostRegister:
    """Host objects of the dhcpd on this host."""

    lease_file: Path = Path("/var/lib/dhcp/dhcpd.leases")
    control: Control = OWN

    def plan(self, wanted: Mapping[str, Addresses]) -> HostPlan:
        """What is missing and what is too much. Raises Untold when the lease file cannot be read."""
        known = self._known()
        add = tuple(Host(mac, wanted[mac]) for mac in sorted(wanted) if known.get(mac) != wanted[mac])
        return HostPlan(add, tuple(mac for mac in sorted(known) if wanted.get(mac) != known[mac]))

    def carry_out(self, plan: HostPlan) -> None:
        """Tell dhcpd. Raises Untold; what was told until then stays told."""
        import pypureomapi  # only racks have it

        left = len(plan.add) + len(plan.remove)
        try:
            with self.control.link() as link:
                for mac in plan.remove:
                    _remove(link, mac)
                    left -= 1
                for host in plan.add:
                    _add(link, host)
                    left -= 1
        except (OSError, pypureomapi.OmapiError) as reason:
            raise Untold(
                f"dhcpd does not take {left} changes of its hosts on port {self.control.port} ({reason}); "
                "see `journalctl -u isc-dhcp-server`; its restart makes a missing key anew"
            ) from reason

    def _known(self) -> dict[str, Addresses]:
        try:
            text = self.lease_file.read_text(encoding="ascii", errors="replace")
        except FileNotFoundError:
            return {}
        except OSError as reason:
            raise Untold(
                f"{self.lease_file} cannot be read: {reason.strerror}; it must be readable for all"
            ) from reason
        last = {match[1]: match[2] for match in _HOST.finditer(text)}
        there = {digits: body for digits, body in last.items() if "deleted;" not in body}
        return {":".join(re.findall("..", digits)): _addresses(body) for digits, body in there.items()}


def _addresses(body: str) -> Addresses:
    kept = _ADDRESSES.search(body)
    return tuple(IPv4Address(each.strip()) for each in kept[1].split(",")) if kept else ()


def _name(mac: str) -> bytes:
    return f"{_PREFIX}{mac.replace(':', '')}".encode()


def _add(link: Any, host: Host) -> None:
    import pypureomapi

    order = pypureomapi.OmapiMessage.open(b"host")
    order.message += [(b"create", b"\0\0\0\1"), (b"exclusive", b"\0\0\0\1")]
    order.obj += [
        (b"name", _name(host.mac)),
        (b"hardware-address", pypureomapi.pack_mac(host.mac)),
        (b"hardware-type", b"\0\0\0\1"),
    ]
    if host.addresses:
        order.obj.append((b"ip-address", b"".join(address.packed for address in host.addresses)))
    succeed(link.query_server(order), _EXISTS)


def _remove(link: Any, mac: str) -> None:
    import pypureomapi

    order = pypureomapi.OmapiMessage.open(b"host")
    order.obj.append((b"name", _name(mac)))
    found = link.query_server(order)
    succeed(found, _NOT_FOUND)
    if found.opcode == pypureomapi.OMAPI_OP_UPDATE:
        succeed(link.query_server(pypureomapi.OmapiMessage.delete(found.handle)), _NOT_FOUND)
