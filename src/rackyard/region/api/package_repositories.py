# SPDX-License-Identifier: GPL-3.0-or-later
"""`package-repositories/` and `package-repositories/<id>/`."""

from __future__ import annotations

from typing import Any

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes, fixed, hold
from rackyard.region.db.site.package_repositories import PackageRepository
from rackyard.region.services.site import package_repositories
from rackyard.region.services.site.package_repositories import RepositoryWish

collection = Resource("/package-repositories/", "PackageRepositories", "What machines install packages from.")
one = Resource(
    "/package-repositories/<repository>/", "PackageRepository", "One package repository, by id or name.",
    repository="id",
)  # fmt: skip

# MAAS has these for its own archives of Ubuntu, which are none here.
_OF_ARCHIVES = ("disabled_pockets", "disabled_components")
_WISH: Takes = {
    "name": Kind.TEXT,
    "url": Kind.TEXT,
    "distributions": Kind.WORDS,
    "components": Kind.WORDS,
    "arches": Kind.WORDS,
    "key": Kind.TEXT,
    "enabled": Kind.FLAG,
    "disable_sources": Kind.FLAG,
    **fixed(*_OF_ARCHIVES),
}


@collection.read()
def list_repositories(call: Call) -> list[dict[str, Any]]:
    """Every package repository."""
    return [_shape(known) for known in package_repositories.list_all(call.ctx)]


@collection.create(takes=_WISH)
def create_repository(call: Call) -> dict[str, Any]:
    """A new one (`name`, `url`). Machines of its `arches` (all by default) have it from their next commissioning on:
    `distributions` (the release that they boot by default; with a slash at its end, the place of a repository without
    releases), `components` (main by default), the armoured public `key` of whoever signs it. Sources of packages are
    left out, unless `disable_sources` is false."""
    return _shape(package_repositories.create(call.ctx, call.actor, _wish(call)))


@one.read()
def read_repository(call: Call, repository: str) -> dict[str, Any]:
    """One package repository."""
    return _shape(package_repositories.read(call.ctx, repository))


@one.update(takes=_WISH)
def update_repository(call: Call, repository: str) -> dict[str, Any]:
    """Change what is given."""
    return _shape(package_repositories.update(call.ctx, call.actor, repository, _wish(call)))


@one.delete()
def delete_repository(call: Call, repository: str) -> None:
    """Remove one."""
    package_repositories.delete(call.ctx, call.actor, repository)


def _wish(call: Call) -> RepositoryWish:
    hold(call.params, _WISH, lambda: {name: [] for name in _OF_ARCHIVES})
    params = call.params
    return RepositoryWish(
        name=params.text("name"),
        url=params.text("url"),
        distributions=params.words("distributions"),
        components=params.words("components"),
        arches=params.words("arches"),
        key=params.text("key"),
        enabled=params.flag("enabled"),
        disable_sources=params.flag("disable_sources"),
    )


def _shape(known: PackageRepository) -> dict[str, Any]:
    source = known.source
    return {
        "id": known.id,
        "name": source.name,
        "url": source.url,
        "distributions": source.distributions,
        **{name: [] for name in _OF_ARCHIVES},
        "disable_sources": source.disable_sources,
        "components": source.components,
        "arches": source.arches,
        "key": source.key,
        "enabled": source.enabled,
        "resource_uri": f"{ROOT}/package-repositories/{known.id}/",
    }
