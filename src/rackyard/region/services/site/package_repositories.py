# SPDX-License-Identifier: GPL-3.0-or-later
"""Package repositories that machines have beside those of the image that they boot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import package_repositories as rows
from rackyard.region.db.site.package_repositories import PackageRepository, Source
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.site import openpgp, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

# All of them are in the preseed of each boot, which a machine fetches at once and racks keep.
MAX_REPOSITORIES = 16
MAX_KEY = 32 * 1024
MAX_WORDS, MAX_URL = 32, 500
ARCHES = ("amd64", "arm64")
_URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%:+,@=/-]*)?")
# sources.list(5): a suite, or with a slash at its end the place of a repository that has none.
_DISTRIBUTION = re.compile(r"[A-Za-z0-9.][A-Za-z0-9._~+/-]{0,63}")
_COMPONENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,63}")
_NEW = Source("", "", [], [], list(ARCHES), "", enabled=True, disable_sources=True)


@dataclass(frozen=True)
class RepositoryWish:
    """What an operator wants a repository to be; None leaves things as they are."""

    name: str | None = None
    url: str | None = None
    distributions: Sequence[str] | None = None
    components: Sequence[str] | None = None
    arches: Sequence[str] | None = None
    key: str | None = None
    enabled: bool | None = None
    disable_sources: bool | None = None


def list_all(ctx: Context) -> list[PackageRepository]:
    """All of them by id."""
    with ctx.db.transaction() as tx:
        return rows.every(tx)


def read(ctx: Context, specifier: str) -> PackageRepository:
    """One by id or name. Raises NotFound."""
    with ctx.db.transaction() as tx:
        return _there(tx, specifier)


def create(ctx: Context, actor: Actor, wish: RepositoryWish) -> PackageRepository:
    """A new one. Raises Forbidden, Invalid, Conflict when there are too many."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_REPOSITORIES)
        rows.lock(tx)
        known = rows.every(tx)
        source = _wished(wish, _NEW, known)
        if len(known) >= MAX_REPOSITORIES:
            raise Conflict(f"There are {MAX_REPOSITORIES} package repositories already; delete one first.")
        return PackageRepository(rows.add(tx, source), source)


def update(ctx: Context, actor: Actor, specifier: str, wish: RepositoryWish) -> PackageRepository:
    """Change what is given; machines have it from their next boot on. Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_REPOSITORIES)
        rows.lock(tx)
        before = _there(tx, specifier)
        source = _wished(wish, before.source, [each for each in rows.every(tx) if each.id != before.id])
        if source != before.source:
            rows.update(tx, before.id, source)
        return PackageRepository(before.id, source)


def delete(ctx: Context, actor: Actor, specifier: str) -> None:
    """Remove one. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_REPOSITORIES)
        rows.delete(tx, _there(tx, specifier).id)


def _there(tx: Transaction, specifier: str) -> PackageRepository:
    for known in rows.every(tx):
        if specifier in (str(known.id), known.source.name):
            return known
    raise NotFound(
        f"There is no package repository {validation.shown(specifier)}; list them with GET package-repositories/."
    )


def _wished(wish: RepositoryWish, before: Source, others: Sequence[PackageRepository]) -> Source:
    source = Source(
        name=before.name if wish.name is None and before.name else validation.plain_name("name", wish.name or ""),
        url=before.url if wish.url is None and before.url else _url(wish.url or ""),
        distributions=before.distributions if wish.distributions is None else _distributions(wish.distributions),
        components=before.components if wish.components is None else _components(wish.components),
        arches=before.arches if wish.arches is None else _arches(wish.arches),
        key=before.key if wish.key is None else _key(wish.key),
        enabled=before.enabled if wish.enabled is None else wish.enabled,
        disable_sources=before.disable_sources if wish.disable_sources is None else wish.disable_sources,
    )
    if any(other.source.name == source.name for other in others):
        raise Invalid.field("name", f"Package repository {source.name} exists already; change that one instead.")
    flat = [name for name in source.distributions if name.endswith("/")]
    if flat and (source.components or flat != source.distributions):
        raise Invalid.field(
            "distributions",
            f"{validation.shown(flat[0])} is the place of a repository that has no components; give no components, and "
            "other distributions as a repository of their own.",
        )
    return source


def _url(text: str) -> str:
    url = text.strip()
    if url.lower().startswith("ppa:"):
        raise Invalid.field(
            "url",
            "A PPA is for Ubuntu, and machines boot Debian here; give the http:// or https:// URL of a repository.",
        )
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise Invalid.field(
            "url", "Everybody who may look at machines would see the password in this URL; give one that needs none."
        )
    if not _URL.fullmatch(url) or len(url) > MAX_URL:
        raise Invalid.field(
            "url",
            f"{validation.shown(url)} is no URL of a repository that the proxy of racks reaches; give one such as "
            "https://packages.example.org/debian.",
        )
    return url


def _distributions(given: Sequence[str]) -> list[str]:
    return _words(
        "distributions", given, _DISTRIBUTION, "release, such as trixie or trixie-updates, or place, such as ./"
    )


def _components(given: Sequence[str]) -> list[str]:
    return _words("components", given, _COMPONENT, "component, such as main or non-free-firmware")


def _words(field: str, given: Sequence[str], form: re.Pattern[str], what: str) -> list[str]:
    if len(given) > MAX_WORDS:
        raise Invalid.field(field, f"A repository has at most {MAX_WORDS} {field}; give fewer.")
    for word in given:
        if not form.fullmatch(word) or ".." in word:
            raise Invalid.field(field, f"{validation.shown(word)} is not the name of a {what}.")
    return list(dict.fromkeys(given))


def _arches(given: Sequence[str]) -> list[str]:
    for arch in given:
        if arch not in ARCHES:
            raise Invalid.field(
                "arches", f"No machine here is {validation.shown(arch)}; use {' or '.join(ARCHES)}, or none for both."
            )
    return sorted(set(given)) or list(ARCHES)


def _key(text: str) -> str:
    """Quotes nothing of what was given: it may be a key that nobody should see."""
    if not text.strip():
        return ""
    if len(text) > MAX_KEY:
        raise Invalid.field("key", f"A key has at most {MAX_KEY} characters; export it with --export-options minimal.")
    try:
        return openpgp.normal(text)
    except ValueError as reason:
        raise Invalid.field(
            "key", f"This is no public key: {reason}; give what `gpg --armor --export KEY` prints."
        ) from reason
