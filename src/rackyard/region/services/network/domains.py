# SPDX-License-Identifier: GPL-3.0-or-later
"""Domains: the internal one, which is the region's, and those that operators have it serve."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.machines import devices as device_rows
from rackyard.region.db.network import domains as rows
from rackyard.region.db.network.domains import Domain
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.network import dns_data
from rackyard.region.services.site import journal, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

INTERNAL_ID = 0
_NAMED = 10


@dataclass(frozen=True)
class DomainDetails:
    """A domain, and how many records (addresses too) operators have put in it."""

    domain: Domain
    record_count: int


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
    """All domains by id, the internal one first: three statements."""
    with ctx.db.transaction() as tx:
        return of_site(ctx, tx)


def of_site(ctx: Context, tx: Transaction) -> list[DomainDetails]:
    """The same within a transaction."""
    known = [internal(ctx), *rows.domains(tx)]
    resources = rows.resources(tx)
    domain_of = {resource.id: resource.domain_id for resource in resources}
    counts = Counter(domain_of[record.resource_id] for record in rows.records(tx))
    for resource in resources:
        counts[resource.domain_id] += len(resource.addresses)
    return [DomainDetails(domain, counts[domain.id]) for domain in known]


def read(ctx: Context, specifier: str) -> DomainDetails:
    """One domain by name or id. Raises NotFound."""
    for details in list_all(ctx):
        if _is_called(details.domain, specifier):
            return details
    raise _none_of(specifier)


def create(ctx: Context, actor: Actor, wish: DomainWish) -> DomainDetails:
    """A new domain. Raises Forbidden, Invalid."""
    with changing(ctx, actor) as tx:
        name = _free_name(ctx, tx, wish.name or "")
        ttl, served = dns_data.ttl("ttl", wish.ttl), wish.authoritative is not False
        domain = Domain(rows.add(tx, "domain", name=name, ttl=ttl, authoritative=served), name, ttl, served)
        record(ctx, tx, actor, f"Domain {name} was created")
        return DomainDetails(domain, 0)


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
            record(ctx, tx, actor, f"Domain {after.name} was changed")
    return read(ctx, str(before.id))


def delete(ctx: Context, actor: Actor, specifier: str) -> None:
    """Remove a domain that has no names. Raises Forbidden, NotFound, Invalid, Conflict."""
    with changing(ctx, actor) as tx:
        domain = find(ctx, tx, specifier)
        _refuse_internal(domain, "deleted")
        names = [resource.fqdn for resource in rows.resources(tx, domain.id)]
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            raise Conflict(
                f"Domain {domain.name} still has {', '.join(names[:_NAMED])}{more}; delete these dnsresources/ first."
            )
        devices = device_rows.names_in(tx, domain.id)
        if devices:
            more = f" and {len(devices) - _NAMED} more" if len(devices) > _NAMED else ""
            raise Conflict(
                f"Device {', '.join(devices[:_NAMED])}{more} is in domain {domain.name}; put it in another one first."
            )
        rows.delete(tx, "domain", domain.id)
        record(ctx, tx, actor, f"Domain {domain.name} was deleted")


def internal(ctx: Context) -> Domain:
    """The domain of racks' names, and of machines."""
    return Domain(INTERNAL_ID, ctx.config.domain, None, True)


def find(ctx: Context, tx: Transaction, specifier: str) -> Domain:
    """One domain by name or id, the internal one among them. Raises NotFound."""
    for domain in (internal(ctx), *rows.domains(tx)):
        if _is_called(domain, specifier):
            return domain
    raise _none_of(specifier)


def record(ctx: Context, tx: Transaction, actor: Actor, description: str) -> None:
    """One line in the audit trail."""
    journal.record(tx, ctx.clock.now(), "DNS", description, level=journal.AUDIT, username=actor.username)


def longest_suffix(known: Sequence[Domain], fqdn: str) -> Domain | None:
    """The domain that a full name is in; of several the one with the longest name."""
    around = [domain for domain in known if fqdn == domain.name or fqdn.endswith(f".{domain.name}")]
    return max(around, key=lambda domain: len(domain.name), default=None)


def _is_called(domain: Domain, specifier: str) -> bool:
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
    for name in (*names, *device_rows.names_in(tx, renamed.id)):
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
