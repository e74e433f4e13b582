# SPDX-License-Identifier: GPL-3.0-or-later
"""ISC dhcpd: networks, pools, and which boot file a machine is told by its architecture (option 93) and loader.

Source: dhcpd.conf(5), dhcp-options(5), dhcp-eval(5); architecture numbers of RFC 4578 and IANA's registry; routes of
RFC 3442.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv4Network

from rackyard.daemons import dhcp_networks, dhcp_pairs, dhcp_snippets, values
from rackyard.daemons.dhcp_hosts import Addresses, HostRegister
from rackyard.daemons.dhcp_pairs import Pairs
from rackyard.daemons.model import Daemon, Live, Section, comment

_RACK_HTTP_PORT = 5248
_MAX_HOSTS = 100_000
# Strangers get this part of a subnet's dynamic addresses, at least one, and for so long.
_STRANGERS_PART = 4
_STRANGERS_LEASE_S = 120

# dhcpd does not know this option by itself; only where it is used, its file speaks of it.
_ROUTES = "option classless-static-routes"
_ROUTES_CODE = f"{_ROUTES} code 121 = array of unsigned integer 8;"

Range = tuple[IPv4Address, IPv4Address]


def render(section: Section) -> bytes:
    """The networks this rack serves; empty bytes when there are none.

    When the region says which machines are registered (`hosts`), strangers get a bounded part of each subnet only.
    """
    known, divide = dhcp_pairs.names(section), "hosts" in section
    lines = dhcp_networks.shared_networks(section, "dhcp", partial(_subnet, pairs=known, divide=divide))
    codes = [_ROUTES_CODE] if any(_ROUTES in line for line in lines) else []
    own = [*dhcp_snippets.rendered(section, "dhcp"), *dhcp_snippets.classes(section)]
    return comment([*dhcp_pairs.peers(section), *codes, *own, *lines]) if lines else b""


def tell_running(register: HostRegister, pairs: Pairs) -> Live:
    """What a running dhcpd is told: which machines are registered, with what addresses, and which partners are dead."""

    def live(section: Section, check_only: bool) -> str:
        told = _tell_hosts(register, section, check_only)
        return told + pairs.go_alone(section, check_only)

    return live


def _tell_hosts(register: HostRegister, section: Section, check_only: bool) -> str:
    if "hosts" not in section:
        return ""
    known = [values.mac(mac, "dhcp.hosts") for mac in values.items(section, "hosts", "dhcp", _MAX_HOSTS)]
    wanted: dict[str, Addresses] = dict.fromkeys(known, ())
    plan = register.plan(wanted | _reservations(section))
    if plan and not check_only:
        register.carry_out(plan)
    return plan.diff()


def _reservations(section: Section) -> dict[str, Addresses]:
    """The addresses that are kept for machines, by MAC."""
    given = values.mapping(section.get("reservations", {}), "dhcp.reservations")
    return {
        values.mac(mac, "dhcp.reservations"): tuple(values.addresses4(given, mac, "dhcp.reservations")) for mac in given
    }


def _subnet(subnet: Section, network: Section, *, pairs: Sequence[str], divide: bool) -> tuple[IPv4Network, list[str]]:
    cidr = values.network4(subnet.get("cidr"), "dhcp subnet cidr")
    what = f"dhcp subnet {cidr}"
    mtu = values.number(network.get("mtu", 1500), 552, 65535, f"dhcp network {network.get('name')} mtu")
    rack = values.address4(subnet.get("next_server"), f"{what} next_server")
    lines = [
        f"subnet {cidr.network_address} netmask {cidr.netmask} {{",
        f"  option subnet-mask {cidr.netmask};",
        f"  option broadcast-address {cidr.broadcast_address};",
    ]
    for option, key in (
        ("routers", "routers"),
        ("domain-name-servers", "dns_servers"),
        ("ntp-servers", "ntp_servers"),
    ):
        found = values.addresses4(subnet, key, what)
        lines += [f"  option {option} {values.joined(found)};"] if found else []
    lines += [f"  {line}" for line in _routes(subnet, what)]
    if subnet.get("domain_name"):
        domain = values.domain(subnet["domain_name"], f"{what} domain_name")
        lines += [f'  option domain-name "{domain}";', f'  option domain-search "{domain}";']
    lines += [f"  option interface-mtu {mtu};"] if mtu != 1500 else []
    # Firmware, initrd and the booted system send different client ids; the MAC is what they share.
    lines += [f"  next-server {rack};", "  ignore-client-uids true;"]
    lines += [f"  {line}" for line in [*_boot_files(str(rack)), *dhcp_snippets.rendered(subnet, what)]]
    pair = "" if subnet.get("pair") is None else values.one_of(subnet["pair"], pairs, f"{what} pair")
    pools = values.mappings(subnet, "pools", what)
    ranges = {
        dhcp_networks.pool_range(pool, cidr, values.address4, what): dhcp_snippets.rendered(pool, what)
        for pool in pools
    }
    return cidr, [*lines, *(f"  {line}" for line in _pools(ranges, pair, divide=divide)), "}"]


def _routes(subnet: Section, what: str) -> list[str]:
    """Whoever takes them does not look at `routers`, so the default route is one of them."""
    found = [
        (
            values.network4(each.get("destination"), f"{what} route"),
            values.address4(each.get("gateway"), f"{what} route"),
        )
        for each in values.mappings(subnet, "routes", what)
    ]
    default = [(IPv4Network("0.0.0.0/0"), router) for router in values.addresses4(subnet, "routers", what)[:1]]
    octets = [octet for network, gateway in [*found, *default] for octet in _route(network, gateway)]
    return [f"{_ROUTES} {values.joined(octets)};"] if found else []


def _route(destination: IPv4Network, gateway: IPv4Address) -> list[int]:
    significant = (destination.prefixlen + 7) // 8
    return [destination.prefixlen, *destination.network_address.packed[:significant], *gateway.packed]


def _pools(ranges: Mapping[Range, list[str]], pair: str, *, divide: bool) -> list[str]:
    """Registered machines have a share that nobody can take from them; a single address cannot be divided. A range with
    snippets of its own has pools of its own."""
    reserved, shared = _divided(sorted(ranges)) if divide else ([], [*ranges])
    lines = _pools_by_snippets(reserved, ranges, pair, ["deny unknown-clients;"])
    if shared and reserved:
        # Not closed for registered machines: one that was a stranger when it booted keeps its address.
        short = [f"default-lease-time {_STRANGERS_LEASE_S}; max-lease-time {_STRANGERS_LEASE_S};"]
        return lines + _pools_by_snippets(shared, ranges, pair, short)
    for start, end in shared:
        own = _snippets_of((start, end), ranges)
        if own:
            lines += _pool([(start, end)], pair, own)
        else:
            lines.append(f"pool {{ {' '.join([*_shared_with(pair), ''])}range {start} {end}; }}")
    return lines


def _pools_by_snippets(parts: list[Range], ranges: Mapping[Range, list[str]], pair: str, rules: list[str]) -> list[str]:
    plain = [part for part in parts if not _snippets_of(part, ranges)]
    lines = _pool(plain, pair, rules) if plain else []
    for part in parts:
        own = _snippets_of(part, ranges)
        lines += _pool([part], pair, [*rules, *own]) if own else []
    return lines


def _snippets_of(part: Range, ranges: Mapping[Range, list[str]]) -> list[str]:
    """The lines of the range that this is a part of."""
    return next(lines for (start, end), lines in ranges.items() if start <= part[0] and part[1] <= end)


def _pool(ranges: list[Range], pair: str, rules: list[str]) -> list[str]:
    inside = [*_shared_with(pair), *rules, *(f"range {start} {end};" for start, end in ranges)]
    return ["pool {", *(f"  {line}" for line in inside), "}"]


def _shared_with(pair: str) -> list[str]:
    return [f'failover peer "{pair}";'] if pair else []


def _divided(ranges: list[Range]) -> tuple[list[Range], list[Range]]:
    """The reserved share and, from the end, that of strangers."""
    total = sum(int(end) - int(start) + 1 for start, end in ranges)
    if total < 2:
        return [], ranges
    reserved: list[Range] = []
    shared: list[Range] = []
    left = total - max(1, total // _STRANGERS_PART)
    for start, end in ranges:
        size = int(end) - int(start) + 1
        if left >= size:
            reserved.append((start, end))
        elif left > 0:
            reserved.append((start, start + left - 1))
            shared.append((start + left, end))
        else:
            shared.append((start, end))
        left = max(0, left - size)
    return reserved, shared


def _boot_files(rack: str) -> list[str]:
    base = f"http://{rack}:{_RACK_HTTP_PORT}"
    return [
        # iPXE first: it has the architecture option as well.
        'if exists user-class and option user-class = "iPXE" {',
        f'  filename "{base}/ipxe.cfg";',
        "} elsif option pxe-system-type = 00:10 {",
        *_http_boot(f"{base}/boot/bootx64.efi"),
        "} elsif option pxe-system-type = 00:13 {",
        *_http_boot(f"{base}/boot/bootaa64.efi"),
        "} elsif option pxe-system-type = 00:07 or option pxe-system-type = 00:09 {",
        '  filename "bootx64.efi";',
        "} elsif option pxe-system-type = 00:0b {",
        '  filename "bootaa64.efi";',
        '} elsif substring(option vendor-class-identifier, 0, 9) = "PXEClient" {',
        '  filename "lpxelinux.0";',
        f'  option loader-pathprefix "{base}/";',
        # pxelinux honours the prefix, but PXE ROMs do not ask for it.
        "  option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, d2);",
        "}",
    ]


def _http_boot(url: str) -> list[str]:
    # UEFI 2.5 (24.7.3.1): an offer counts for HTTP boot only when the server says HTTPClient too.
    return [
        f'  filename "{url}";',
        '  option vendor-class-identifier "HTTPClient";',
        "  option dhcp-parameter-request-list = concat(option dhcp-parameter-request-list, 3c);",
    ]


DAEMON = Daemon(
    "dhcp", "isc-dhcp-server", "dhcp/dhcpd.conf", render, partial(dhcp_networks.check, 4),
    verb="restart", empty_means_stopped=True, live=tell_running(HostRegister(), Pairs()),
)  # fmt: skip
