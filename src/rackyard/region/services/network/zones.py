# SPDX-License-Identifier: GPL-3.0-or-later
"""What domains hold for operators, as records of zones: what is put there by hand, machines and devices with their
addresses, and addresses that people have reserved by name. The internal domain has the latter beside names of racks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

from rackyard.region.db.machines import devices as device_rows
from rackyard.region.db.machines import registry as machine_rows
from rackyard.region.db.network import domains as rows
from rackyard.region.db.network import reserved as reserved_rows
from rackyard.region.db.network.domains import Domain, Record, Resource
from rackyard.region.db.pool import Transaction
from rackyard.region.services.network import dns_data

# What a name has, each as `30 A 198.51.100.7`: TTL, type, data.
Records = frozenset[str]
# As MAAS's default_dns_ttl.
DEFAULT_TTL_S = 30


@dataclass(frozen=True)
class Published:
    """What regions answer for operators: by domain and label, by address the records that lead back, and in the
    internal domain by label."""

    zones: Mapping[str, Mapping[str, Records]] = field(default_factory=dict)
    pointers: Mapping[str, Records] = field(default_factory=dict)
    internal: Mapping[str, Records] = field(default_factory=dict)


def published(tx: Transaction, internal: Domain) -> Published:
    """Everything in domains that regions are authoritative for: six statements."""
    served = {domain.id: domain for domain in (internal, *rows.domains(tx)) if domain.authoritative}
    resources = [resource for resource in rows.resources(tx) if resource.domain_id in served]
    of_name: dict[int, list[Record]] = defaultdict(list)
    for known in rows.records(tx):
        of_name[known.resource_id].append(known)
    zones: dict[str, dict[str, Records]] = {domain.name: {} for domain in served.values()}
    pointers: dict[str, set[str]] = defaultdict(set)
    for resource in resources:
        domain = served[resource.domain_id]
        entries = _entries(resource, domain, of_name[resource.id])
        if entries:
            zones[domain.name][resource.name] = entries
        if not resource.name.startswith("*"):
            for address in resource.addresses:
                pointers[address].add(f"{_ttl(resource.address_ttl, domain)} PTR {resource.fqdn}.")
    # One name is enough to lead back to, and what an operator has said counts for more.
    said = frozenset(pointers)
    hosts = (*device_rows.published(tx), *machine_rows.names(tx), *reserved_rows.names(tx))
    for domain_id, hostname, address in hosts:
        if domain_id in served:
            domain = served[domain_id]
            ttl = _ttl(None, domain)
            zones[domain.name][hostname] = zones[domain.name].get(hostname, frozenset()) | {_address(ttl, address)}
            if address not in said:
                pointers[address].add(f"{ttl} PTR {hostname}.{domain.name}.")
    own = zones.pop(internal.name)
    return Published(zones, {address: _one_ttl(records) for address, records in pointers.items()}, own)


def _entries(resource: Resource, domain: Domain, records: Iterable[Record]) -> Records:
    address_ttl = _ttl(resource.address_ttl, domain)
    found = {_address(address_ttl, address) for address in resource.addresses}
    for known in records:
        data = dns_data.rrdata(known.rrtype, known.rrdata, domain.name)
        found.add(f"{_ttl(known.ttl, domain)} {known.rrtype} {data}")
    return _one_ttl(found)


def _address(ttl: int, address: str) -> str:
    return f"{ttl} {'A' if ip_address(address).version == 4 else 'AAAA'} {address}"


def _ttl(own: int | None, domain: Domain) -> int:
    return own or domain.ttl or DEFAULT_TTL_S


def _one_ttl(records: Iterable[str]) -> Records:
    """Records of one name and type have one time to live (RFC 2181 section 5.2): the shortest that was asked for."""
    parts = [record.split(" ", 2) for record in records]
    shortest = {kind: min(int(ttl) for ttl, each, _data in parts if each == kind) for _ttl, kind, _data in parts}
    return frozenset(f"{shortest[kind]} {kind} {data}" for _ttl, kind, data in parts)
