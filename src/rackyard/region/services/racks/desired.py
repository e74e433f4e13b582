# SPDX-License-Identifier: GPL-3.0-or-later
"""The desired state of the daemons on a host: one document per rack, and one for the region's own host.

On a host that is region and rack, the region's document has the daemons of both tiers, and the rack asks for the rest.
A document follows from the database alone; its generation counts changes of its content."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_network
from typing import Any

from rackyard.daemons.syslog import RELP_PORT
from rackyard.daemons.tiers import RACK
from rackyard.region.context import Context
from rackyard.region.db.network import dhcp_snippets as snippet_rows
from rackyard.region.db.network.dhcp_snippets import Snippet
from rackyard.region.db.pool import Row, Transaction
from rackyard.region.db.racks.identity import Rack
from rackyard.region.services.network import domains, zones
from rackyard.region.services.racks import dhcp6, dhcp_pairs, dhcp_turns, enrolment, forbidden, names
from rackyard.region.services.racks.dhcp_pairs import Pairing
from rackyard.region.services.racks.dhcp_snippets import Snippets
from rackyard.region.services.site import images
from rackyard.region.turns import Turn

REGION_HTTP_PORT, SYSLOG_PORT, PROXY_PORT = 5240, 5247, 8000
MAX_WAIT_S = 30.0
# How often a document is looked at again that is held up.
HELD_S = 3.0
# What is in a rack's document besides the sections of daemons.
_ABOUT = frozenset({"rack", "domain"})


@dataclass(frozen=True)
class Document:
    """A desired state and its ETag; of the generation too, so that a rack tells a restored region what it applied."""

    body: dict[str, Any]
    etag: str
    # A part of it is an older one, and the newer one is due after a moment without anything else happening.
    held: bool = False


@dataclass(frozen=True)
class _Site:
    """What every document is made of, read in one transaction. Subnets have their `network` beside its text; `serving`
    are the addresses of racks by the id of the subnet that they serve."""

    regions: tuple[str, ...]
    racks: tuple[Row, ...]
    subnets: tuple[Row, ...]
    serving: dict[int, list[Row]]
    pools: dict[int, list[dict[str, Any]]]
    routes: dict[int, list[dict[str, str]]]
    forbidden: tuple[str, ...]
    images: tuple[Row, ...]
    pairing: Pairing
    snippets: Snippets
    hosts: tuple[str, ...] = ()
    # `MAC ADDRESS` by the id of the subnet that the address is in.
    reservations: Mapping[int, list[str]] = field(default_factory=dict)

    def rack_addresses(self) -> list[str]:
        """Addresses of all racks that count."""
        return [row["address"] for row in self.racks]

    def served_by(self, rack_id: int) -> list[Row]:
        """The managed subnets that a rack serves."""
        return [row for row in self.subnets if any(each["rack_id"] == rack_id for each in self.serving[row["id"]])]


def for_rack(ctx: Context, rack: Rack, sections: Collection[str] | None = None) -> Document:
    """The document of one rack, all of it or some sections. What all documents have in common is read once for all
    racks that ask at that time."""
    while True:
        # What is counted is read before the content: the content is never older than what it is compared with.
        with ctx.db.transaction() as tx:
            row = tx.one("racks.desired.rack", rack_id=rack.id)
        site = ctx.site.get(lambda: _for_racks(ctx))
        content = _rack_content(ctx, site, rack)
        partners = site.pairing.partners(rack.id, site.subnets)
        content["dhcp"], held = dhcp_turns.given(ctx, rack.id, partners, content["dhcp"])
        if sections is not None:
            content = {name: content[name] for name in content if name in _ABOUT or name in sections}
        digest = _digest(content)
        if row is not None and row["desired_sha256"] != digest:
            with ctx.db.transaction() as tx:
                row = tx.one("racks.desired.advance", rack_id=rack.id, before=row["desired_sha256"], sha256=digest)
            if row is None:
                continue  # another process has counted this change, or a later one
        return _document(row["desired_generation"] if row else 0, content, digest, held=held)


def wait_for_rack(
    ctx: Context, rack: Rack, known_etag: str, wait_s: float, turn: Turn, sections: Collection[str] | None = None
) -> Document | None:
    """The rack's document once it differs from the one it knows; None after `wait_s` or when the `turn` ends."""
    give_up_at = ctx.clock.monotonic() + min(max(wait_s, 0.0), MAX_WAIT_S)
    with ctx.notifier.subscribe("rackyard_desired") as subscription:
        turn.on_end(subscription.wake)
        while not turn.over():
            document = for_rack(ctx, rack, sections)
            if document.etag != known_etag:
                return document
            left_s = give_up_at - ctx.clock.monotonic()
            woken = subscription.wait(min(left_s, HELD_S) if document.held else left_s)
            # Whoever hung up was not seen once more.
            if turn.over() or not enrolment.still_valid(ctx, rack):
                break
            if not (woken or (document.held and left_s > HELD_S)):
                break
    return None


def dhcp_sections(ctx: Context, racks: Iterable[Rack], snippets: Iterable[Snippet]) -> dict[int, dict[str, Any]]:
    """The sections `dhcp` and `dhcp6` of each rack, by its id, if these were the snippets; without what dhcpd is told
    while it runs, of which its configuration says nothing."""
    with ctx.db.transaction() as tx:
        site = _site(ctx, tx, snippets)
    return {rack.id: {"dhcp": _dhcp(ctx, site, rack), "dhcp6": _dhcp6(ctx, site, rack)} for rack in racks}


def for_region(ctx: Context) -> Document:
    """The document of the region's own host: racks and managed subnets may use its daemons.

    It tells the time to machines, and hears what they log, only where it is a rack too.
    """
    with ctx.db.transaction() as tx:
        site = _site(ctx, tx)
        published = zones.published(tx, domains.internal(ctx))
    rack_hosts = {_host_network(address) for address in site.rack_addresses()}
    is_rack = RACK in ctx.config.tiers
    clients = sorted(rack_hosts | {row["cidr"] for row in site.subnets} if is_rack else rack_hosts)
    content = {
        "domain": ctx.config.domain,
        "dns": {
            "trusted": sorted({*rack_hosts, *_cidrs(site.subnets, "allow_dns")}),
            "reverse": names.reverse_zones(
                (row for rows in site.serving.values() for row in rows),
                {row["id"]: row["cidr"] for row in site.subnets},
                published,
            ),
            "domains": sorted(published.zones),
        },
        "proxy": {
            "parents": [],
            "clients": sorted({*rack_hosts, *_cidrs(site.subnets, "allow_proxy")}),
            "forbidden": list(site.forbidden),
        },
        "syslog": {
            "relp_targets": _other_regions(ctx, site) if is_rack else [],
            "clients": clients,
            "relays": sorted(site.rack_addresses()),
        },
        "ntp": {"servers": [], "clients": clients},
    }
    return _document(0, content, _digest(content))


def _document(generation: int, content: dict[str, Any], digest: str, *, held: bool = False) -> Document:
    return Document({"generation": generation, **content}, f"{generation}-{digest}", held)


def _other_regions(ctx: Context, site: _Site) -> list[dict[str, Any]]:
    """Where a host that is region and rack brings its machines' lines, besides storing them."""
    return [{"address": each, "port": RELP_PORT} for each in site.regions if each not in ctx.config.addresses]


def _rack_content(ctx: Context, site: _Site, rack: Rack) -> dict[str, Any]:
    served = site.served_by(rack.id)
    regions = [*site.regions]
    return {
        "rack": {"system_id": rack.system_id, "hostname": rack.hostname},
        "domain": ctx.config.domain,
        "dhcp": _dhcp(ctx, site, rack),
        "dhcp6": _dhcp6(ctx, site, rack),
        "ra": {
            "interfaces": dhcp6.advertisements(
                _served6(ctx, site), [row for row in site.racks if row["rack_id"] == rack.id]
            )
        },
        "dns": {"forwarders": regions, "trusted": _cidrs(served, "allow_dns")},
        "http": {
            # For nginx of racks of the release before, which pass metadata on without TLS.
            "regions": [{"address": each, "port": REGION_HTTP_PORT} for each in regions],
            "tls_regions": [{"address": each, "port": port} for each in regions for port in ctx.config.rpc_ports],
        },
        "proxy": {
            "parents": [{"address": each, "port": PROXY_PORT} for each in regions],
            "clients": _cidrs(served, "allow_proxy"),
            "forbidden": list(site.forbidden),
        },
        "syslog": {
            # For racks of the release before, which send by plain TCP.
            "targets": [{"address": each, "port": SYSLOG_PORT} for each in regions],
            "relp_targets": [{"address": each, "port": RELP_PORT} for each in regions],
            "clients": [row["cidr"] for row in served],
        },
        "ntp": {"servers": regions, "clients": [row["cidr"] for row in served]},
        "tftp": {"loaders": _loaders(site.images)},
    }


def _dhcp(ctx: Context, site: _Site, rack: Rack) -> dict[str, Any]:
    networks = _dhcp_networks(ctx, site, rack)
    return {
        "networks": networks,
        "pairs": site.pairing.documents(rack.id, site.subnets),
        # Every machine of the site: one that is moved to another rack is no stranger there.
        "hosts": list(site.hosts) if networks else [],
        "reservations": _reservations(site, rack),
        **(site.snippets.for_everything() | site.snippets.for_machines() if networks else {}),
    }


def _reservations(site: _Site, rack: Rack) -> dict[str, list[str]]:
    """The addresses that are kept for machines in the subnets where the rack answers, by MAC."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in site.subnets:
        if row["id"] in site.reservations and site.pairing.serves(rack.id, row):
            for entry in site.reservations[row["id"]]:
                mac, _space, address = entry.partition(" ")
                found[mac].append(address)
    return dict(found)


def _dhcp6(ctx: Context, site: _Site, rack: Rack) -> dict[str, Any]:
    networks = dhcp6.networks(_served6(ctx, site), rack.id, lambda subnet: _serving(site, rack, subnet))
    return {"networks": networks, **(site.snippets.for_everything() if networks else {})}


def _served6(ctx: Context, site: _Site) -> dhcp6.Served:
    return dhcp6.Served(site.subnets, site.serving, site.pools, ctx.config.domain, site.snippets)


def _dhcp_networks(ctx: Context, site: _Site, rack: Rack) -> list[dict[str, Any]]:
    by_vlan: dict[int, list[Row]] = defaultdict(list)
    for row in site.subnets:
        if site.pairing.serves(rack.id, row):
            by_vlan[row["vlan_id"]].append(row)
    return [
        {
            "name": f"vlan-{vlan_id}",
            "mtu": rows[0]["mtu"],
            "subnets": [
                _dhcp_subnet(ctx, site, row, _serving(site, rack, row)) | _routes(site, row) | _pair(site, rack, row)
                for row in rows
            ],
        }
        for vlan_id, rows in sorted(by_vlan.items())
    ]


def _routes(site: _Site, subnet: Row) -> dict[str, Any]:
    return {"routes": site.routes[subnet["id"]]} if subnet["id"] in site.routes else {}


def _pair(site: _Site, rack: Rack, subnet: Row) -> dict[str, Any]:
    partner_id = site.pairing.partner(rack.id, subnet)
    return {} if partner_id is None else {"pair": site.pairing.name(rack.id, partner_id)}


def _dhcp_subnet(ctx: Context, site: _Site, row: Row, servers: list[str]) -> dict[str, Any]:
    return {
        "cidr": row["cidr"],
        "next_server": servers[0],
        "routers": [row["gateway_ip"]] if row["gateway_ip"] else [],
        # Racks first: only they resolve the internal domain, by which a booting machine finds its metadata. The option
        # holds no address of IPv6.
        "dns_servers": list(dict.fromkeys([*servers, *(each for each in row["dns_servers"] if ":" not in each)])),
        "ntp_servers": servers,
        "domain_name": ctx.config.domain,
        "pools": site.pools.get(row["id"], []),
        **site.snippets.for_subnet(row["id"]),
    }


def _serving(site: _Site, rack: Rack, subnet: Row) -> list[str]:
    """Addresses of racks for the subnet: this rack's own, then one of each other, in the order of their addresses.

    Of all racks that are enrolled, dead or alive: the list stands in dhcpd's configuration, which must not start anew
    at each death, and in leases that outlive it anyway. A client passes over a server that does not answer."""
    first: dict[int, str] = {}
    for row in site.serving[subnet["id"]]:
        first.setdefault(row["rack_id"], row["address"])
    own = first.pop(rack.id)
    return [own, *first.values()]


def _loaders(rows: Iterable[Row]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        for entry in images.loaders(row["manifest"]):
            path = f"/MAAS{images.URL_PREFIX}/{entry.place}"
            found.setdefault(
                entry.name,
                {"name": entry.name, "path": path, "sha256": entry.sha256, "size_bytes": entry.size_bytes},
            )
    return [found[name] for name in sorted(found)]


def _for_racks(ctx: Context) -> _Site:
    with ctx.db.transaction() as tx:
        kept = {row["subnet_id"]: row["reservations"] for row in tx.all("racks.desired.reservations")}
        return replace(_site(ctx, tx), hosts=tuple(_array(tx, "racks.desired.macs")), reservations=kept)


def _site(ctx: Context, tx: Transaction, given: Iterable[Snippet] | None = None) -> _Site:
    """The site now; with the snippets that are given in place of those that are kept."""
    snippets = Snippets.of(snippet_rows.all_of(tx) if given is None else given)
    regions = {*ctx.config.addresses, *(row["address"] for row in tx.all("racks.desired.regions"))}
    rack_rows = tx.all("racks.desired.all_rack_addresses")
    pools: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in tx.all("racks.desired.ranges"):
        ends = {"start": row["start_ip"], "end": row["end_ip"]}
        pools[row["subnet_id"]].append({**ends, **snippets.for_range(row["id"])})
    routes: dict[int, list[dict[str, str]]] = defaultdict(list)
    for row in tx.all("racks.desired.routes"):
        routes[row["source_id"]].append({"destination": row["destination"], "gateway": row["gateway"]})
    subnets = [{**row, "network": ip_network(row["cidr"])} for row in tx.all("racks.desired.subnets")]
    serving: dict[int, list[Row]] = {row["id"]: [] for row in subnets}
    for row in tx.all("racks.desired.serving"):
        if row["subnet_id"] in serving:
            serving[row["subnet_id"]].append(row)
    return _Site(
        regions=tuple(sorted(regions, key=_by_address)),
        racks=tuple(rack_rows),
        subnets=tuple(subnets),
        serving=serving,
        pools=pools,
        routes=routes,
        forbidden=tuple(
            forbidden.networks(
                bmcs=_array(tx, "racks.desired.bmc_addresses"),
                rack_interfaces=(row["interface"] for row in rack_rows),
                regions=regions,
                declared=(row["cidr"] for row in tx.all("racks.desired.declared_subnets")),
                managed=(row["cidr"] for row in subnets),
            )
        ),
        images=tuple(tx.all("racks.desired.images")),
        pairing=dhcp_pairs.load(tx, rack_rows, sorted(regions), serving),
        snippets=snippets,
    )


def _cidrs(rows: Iterable[Row], flag: str) -> list[str]:
    return [row["cidr"] for row in rows if row[flag]]


def _array(tx: Transaction, name: str) -> list[str]:
    """A query's only value: as rows, thousands of texts would take several times as long."""
    row = tx.one(name)
    assert row is not None
    (texts,) = row.values()
    return list(texts)


def _host_network(address: str) -> str:
    return str(ip_network(address))


def _by_address(address: str) -> tuple[int, int]:
    parsed = ip_address(address)
    return parsed.version, int(parsed)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
