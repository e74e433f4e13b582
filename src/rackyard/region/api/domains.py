# SPDX-License-Identifier: GPL-3.0-or-later
"""`domains/`, `dnsresources/` (names with addresses) and `dnsresourcerecords/` (whatever else names have)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rackyard.region.api import shapes
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.network.domains import Record
from rackyard.region.db.network.domains import Resource as Name
from rackyard.region.services.network import dns_records, domains
from rackyard.region.services.network.dns_records import Place, RecordWish, ResourceDetails, ResourceWish
from rackyard.region.services.network.domains import DomainWish

domain_collection = Resource("/domains/", "Domains", "All domains.")
one_domain = Resource("/domains/<domain>/", "Domain", "One domain, by id or name.", domain="id")
name_collection = Resource("/dnsresources/", "DNSResources", "All names in operators' domains.")
one_name = Resource("/dnsresources/<int:resource_id>/", "DNSResource", "One name.", resource_id="id")
record_collection = Resource("/dnsresourcerecords/", "DNSResourceRecords", "All records that are no addresses.")
one_record = Resource("/dnsresourcerecords/<int:record_id>/", "DNSResourceRecord", "One record.", record_id="id")

_DOMAIN: Takes = {"name": Kind.TEXT, "ttl": Kind.TEXT, "authoritative": Kind.FLAG}
_PLACE: Takes = {"fqdn": Kind.TEXT, "name": Kind.TEXT, "domain": Kind.TEXT}
_NAME: Takes = {**_PLACE, "address_ttl": Kind.TEXT, "ip_addresses": Kind.WORDS}
_RECORD: Takes = {"rrtype": Kind.TEXT, "rrdata": Kind.TEXT, "ttl": Kind.TEXT}
# MAAS's `all` would show the names of machines too; here are those that operators wrote.
_FILTER: Takes = {**_PLACE, "rrtype": Kind.TEXT, "all": Kind.FLAG}
# MAAS's type of an address that somebody chose.
_USER_RESERVED = {"alloc_type": 4, "alloc_type_name": "User reserved"}


@domain_collection.read()
def list_domains(call: Call) -> list[dict[str, Any]]:
    """Every domain. The internal one has the names of racks, and is the default one until another is made that."""
    return [shapes.domain(known) for known in domains.list_all(call.ctx)]


@domain_collection.create(takes=_DOMAIN)
def create_domain(call: Call) -> dict[str, Any]:
    """A new domain, which the regions serve unless `authoritative` is false."""
    return shapes.domain(domains.create(call.ctx, call.actor, _domain_wish(call.params)))


@domain_collection.create("set_serial", takes={"serial": Kind.TEXT})
def set_serial(call: Call) -> None:
    """Have all zones go on from this serial, which must be later than the present one (RFC 1982)."""
    domains.set_serial(call.ctx, call.actor, call.params.text("serial") or "")


@one_domain.read()
def read_domain(call: Call, domain: str) -> dict[str, Any]:
    """One domain."""
    return shapes.domain(domains.read(call.ctx, domain))


@one_domain.update(takes=_DOMAIN)
def update_domain(call: Call, domain: str) -> dict[str, Any]:
    """Change what is given."""
    return shapes.domain(domains.update(call.ctx, call.actor, domain, _domain_wish(call.params)))


@one_domain.create("set_default")
def make_domain_default(call: Call, domain: str) -> dict[str, Any]:
    """Have new machines and devices in this domain from now on."""
    return shapes.domain(domains.set_default(call.ctx, call.actor, domain))


@one_domain.delete()
def delete_domain(call: Call, domain: str) -> None:
    """Remove a domain that has no names."""
    domains.delete(call.ctx, call.actor, domain)


@name_collection.read(takes=_FILTER)
def list_names(call: Call) -> list[dict[str, Any]]:
    """Names, those with this `fqdn`, `name`, `domain` (name or id) or a record of this `rrtype` where given."""
    kinds = call.params.text("rrtype")
    return [
        _name(details)
        for details in dns_records.list_all(call.ctx)
        if _is_meant(details.resource, call.params) and (not kinds or kinds.upper() in _types(details))
    ]


@name_collection.create(takes=_NAME)
def create_name(call: Call) -> dict[str, Any]:
    """A new name, by `fqdn` or `name` and `domain`, with its addresses."""
    return _name(dns_records.create(call.ctx, call.actor, _name_wish(call.params)))


@one_name.read()
def read_name(call: Call, resource_id: int) -> dict[str, Any]:
    """One name."""
    return _name(dns_records.read(call.ctx, resource_id))


@one_name.update(takes=_NAME)
def update_name(call: Call, resource_id: int) -> dict[str, Any]:
    """Change what is given; `ip_addresses` are all that it has then."""
    return _name(dns_records.update(call.ctx, call.actor, resource_id, _name_wish(call.params)))


@one_name.delete()
def delete_name(call: Call, resource_id: int) -> None:
    """Remove a name with all its records."""
    dns_records.delete(call.ctx, call.actor, resource_id)


@record_collection.read(takes=_FILTER)
def list_records(call: Call) -> list[dict[str, Any]]:
    """Records that are no addresses, of this `fqdn`, `name`, `domain` or `rrtype` where given."""
    kind = call.params.text("rrtype")
    return [
        _record(details.resource, known)
        for details in dns_records.list_all(call.ctx)
        if _is_meant(details.resource, call.params)
        for known in details.records
        if not kind or kind.upper() == known.rrtype
    ]


@record_collection.create(takes={**_PLACE, **_RECORD})
def create_record(call: Call) -> dict[str, Any]:
    """A new record; its name is made if it is not there."""
    made = dns_records.create_record(call.ctx, call.actor, _place(call.params), _record_wish(call.params))
    return _record(*made)


@one_record.read()
def read_record(call: Call, record_id: int) -> dict[str, Any]:
    """One record."""
    return _record(*dns_records.read_record(call.ctx, record_id))


@one_record.update(takes=_RECORD)
def update_record(call: Call, record_id: int) -> dict[str, Any]:
    """Change what is given."""
    return _record(*dns_records.update_record(call.ctx, call.actor, record_id, _record_wish(call.params)))


@one_record.delete()
def delete_record(call: Call, record_id: int) -> None:
    """Remove a record, and its name if it has nothing else."""
    dns_records.delete_record(call.ctx, call.actor, record_id)


def _domain_wish(params: Params) -> DomainWish:
    return DomainWish(params.text("name"), params.text("ttl"), params.flag("authoritative"))


def _place(params: Params) -> Place:
    return Place(params.text("fqdn"), params.text("name"), params.text("domain"))


def _name_wish(params: Params) -> ResourceWish:
    return ResourceWish(_place(params), params.text("address_ttl"), params.words("ip_addresses"))


def _record_wish(params: Params) -> RecordWish:
    return RecordWish(params.text("rrtype"), params.text("rrdata"), params.text("ttl"))


def _is_meant(known: Name, params: Params) -> bool:
    has = {"fqdn": {known.fqdn}, "name": {known.name}, "domain": {known.domain, str(known.domain_id)}}
    asked = {field: (params.text(field) or "").strip().lower().rstrip(".") for field in has}
    return all(not asked[field] or asked[field] in values for field, values in has.items())


def _types(details: ResourceDetails) -> Sequence[str]:
    addresses = ["AAAA" if ":" in address else "A" for address in details.resource.addresses]
    return [*addresses, *(known.rrtype for known in details.records)]


def _name(details: ResourceDetails) -> dict[str, Any]:
    known = details.resource
    return {
        "id": known.id,
        "fqdn": known.fqdn,
        "address_ttl": known.address_ttl,
        "ip_addresses": [{"ip": address, **_USER_RESERVED} for address in known.addresses],
        "resource_records": [_record(known, each) for each in details.records],
        "resource_uri": f"{ROOT}/dnsresources/{known.id}/",
    }


def _record(known: Name, record: Record) -> dict[str, Any]:
    return {
        "id": record.id,
        "fqdn": known.fqdn,
        "ttl": record.ttl,
        "rrtype": record.rrtype,
        "rrdata": record.rrdata,
        "resource_uri": f"{ROOT}/dnsresourcerecords/{record.id}/",
    }
