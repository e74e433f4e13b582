# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators' own lines in dhcpd's configuration. None is kept that a dhcpd has not judged, switched on or off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rackyard.daemons import dhcp_snippets as grammar
from rackyard.region.context import Context
from rackyard.region.db.network import dhcp_snippets as rows
from rackyard.region.db.network.dhcp_snippets import Scope, Snippet, Version
from rackyard.region.db.pool import Transaction
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.network import picture
from rackyard.region.services.network.network import Network
from rackyard.region.services.racks import dhcp_checks
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise


@dataclass(frozen=True)
class Wish:
    """What an operator wants a snippet to be; None leaves things as they are. The node is named by its system_id, the
    subnet as in its URL, the range by its id."""

    name: str | None = None
    value: str | None = None
    description: str | None = None
    enabled: bool | None = None
    node: str | None = None
    subnet: str | None = None
    iprange: str | None = None
    global_snippet: bool | None = None


@dataclass(frozen=True)
class Known:
    """Snippets with what they have said before, the newest first, by the id of each; and the network that they are
    for."""

    snippets: Sequence[Snippet]
    history: Mapping[int, Sequence[Version]]
    network: Network

    def one(self, snippet_id: int) -> Snippet:
        """The snippet of that id. Raises NotFound."""
        for snippet in self.snippets:
            if snippet.id == snippet_id:
                return snippet
        raise NotFound(f"There is no DHCP snippet {snippet_id}; list them with GET dhcp-snippets/.")


def read(ctx: Context, actor: Actor) -> Known:
    """All snippets. Raises Forbidden: what they say may be nobody else's business."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_DHCP_SNIPPETS)
        return _load(tx)


def create(ctx: Context, actor: Actor, wish: Wish) -> int:
    """A new snippet; its id. Raises Forbidden, Invalid (with dhcpd's words, if it is dhcpd that would not take it),
    Conflict when no rack could check it."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_DHCP_SNIPPETS)
        before = _load(tx)
        snippet = _wished(tx, before, wish, Snippet(0, "", "", True, "", Scope()))
    _judge(ctx, before, snippet)
    with ctx.db.transaction() as tx:
        _hold(tx, before)
        return rows.add(tx, snippet, ctx.clock.now())


def update(ctx: Context, actor: Actor, snippet_id: int, wish: Wish) -> None:
    """Change what is given. Raises Forbidden, NotFound, Invalid, Conflict as `create` does."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_DHCP_SNIPPETS)
        before = _load(tx)
        known = before.one(snippet_id)
        snippet = _wished(tx, before, wish, known)
    _keep(ctx, before, known, snippet)


def revert(ctx: Context, actor: Actor, snippet_id: int, to: str | None) -> None:
    """Let a snippet say again what it said: `to` is the id of an entry of its history, or a negative number of steps
    back. What it said meanwhile stays in the history.

    Raises Forbidden, NotFound, Invalid, Conflict as `create` does."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_DHCP_SNIPPETS)
        before = _load(tx)
        known = before.one(snippet_id)
    version = _version(before.history[known.id], to or "")
    _keep(ctx, before, known, replace(known, value=version.value))


def delete(ctx: Context, actor: Actor, snippet_id: int) -> None:
    """Remove a snippet with its history, without asking dhcpd: it must be possible when no rack is there. Raises
    Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_DHCP_SNIPPETS)
        rows.lock(tx)
        rows.delete(tx, _load(tx).one(snippet_id).id)


def _keep(ctx: Context, before: Known, known: Snippet, snippet: Snippet) -> None:
    if snippet == known:
        return
    # One that makes trouble can be switched off also where no rack is there.
    unjudged = replace(known, description=snippet.description, enabled=known.enabled and snippet.enabled)
    if snippet != unjudged:
        _judge(ctx, before, snippet)
    with ctx.db.transaction() as tx:
        _hold(tx, before)
        rows.update(tx, snippet)
        if snippet.value != known.value:
            rows.add_value(tx, snippet, ctx.clock.now())


def _judge(ctx: Context, before: Known, snippet: Snippet) -> None:
    others = [each for each in before.snippets if each.id != snippet.id]
    judged = replace(snippet, enabled=True)
    # Where it stands, for a later one may need it; a new one is the last.
    at = next((index for index, each in enumerate(before.snippets) if each.id == snippet.id), len(others))
    dhcp_checks.require_taken(ctx, before.network, [*others[:at], judged, *others[at:]], judged)


def _hold(tx: Transaction, before: Known) -> None:
    """Nobody changes what was judged until this is kept. Raises Conflict when somebody has done so meanwhile."""
    rows.lock(tx)
    now = _load(tx)
    parts = (before.snippets, before.network.subnets, before.network.ranges)
    if parts != (now.snippets, now.network.subnets, now.network.ranges):
        raise Conflict("Snippets or the network were changed while dhcpd judged this one; try again.")


def _load(tx: Transaction) -> Known:
    history: dict[int, list[Version]] = {}
    for version in rows.history(tx):
        history.setdefault(version.snippet_id, []).append(version)
    return Known(rows.all_of(tx), history, picture.load(tx))


def _wished(tx: Transaction, before: Known, wish: Wish, known: Snippet) -> Snippet:
    name = _name(before, known.name if wish.name is None else wish.name, known.id)
    scope = _scope(tx, before.network, wish, known.scope)
    value = known.value if wish.value is None else wish.value.replace("\r\n", "\n").strip("\n")
    why = grammar.fault(value, machine=scope.machine_id is not None)
    if why:
        raise Invalid.field("value", f"The snippet cannot be taken: {why}.")
    description = known.description if wish.description is None else validation.text("description", wish.description)
    enabled = known.enabled if wish.enabled is None else wish.enabled
    return Snippet(known.id, name, description, enabled, value, scope)


def _name(before: Known, text: str, own_id: int) -> str:
    name = text.strip()
    if not grammar.is_name(name):
        raise Invalid.field(
            "name",
            f"{validation.shown(text)} cannot be a snippet's name, which stands in a comment of dhcpd's configuration; "
            "use up to 128 letters (a to z), digits, spaces and . : / + - _ characters.",
        )
    if any(each.name == name and each.id != own_id for each in before.snippets):
        raise Invalid.field("name", f"A DHCP snippet {name} exists already; change that one, or choose another name.")
    return name


def _scope(tx: Transaction, network: Network, wish: Wish, known: Scope) -> Scope:
    given = [field for field in ("node", "subnet", "iprange", "global_snippet") if getattr(wish, field)]
    # A range is in its subnet, and both may be said.
    if len(given) > 1 and given != ["subnet", "iprange"]:
        raise Invalid.field(given[0], f"A snippet is for one thing; give one of {', '.join(given)} only.")
    if wish.global_snippet:
        return Scope()
    if wish.node:
        return _machine(tx, wish.node)
    if wish.iprange:
        return _range(network, wish.iprange, wish.subnet)
    if wish.subnet:
        return Scope(subnet_id=_subnet_id(network, wish.subnet))
    return known


def _machine(tx: Transaction, system_id: str) -> Scope:
    found = rows.machine(tx, system_id)
    if found is None:
        raise Invalid.field("node", f"There is no machine {validation.shown(system_id)}; give a machine's system_id.")
    if not found.macs:
        raise Invalid.field("node", f"No network card of {found.hostname} is known, by which dhcpd would know it.")
    return found


def _range(network: Network, specifier: str, subnet: str | None) -> Scope:
    try:
        known = network.range(specifier)
    except NotFound as error:
        raise Invalid.field("iprange", error.message) from error
    if subnet and _subnet_id(network, subnet) != known.subnet_id:
        raise Invalid.field("iprange", f"Range {known.start_ip} - {known.end_ip} is not in subnet {subnet}.")
    if known.type != "dynamic":
        raise Invalid.field(
            "iprange",
            f"Range {known.start_ip} - {known.end_ip} is reserved: DHCP gives out none of it; name a dynamic one.",
        )
    return Scope(ip_range_id=known.id)


def _subnet_id(network: Network, specifier: str) -> int:
    try:
        return network.subnet(specifier).id
    except NotFound as error:
        raise Invalid.field("subnet", error.message) from error


def _version(history: Sequence[Version], to: str) -> Version:
    """Of a history, the newest first."""
    steps = to.removeprefix("-")
    if not (steps.isascii() and steps.isdecimal() and len(steps) <= 18):
        raise Invalid.field("to", "Give the id of an entry of the history, or how many steps to go back (-1).")
    if to.startswith("-") and int(steps) < len(history):
        return history[int(steps)]
    for version in history:
        if str(version.id) == to:
            return version
    raise Invalid.field("to", f"The history has no {to}; it has {', '.join(str(each.id) for each in history)}.")
