# SPDX-License-Identifier: GPL-3.0-or-later
"""Names that operators put in domains of their own: addresses and other records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from rackyard.region.context import Context
from rackyard.region.db.machines import devices as device_rows
from rackyard.region.db.machines import registry as machine_rows
from rackyard.region.db.network import domains as rows
from rackyard.region.db.network import reserved as reserved_rows
from rackyard.region.db.network.domains import Record, Resource
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Invalid, NotFound
from rackyard.region.services.network import dns_data, domains
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor

MAX_ADDRESSES = 64


@dataclass(frozen=True)
class ResourceDetails:
    """A name with all that it has."""

    resource: Resource
    records: Sequence[Record]


@dataclass(frozen=True)
class Place:
    """Which name is meant: by `fqdn`, or by `name` in `domain` (name or id)."""

    fqdn: str | None = None
    name: str | None = None
    domain: str | None = None

    @property
    def is_given(self) -> bool:
        """Whether anything is said."""
        return bool(self.fqdn or self.name or self.domain)


@dataclass(frozen=True)
class ResourceWish:
    """What an operator wants a name to have; None leaves things as they are, an empty `address_ttl` is the default."""

    place: Place
    address_ttl: str | None = None
    ip_addresses: Sequence[str] | None = None


@dataclass(frozen=True)
class RecordWish:
    """What an operator wants a record to be; None leaves things as they are, an empty `ttl` means the default."""

    rrtype: str | None = None
    rrdata: str | None = None
    ttl: str | None = None


def list_all(ctx: Context) -> list[ResourceDetails]:
    """All names by id: two statements."""
    with ctx.db.transaction() as tx:
        return _load(tx)


def read(ctx: Context, resource_id: int) -> ResourceDetails:
    """One name. Raises NotFound."""
    with ctx.db.transaction() as tx:
        return _find(tx, resource_id)


def read_record(ctx: Context, record_id: int) -> tuple[Resource, Record]:
    """One record with its name. Raises NotFound."""
    with ctx.db.transaction() as tx:
        return _find_record(tx, record_id)


def create(ctx: Context, actor: Actor, wish: ResourceWish) -> ResourceDetails:
    """A new name. Raises Forbidden, Invalid."""
    with domains.changing(ctx, actor) as tx:
        resource = _placed(ctx, tx, wish.place)
        if _at(tx, resource) is not None:
            raise Invalid.field(
                "name", f"{resource.fqdn} exists already; change that one (GET dnsresources/?fqdn={resource.fqdn})."
            )
        made = replace(
            resource,
            address_ttl=dns_data.ttl("address_ttl", wish.address_ttl),
            addresses=_addresses(wish.ip_addresses or ()),
        )
        _check(made, [])
        return _added(tx, made)


def update(ctx: Context, actor: Actor, resource_id: int, wish: ResourceWish) -> ResourceDetails:
    """Change what is given. Raises Forbidden, NotFound, Invalid."""
    with domains.changing(ctx, actor) as tx:
        before = _find(tx, resource_id)
        resource = before.resource
        if wish.place.is_given:
            given = wish.place if wish.place.fqdn else replace(
                wish.place, name=wish.place.name or resource.name, domain=wish.place.domain or resource.domain
            )  # fmt: skip
            moved = _placed(ctx, tx, given)
            other = _at(tx, moved)
            if other is not None and other.resource.id != resource.id:
                raise Invalid.field("name", f"{moved.fqdn} exists already; choose another name.")
            _refuse_host(tx, moved)
            resource = replace(resource, domain_id=moved.domain_id, domain=moved.domain, name=moved.name)
        after = replace(
            resource,
            address_ttl=(
                resource.address_ttl if wish.address_ttl is None else dns_data.ttl("address_ttl", wish.address_ttl)
            ),
            addresses=resource.addresses if wish.ip_addresses is None else _addresses(wish.ip_addresses),
        )
        _check(after, before.records)
        if after != before.resource:
            rows.update(tx, "resource", after.id, **_columns(after))
        return ResourceDetails(after, before.records)


def delete(ctx: Context, actor: Actor, resource_id: int) -> None:
    """Remove a name with all that it has. Raises Forbidden, NotFound."""
    with domains.changing(ctx, actor) as tx:
        resource = _find(tx, resource_id).resource
        rows.delete(tx, "resource", resource.id)


def create_record(ctx: Context, actor: Actor, place: Place, wish: RecordWish) -> tuple[Resource, Record]:
    """A new record; its name is made if it is not there. Raises Forbidden, Invalid."""
    with domains.changing(ctx, actor) as tx:
        placed = _placed(ctx, tx, place)
        there = _at(tx, placed) or _added(tx, placed)
        resource = there.resource
        made = _wished(resource, Record(0, resource.id, "", "", None), wish)
        _check(resource, [*there.records, made])
        record_id = rows.add(
            tx, "record", resource_id=resource.id, rrtype=made.rrtype, rrdata=made.rrdata, ttl=made.ttl
        )
        return resource, replace(made, id=record_id)


def update_record(ctx: Context, actor: Actor, record_id: int, wish: RecordWish) -> tuple[Resource, Record]:
    """Change what is given. Raises Forbidden, NotFound, Invalid."""
    with domains.changing(ctx, actor) as tx:
        resource, before = _find_record(tx, record_id)
        after = _wished(resource, before, wish)
        others = [known for known in _find(tx, resource.id).records if known.id != before.id]
        _check(resource, [*others, after])
        if after != before:
            rows.update(tx, "record", after.id, rrtype=after.rrtype, rrdata=after.rrdata, ttl=after.ttl)
        return resource, after


def delete_record(ctx: Context, actor: Actor, record_id: int) -> None:
    """Remove a record, and its name when it has nothing else, as MAAS does. Raises Forbidden, NotFound."""
    with domains.changing(ctx, actor) as tx:
        resource, gone = _find_record(tx, record_id)
        rows.delete(tx, "record", gone.id)
        if not resource.addresses and not _find(tx, resource.id).records:
            rows.delete(tx, "resource", resource.id)


def _load(tx: Transaction) -> list[ResourceDetails]:
    of_name: dict[int, list[Record]] = defaultdict(list)
    for known in rows.records(tx):
        of_name[known.resource_id].append(known)
    return [ResourceDetails(resource, of_name[resource.id]) for resource in rows.resources(tx)]


def _find(tx: Transaction, resource_id: int) -> ResourceDetails:
    for details in _load(tx):
        if details.resource.id == resource_id:
            return details
    raise NotFound(f"There is no DNS name with the id {resource_id}; list them with GET dnsresources/.")


def _find_record(tx: Transaction, record_id: int) -> tuple[Resource, Record]:
    for details in _load(tx):
        for known in details.records:
            if known.id == record_id:
                return details.resource, known
    raise NotFound(f"There is no DNS record with the id {record_id}; list them with GET dnsresourcerecords/.")


def _at(tx: Transaction, place: Resource) -> ResourceDetails | None:
    for details in _load(tx):
        if (details.resource.domain_id, details.resource.name) == (place.domain_id, place.name):
            return details
    return None


def _placed(ctx: Context, tx: Transaction, place: Place) -> Resource:
    """A name that is not stored yet, with nothing in it."""
    if place.fqdn:
        fqdn = place.fqdn.strip().lower().rstrip(".")
        domain = domains.longest_suffix([domains.internal(ctx), *rows.domains(tx)], fqdn)
        if domain is None:
            raise Invalid.field(
                "fqdn", f"{validation.shown(place.fqdn)} is in no domain of this site; make one with POST domains/."
            )
        field, name = "fqdn", fqdn.removesuffix(domain.name).rstrip(".") or dns_data.APEX
    else:
        if not place.name or not place.domain:
            raise Invalid.field("fqdn", "Give the full name as fqdn, or name and domain.")
        try:
            domain = domains.find(ctx, tx, place.domain)
        except NotFound as error:
            raise Invalid.field("domain", error.message) from error
        field, name = "name", place.name
    if domain.id == domains.INTERNAL_ID:
        raise Invalid.field(
            "domain", f"{domain.name} holds the names of racks only; make a domain of your own with POST domains/."
        )
    return Resource(0, domain.id, domain.name, dns_data.label(field, name, domain.name), None, [])


def _added(tx: Transaction, resource: Resource) -> ResourceDetails:
    _refuse_host(tx, resource)
    made = replace(resource, id=rows.add(tx, "resource", **_columns(resource)))
    return ResourceDetails(made, [])


def _refuse_host(tx: Transaction, resource: Resource) -> None:
    """The name of a machine, device or reserved address leads to its own addresses, and has nothing else."""
    for word, path, hosts in (
        ("device", "devices/", device_rows.names_in(tx, resource.domain_id)),
        ("machine", "machines/", machine_rows.hostnames_in(tx, resource.domain_id)),
        ("reserved address", "ipaddresses/?all=true", reserved_rows.names_in(tx, resource.domain_id)),
    ):
        if resource.name in hosts:
            raise Invalid.field("name", f"{resource.fqdn} is a {word} (GET {path}); choose another name.")


def _columns(resource: Resource) -> dict[str, object]:
    return {
        "domain_id": resource.domain_id,
        "name": resource.name,
        "address_ttl": resource.address_ttl,
        "addresses": resource.addresses,
    }


def _addresses(given: Sequence[str]) -> list[str]:
    """In the order in which they are stored: by value, each once."""
    if len(given) > MAX_ADDRESSES:
        raise Invalid.field("ip_addresses", f"A name has at most {MAX_ADDRESSES} addresses; give fewer.")
    parsed = {validation.address("ip_addresses", text) for text in given}
    return [str(address) for address in sorted(parsed, key=lambda address: (address.version, int(address)))]


def _wished(resource: Resource, before: Record, wish: RecordWish) -> Record:
    kind = before.rrtype if wish.rrtype is None and before.rrtype else dns_data.rrtype(wish.rrtype)
    text = before.rrdata if wish.rrdata is None else wish.rrdata.strip()
    dns_data.rrdata(kind, text, resource.domain)
    return replace(
        before, rrtype=kind, rrdata=text, ttl=before.ttl if wish.ttl is None else dns_data.ttl("ttl", wish.ttl)
    )


def _check(resource: Resource, records: Sequence[Record]) -> None:
    """What a name may have together (RFC 1034 section 3.6.2), and what its data mean in its domain."""
    kinds = [known.rrtype for known in records]
    if resource.name == dns_data.APEX and {"CNAME", "NS"} & set(kinds):
        raise Invalid.field("rrtype", f"{resource.fqdn} is a domain itself; a CNAME or NS is for a name within it.")
    if "_" in resource.name and (resource.addresses or "MX" in kinds):
        raise Invalid.field(
            "name", f"{resource.fqdn} is no host name; addresses and MX are for one without underscores."
        )
    if "CNAME" in kinds and (len(kinds) > 1 or resource.addresses):
        raise Invalid.field(
            "rrtype", f"{resource.fqdn} cannot have a CNAME and anything else (RFC 1034); remove the one or the other."
        )
    seen = set()
    for known in records:
        entry = (known.rrtype, dns_data.rrdata(known.rrtype, known.rrdata, resource.domain))
        if entry in seen:
            raise Invalid.field("rrdata", f"{resource.fqdn} has {known.rrtype} {known.rrdata} already.")
        seen.add(entry)
