# SPDX-License-Identifier: GPL-3.0-or-later
"""Single addresses of a subnet: whether a machine, a device or a person may have one, and which is free.

Whoever asks holds the lock of the network until what was found is stored: two that ask at once get two addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network

from rackyard.region.db.network import addresses as rows
from rackyard.region.db.network import reserved as reserved_rows
from rackyard.region.db.network.picture import Subnet
from rackyard.region.db.network.reserved import Reserved
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, Invalid
from rackyard.region.services.network.network import Network
from rackyard.region.services.site import validation
from rackyard.region.services.site.validation import Address

# First and last address, as numbers.
Span = tuple[int, int]
# So many are named in a refusal.
_NAMED = 5


def first_free(tx: Transaction, network: Network, subnet: Subnet, now: datetime) -> Address:
    """The lowest address that is in no range and that nothing has. Raises Invalid when there is none, and for a subnet
    that others give addresses of."""
    if not subnet.managed:
        raise Invalid.field(
            "subnet",
            f"Subnet {subnet.name} ({subnet.cidr}) is not managed: who has which address there is not known here. Name "
            "the address (ip_address, for a link with mode=static).",
        )
    taken = [span(each.ip, each.ip) for each in rows.used(tx, subnet.cidr, now)]
    ranges = [span(known.start_ip, known.end_ip) for known in network.ranges_of(subnet)]
    cidr = ip_network(subnet.cidr)
    for start, _end in gaps(usable(subnet.cidr), [*taken, *ranges]):
        return cidr[start - int(cidr.network_address)]
    raise Invalid.field(
        "subnet",
        f"No more IPs available in subnet {subnet.cidr} ({subnet.name}): all are in ranges or in use. Shorten a range "
        "(PUT ipranges/<id>/), unlink a machine, or release an address that is reserved.",
    )


def require_free(
    tx: Transaction, network: Network, subnet: Subnet, text: str, now: datetime, field: str = "ip_address"
) -> Address:
    """That address, for whoever shall keep it. Raises Invalid, naming who has it or what it is for; Conflict when
    somebody has reserved it."""
    address = validation.address(field, text)
    first, last = usable(subnet.cidr)
    if address not in ip_network(subnet.cidr):
        raise Invalid.field(
            field, f"{address} lies outside subnet {subnet.name} ({subnet.cidr}); give an address inside it."
        )
    if not first <= int(address) <= last:
        raise Invalid.field(
            field, f"{address} is the network's own or its broadcast address ({subnet.cidr}); give another one."
        )
    for known in network.ranges_of(subnet):
        start, end = span(known.start_ip, known.end_ip)
        if start <= int(address) <= end:
            raise Invalid.field(
                field,
                f"{address} is in the {known.type} range {known.start_ip} - {known.end_ip} (id {known.id}) of subnet "
                f"{subnet.name}; give an address outside of it, or change that range.",
            )
    reserved = reserved_rows.find(tx, str(address))
    if reserved is not None:
        raise Conflict(
            f"{address} is reserved by {reserved.owner.username}; give another address, or have it released first "
            "(POST ipaddresses/?op=release)."
        )
    for other in rows.used(tx, f"{address}/{address.max_prefixlen}", now):
        if other.is_fixed:
            raise Invalid.field(field, f"{address} belongs to {other.what}; give another address.")
    return address


def require_unused(tx: Transaction, subnet: Subnet) -> None:
    """Raise Conflict while machines or devices are linked to the subnet, or people have reserved addresses of it."""
    known = rows.kept_in(tx, subnet.id)
    if known:
        what = " and ".join(dict.fromkeys(f"{each.kind}s" for each in known)).capitalize()
        raise Conflict(
            f"{what} are linked to subnet {subnet.name} ({subnet.cidr}): {', '.join(map(str, known))}; unlink them "
            "first (op=unlink_subnet)."
        )
    reserved = reserved_rows.select(tx, subnet_id=subnet.id)
    if reserved:
        raise Conflict(
            f"Addresses of subnet {subnet.name} ({subnet.cidr}) are reserved: {some_of(reserved)}; have them released "
            "first (POST ipaddresses/?op=release; an administrator adds force=true)."
        )


def some_of(reserved: Sequence[Reserved]) -> str:
    """The first of them in words, and how many more there are."""
    named = ", ".join(f"{each.ip} ({each.owner.username})" for each in reserved[:_NAMED])
    return named + (f" and {len(reserved) - _NAMED} more" if len(reserved) > _NAMED else "")


def usable(cidr: str) -> Span:
    """The first and the last address of a network that a host can have (RFC 4291 section 2.6.1 for IPv6)."""
    network = ip_network(cidr)
    first, last = int(network.network_address), int(network.broadcast_address)
    if network.prefixlen >= network.max_prefixlen - 1:
        return first, last
    return first + 1, last - 1 if network.version == 4 else last


def gaps(within: Span, spans: Iterable[Span]) -> Iterator[Span]:
    """What of `within` is in none of the spans, in order."""
    at, last = within
    for start, end in sorted(spans):
        if start > last:
            break
        if start > at:
            yield at, start - 1
        at = max(at, end + 1)
    if at <= last:
        yield at, last


def span(start_ip: str, end_ip: str) -> Span:
    """Both ends as numbers."""
    return int(ip_address(start_ip)), int(ip_address(end_ip))
