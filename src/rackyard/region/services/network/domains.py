# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains: the internal one, which is the region's, and those that operators have it serve."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.machines import devices as device_rows
from rackyard.region.db.machines import registry as machine_rows
from rackyard.region.db.network import domains as rows
from rackyard.region.db.network import reserved as reserved_rows
from rackyard.region.db.network.domains import Domain
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.network import dns_data
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

INTERNAL_ID = 0
_NAMED = 10


@dataclass(frozen=True)
class DomainDetails:
    """A domain, how many records (addresses too) operators have put in it, and whether it is the default one, in which
    new machines and devices are."""

    domain: Domain
    record_count: int
    is_default: bool


@dataclass(frozen=True)
class HostName:
    """What a machine or a device is called."""

    hostname: str
    domain: Domain

    @property
    def fqdn(self) -> str:
        """The full name, without a final dot."""
        return f"{self.hostname}.{self.domain.name}"


@dataclass(frozen=True)
class DomainWish:
    """What an operator wants a domain to be; None leaves things as they are, an empty `ttl` means the default."""

    name: str | None = None
    ttl: str | None = None
    authoritative: bool | None = None


@contextmanager
def changing(ctx: Context, actor: Actor) -> Iterator[Transaction]:
    """A transaction in which nobody else changes names. Raises Forbidden."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_NETWORK)
        device_rows.lock(tx)
        yield tx


def list_all(ctx: Context) -> list[DomainDetails]:
    """All domains by id, the internal one first: one statement."""
    with ctx.db.transaction() as tx:
        return of_site(ctx, tx)


def of_site(ctx: Context, tx: Transaction) -> list[DomainDetails]:
    """The same within a transaction."""
    own = [DomainDetails(*each) for each in rows.told(tx)]
    return [DomainDetails(internal(ctx), 0, not any(each.is_default for each in own)), *own]


def read(ctx: Context, specifier: str) -> DomainDetails:
    """One domain by name or id. Raises NotFound."""
    for details in list_all(ctx):
        if is_called(details.domain, specifier):
            return details
    raise _none_of(specifier)


def create(ctx: Context, actor: Actor, wish: DomainWish) -> DomainDetails:
    """A new domain. Raises Forbidden, Invalid."""
    with changing(ctx, actor) as tx:
        name = _free_name(ctx, tx, wish.name or "")
        ttl, served = dns_data.ttl("ttl", wish.ttl), wish.authoritative is not False
        domain = Domain(rows.add(tx, "domain", name=name, ttl=ttl, authoritative=served), name, ttl, served)
        return DomainDetails(domain, 0, is_default=False)


def update(ctx: Context, actor: Actor, specifier: str, wish: DomainWish) -> DomainDetails:
    """Change what is given. Raises Forbidden, NotFound, Invalid (the internal domain is not changed)."""
    with changing(ctx, actor) as tx:
        before = find(ctx, tx, specifier)
        _refuse_internal(before, "changed")
        is_new = wish.name is not None and wish.name.strip().lower().rstrip(".") != before.name
        after = Domain(
            before.id,
            _free_name(ctx, tx, wish.name or "") if is_new else before.name,
            before.ttl if wish.ttl is None else dns_data.ttl("ttl", wish.ttl),
            before.authoritative if wish.authoritative is None else wish.authoritative,
        )
        if after.name != before.name:
            _refuse_what_does_not_fit(tx, after)
        if after != before:
            rows.update(tx, "domain", after.id, name=after.name, ttl=after.ttl, authoritative=after.authoritative)
    return read(ctx, str(before.id))


def delete(ctx: Context, actor: Actor, specifier: str) -> None:
    """Remove a domain that has no names. Raises Forbidden, NotFound, Invalid, Conflict."""
    with changing(ctx, actor) as tx:
        domain = find(ctx, tx, specifier)
        _refuse_internal(domain, "deleted")
        if domain == rows.default(tx):
            raise Conflict(f"Domain {domain.name} is the default one; make another one that first (op=set_default).")
        names = [resource.fqdn for resource in rows.resources(tx, domain.id)]
        if names:
            raise Conflict(f"Domain {domain.name} still has {_some(names)}; delete these dnsresources/ first.")
        for word, hosts in (
            ("Device", device_rows.names_in(tx, domain.id)),
            ("Machine", machine_rows.hostnames_in(tx, domain.id)),
            ("Reserved address", reserved_rows.names_in(tx, domain.id)),
        ):
            if hosts:
                raise Conflict(
                    f"{word} {_some(hosts)} is in domain {domain.name}; put what is there in another one first."
                )
        rows.delete(tx, "domain", domain.id)


def set_default(ctx: Context, actor: Actor, specifier: str) -> DomainDetails:
    """Have new machines and devices in this domain from now on. Raises Forbidden, NotFound."""
    with changing(ctx, actor) as tx:
        domain = find(ctx, tx, specifier)
        if domain != (rows.default(tx) or internal(ctx)):
            rows.make_default(tx, None if domain.id == INTERNAL_ID else domain.id)
    return read(ctx, str(domain.id))


def set_serial(ctx: Context, actor: Actor, text: str) -> None:
    """Have all zones of all regions go on from this serial. Raises Forbidden, Invalid (it is no step forward)."""
    with changing(ctx, actor) as tx:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= dns_data.MAX_SERIAL:
            raise Invalid.field(
                "serial", f"{validation.shown(text)} is no serial; write a number from 1 to {dns_data.MAX_SERIAL}."
            )
        present = dns_data.latest_serial(rows.known_serials(tx))
        if present is not None and not dns_data.is_later(int(text), present):
            raise Invalid.field(
                "serial",
                f"{text} is not after the present serial, {present} (RFC 1982); the one furthest after it is "
                f"{dns_data.furthest_serial(present)}.",
            )
        rows.set_serial(tx, int(text))


def of_host(ctx: Context, tx: Transaction, hostname: str, domain: str | None, before: Domain | None) -> HostName:
    """What a machine or device is called: by its name alone, or with its domain, which `domain` (name or id) may say
    too; otherwise it is `before`, or the default one. Raises Invalid."""
    label, _dot, rest = hostname.strip().lower().rstrip(".").partition(".")
    name = validation.hostname("hostname", label, ctx.config.domain)
    if domain or rest:
        try:
            place = find(ctx, tx, domain or rest)
        except NotFound as error:
            raise Invalid.field("domain" if domain else "hostname", error.message) from error
    else:
        place = before or rows.default(tx) or internal(ctx)
    if rest and rest != place.name:
        raise Invalid.field("hostname", f"{validation.shown(rest)} is not the domain {place.name}; leave it out.")
    return HostName(name, place)


def require_free(tx: Transaction, wanted: HostName, account_id: int | None = None) -> None:
    """What operators have put in a domain keeps its name, and so do reserved addresses, unless they are those of that
    account. Raises Invalid."""
    for owner in reserved_rows.namesakes(tx, wanted.hostname, wanted.domain.id):
        if owner.id != account_id:
            raise Invalid.field(
                "hostname",
                f"{wanted.fqdn} is the name of an address that {owner.username} has reserved (GET ipaddresses/); "
                "choose another hostname.",
            )
    if wanted.domain.id == INTERNAL_ID:
        return
    fqdn = wanted.fqdn
    if len(fqdn) > dns_data.MAX_NAME:
        raise Invalid.field(
            "hostname", f"{fqdn} has more than {dns_data.MAX_NAME} characters; choose a shorter hostname."
        )
    if any(resource.name == wanted.hostname for resource in rows.resources(tx, wanted.domain.id)):
        raise Invalid.field(
            "hostname", f"DNS name {fqdn} exists already (GET dnsresources/?fqdn={fqdn}); choose another hostname."
        )


def internal(ctx: Context) -> Domain:
    """The domain of racks' names, and of machines."""
    return Domain(INTERNAL_ID, ctx.config.domain, None, True)


def find(ctx: Context, tx: Transaction, specifier: str) -> Domain:
    """One domain by name or id, the internal one among them. Raises NotFound."""
    for domain in (internal(ctx), *rows.domains(tx)):
        if is_called(domain, specifier):
            return domain
    raise _none_of(specifier)


def longest_suffix(known: Sequence[Domain], fqdn: str) -> Domain | None:
    """The domain that a full name is in; of several the one with the longest name."""
    around = [domain for domain in known if fqdn == domain.name or fqdn.endswith(f".{domain.name}")]
    return max(around, key=lambda domain: len(domain.name), default=None)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def is_called(domain: Domain, specifier: str) -> bool:
    """Whether a name or an id means this domain."""
    return specifier.strip().lower().rstrip(".") in (str(domain.id), domain.name)


def _none_of(specifier: str) -> NotFound:
    return NotFound(f"There is no domain {validation.shown(specifier)}; list them with GET domains/.")


def _free_name(ctx: Context, tx: Transaction, text: str) -> str:
    name = dns_data.domain_name("name", text, ctx.config.domain)
    if any(domain.name == name for domain in rows.domains(tx)):
        raise Invalid.field("name", f"Domain {name} exists already; change that domain instead.")
    return name


def _refuse_what_does_not_fit(tx: Transaction, renamed: Domain) -> None:
    """Names, and data of records, that would be too long in a domain of this name."""
    names = [resource.name for resource in rows.resources(tx, renamed.id)]
    hosts = (*device_rows.names_in(tx, renamed.id), *machine_rows.hostnames_in(tx, renamed.id))
    for name in (*names, *hosts, *reserved_rows.names_in(tx, renamed.id)):
        dns_data.label("name", name, renamed.name)
    for known in rows.records(tx, renamed.id):
        dns_data.rrdata(known.rrtype, known.rrdata, renamed.name)


def _refuse_internal(domain: Domain, what: str) -> None:
    if domain.id == INTERNAL_ID:
        raise Invalid.field(
            "name",
            f"{domain.name} is the internal domain, it cannot be {what}: machines find their racks by it. Its name is "
            "rackyard_domain of the playbooks.",
        )
