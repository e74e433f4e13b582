# SPDX-License-Identifier: GPL-3.0-or-later
"""`notifications/` and `notifications/<id>/`: what people are told."""

from __future__ import annotations

from typing import Any

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params, json_object
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.site.notifications import Notification
from rackyard.region.services.site import notifications
from rackyard.region.services.site.notifications import NotificationWish

collection = Resource("/notifications/", "Notifications", "What whoever asks is told.")
one = Resource("/notifications/<int:notification_id>/", "Notification", "One notification.", notification_id="id")

_WISH: Takes = {
    "ident": Kind.TEXT,
    "user": Kind.TEXT,
    "users": Kind.FLAG,
    "admins": Kind.FLAG,
    "message": Kind.TEXT,
    "context": Kind.TEXT,
    "category": Kind.TEXT,
    "dismissable": Kind.FLAG,
}


@collection.read(takes={"all": Kind.FLAG})
def list_notifications(call: Call) -> list[dict[str, Any]]:
    """What whoever asks is told and has not dismissed. `all`, ours, is what anybody is told: for administrators."""
    listed = notifications.list_all if call.params.flag("all") else notifications.list_own
    return [_shape(known) for known in listed(call.ctx, call.actor)]


@collection.create(takes=_WISH)
def create_notification(call: Call) -> dict[str, Any]:
    """Tell a `user` (name or id), all `users` that are no administrators, or `admins`. In the `message`, names in
    braces stand for what the `context`, a JSON object, says. One of the same `ident` is replaced."""
    return _shape(notifications.create(call.ctx, call.actor, _wish(call.params)))


@one.read()
def read_notification(call: Call, notification_id: int) -> dict[str, Any]:
    """One notification, dismissed or not."""
    return _shape(notifications.read(call.ctx, call.actor, notification_id))


@one.update(takes=_WISH)
def update_notification(call: Call, notification_id: int) -> dict[str, Any]:
    """Change what is given; whoever had dismissed it sees it again."""
    return _shape(notifications.update(call.ctx, call.actor, notification_id, _wish(call.params)))


@one.delete()
def delete_notification(call: Call, notification_id: int) -> None:
    """Remove it for everybody."""
    notifications.delete(call.ctx, call.actor, notification_id)


@one.create("dismiss")
def dismiss_notification(call: Call, notification_id: int) -> None:
    """Show it to whoever asks no more."""
    notifications.dismiss(call.ctx, call.actor, notification_id)


def _wish(params: Params) -> NotificationWish:
    context = params.text("context")
    return NotificationWish(
        ident=params.text("ident"),
        user=params.text("user"),
        users=params.flag("users"),
        admins=params.flag("admins"),
        message=params.text("message"),
        context=json_object(context, "context") if context else None,
        category=params.text("category"),
        dismissable=params.flag("dismissable"),
    )


def _shape(known: Notification) -> dict[str, Any]:
    """`text` is ours: the message with the texts of its context. Neither is HTML."""
    said = known.said
    return {
        "id": known.id,
        "ident": said.ident,
        "user": None if known.username is None else {"username": known.username},
        "users": said.users,
        "admins": said.admins,
        "message": said.message,
        "text": notifications.text(said),
        "context": said.context,
        "category": said.category,
        "dismissable": said.dismissable,
        "resource_uri": f"{ROOT}/notifications/{known.id}/",
    }
