# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications: what administrators, and programs of theirs, tell people who use the site.

A message has the texts of its context where it names them in braces. Nothing of either is anything but text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import Formatter
from typing import Any

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import notifications as rows
from rackyard.region.db.site import users as account_rows
from rackyard.region.db.site.notifications import Notification, Said
from rackyard.region.errors import Conflict, Invalid, NotFound
from rackyard.region.services.site import validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise

CATEGORIES = ("error", "warning", "success", "info")
MAX_NOTIFICATIONS = 1000
MAX_MESSAGE, MAX_TEXT, MAX_CONTEXT = 2000, 1000, 32
_IDENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,39}")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_NEW = Said(None, None, users=False, admins=False, message="", context={}, category="info", dismissable=True)


@dataclass(frozen=True)
class NotificationWish:
    """What a notification shall say; None leaves things as they are. `user` is a name or an id, empty for none."""

    ident: str | None = None
    user: str | None = None
    users: bool | None = None
    admins: bool | None = None
    message: str | None = None
    context: Mapping[str, Any] | None = None
    category: str | None = None
    dismissable: bool | None = None


def list_own(ctx: Context, actor: Actor) -> list[Notification]:
    """What is for the actor and not dismissed, by id."""
    with ctx.db.transaction() as tx:
        found = rows.every(tx, actor.account_id)
        return [each for each in found if _is_for(actor, each) and not each.is_dismissed]


def list_all(ctx: Context, actor: Actor) -> list[Notification]:
    """What anybody is told, dismissed or not, by id. Raises Forbidden."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_NOTIFICATIONS)
        return rows.every(tx, actor.account_id)


def read(ctx: Context, actor: Actor, notification_id: int) -> Notification:
    """One that is for the actor, or any for an administrator. Raises NotFound."""
    with ctx.db.transaction() as tx:
        return _there(tx, actor, notification_id)


def create(ctx: Context, actor: Actor, wish: NotificationWish) -> Notification:
    """A new one; one of the same ident is replaced, and is seen again by whoever had dismissed it.

    Raises Forbidden, Invalid, Conflict when there are too many."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_NOTIFICATIONS)
        rows.lock(tx)
        known = rows.every(tx, actor.account_id)
        said = _wished(tx, wish, _NEW)
        same = next((each for each in known if said.ident and each.said.ident == said.ident), None)
        if same is not None:
            return _changed(ctx, tx, actor, same, said)
        if len(known) >= MAX_NOTIFICATIONS:
            raise Conflict(f"There are {MAX_NOTIFICATIONS} notifications already; delete some first.")
        made = rows.add(tx, said, ctx.clock.now())
        return _there(tx, actor, made)


def warn_administrators(ctx: Context, tx: Transaction, ident: str, words: str) -> None:
    """The region itself warns, once for each ident: newer words take the place of older ones."""
    rows.lock(tx)
    known = rows.every(tx, None)
    said = replace(_NEW, ident=ident, admins=True, message="{words}", context={"words": words[:MAX_TEXT]})
    said = replace(said, category="warning")
    same = next((each for each in known if each.said.ident == ident), None)
    if same is not None:
        rows.update(tx, same.id, said, ctx.clock.now())
    elif len(known) < MAX_NOTIFICATIONS:
        rows.add(tx, said, ctx.clock.now())


def update(ctx: Context, actor: Actor, notification_id: int, wish: NotificationWish) -> Notification:
    """Change what is given; it is seen again by whoever had dismissed it. Raises Forbidden, NotFound, Invalid."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_NOTIFICATIONS)
        rows.lock(tx)
        before = _there(tx, actor, notification_id)
        said = _wished(tx, wish, before.said)
        others = [each for each in rows.every(tx, None) if each.id != before.id]
        if said.ident and any(each.said.ident == said.ident for each in others):
            raise Invalid.field(
                "ident", f"Another notification has the ident {said.ident} already; choose another one."
            )
        return _changed(ctx, tx, actor, before, said)


def delete(ctx: Context, actor: Actor, notification_id: int) -> None:
    """Remove one. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.MANAGE_NOTIFICATIONS)
        rows.lock(tx)
        gone = _there(tx, actor, notification_id)
        rows.delete(tx, gone.id)


def dismiss(ctx: Context, actor: Actor, notification_id: int) -> None:
    """The actor wants to see it no more; others still do. Raises Forbidden, NotFound, Conflict when it has to stay."""
    with ctx.db.transaction() as tx:
        authorise(actor, Permission.VIEW)
        known = _there(tx, actor, notification_id)
        if not known.said.dismissable:
            raise Conflict(f"Notification {known.id} cannot be dismissed; it goes when its reason does.")
        if actor.account_id is not None:
            rows.dismiss(tx, known.id, actor.account_id)


def text(said: Said) -> str:
    """The message with the texts of its context."""
    return said.message.format_map({name: _written(value) for name, value in said.context.items()})


def _is_for(actor: Actor, known: Notification) -> bool:
    said = known.said
    own = said.account_id is not None and said.account_id == actor.account_id
    return own or (said.admins if actor.is_admin else said.users)


def _there(tx: Transaction, actor: Actor, notification_id: int) -> Notification:
    for known in rows.every(tx, actor.account_id):
        if known.id == notification_id and (actor.is_admin or _is_for(actor, known)):
            return known
    raise NotFound(f"There is no notification {notification_id} for {actor.name}; GET notifications/ lists them.")


def _changed(ctx: Context, tx: Transaction, actor: Actor, before: Notification, said: Said) -> Notification:
    if said != before.said:
        rows.update(tx, before.id, said, ctx.clock.now())
    return _there(tx, actor, before.id)


def _wished(tx: Transaction, wish: NotificationWish, before: Said) -> Said:
    said = Said(
        ident=before.ident if wish.ident is None else _ident(wish.ident),
        account_id=before.account_id if wish.user is None else _account(tx, wish.user),
        users=before.users if wish.users is None else wish.users,
        admins=before.admins if wish.admins is None else wish.admins,
        message=before.message if wish.message is None else wish.message.strip(),
        context=before.context if wish.context is None else dict(wish.context),
        category=before.category if wish.category is None else _category(wish.category),
        dismissable=before.dismissable if wish.dismissable is None else wish.dismissable,
    )
    if said.account_id is None and not said.users and not said.admins:
        raise Invalid.field("user", "Nobody would see it; say for whom it is by user, users=true or admins=true.")
    _check_context(said.context)
    _check_message(said)
    return said


def _ident(given: str) -> str | None:
    if given and not _IDENT.fullmatch(given):
        raise Invalid.field(
            "ident",
            f"{validation.shown(given)} cannot be an ident; use up to 40 letters, digits and . _ : - characters.",
        )
    return given or None


def _account(tx: Transaction, given: str) -> int | None:
    if not given.strip():
        return None
    for account in account_rows.every(tx):
        if given.strip() in (account.username, str(account.id)):
            return account.id
    raise Invalid.field("user", f"There is no account {validation.shown(given)}; GET users/ lists them.")


def _category(given: str) -> str:
    if given not in CATEGORIES:
        raise Invalid.field(
            "category", f"{validation.shown(given)} is no category; use one of {', '.join(CATEGORIES)}."
        )
    return given


def _check_context(context: Mapping[str, Any]) -> None:
    if len(context) > MAX_CONTEXT:
        raise Invalid.field("context", f"A context has at most {MAX_CONTEXT} texts; give fewer.")
    for name, value in context.items():
        if not _FIELD.fullmatch(name):
            raise Invalid.field("context", f"{validation.shown(name)} cannot be a name; use letters, digits and _.")
        if not isinstance(value, str | int | float | None) or len(_written(value)) > MAX_TEXT:
            raise Invalid.field(
                "context", f"What {name} stands for must be a text of at most {MAX_TEXT} characters, or a number."
            )
        validation.text("context", _written(value))


def _check_message(said: Said) -> None:
    """Only names of the context stand in braces: nothing else that Python's format would do is done."""
    validation.text("message", said.message)
    if not 0 < len(said.message) <= MAX_MESSAGE:
        raise Invalid.field("message", f"A message has 1 to {MAX_MESSAGE} characters.")
    try:
        parts = list(Formatter().parse(said.message))
    except ValueError:
        raise Invalid.field("message", "A brace stands alone; write {{ or }} for one that is text.") from None
    for _literal, name, spec, conversion in parts:
        if name is not None and (spec or conversion or name not in said.context):
            raise Invalid.field(
                "message", f"{validation.shown('{' + name + '}')} is no name of the context; give it there, "
                "and write {{ or }} for a brace that is text.",
            )  # fmt: skip
    if len(text(said)) > validation.MAX_TEXT:
        raise Invalid.field("message", f"With its context it has more than {validation.MAX_TEXT} characters.")


def _written(value: Any) -> str:
    return "" if value is None else str(value)
