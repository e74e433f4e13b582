# SPDX-License-Identifier: GPL-3.0-or-later
"""`account/`: the API keys of whoever asks, which MAAS calls authorisation tokens."""

from __future__ import annotations

from typing import Any

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import moment
from rackyard.region.api.takes import Kind
from rackyard.region.errors import Invalid
from rackyard.region.services.site import accounts

own = Resource("/account/", "Account", "The API keys of whoever asks.")


@own.create("create_authorisation_token", takes={"name": Kind.TEXT})
def create_token(call: Call) -> dict[str, str]:
    """A new key of one's own; its secret is shown this once."""
    key = accounts.create_key(call.ctx, call.actor, call.params.text("name") or "")
    return {
        "name": key.name,
        "consumer_key": key.consumer_key,
        "token_key": key.token_key,
        "token_secret": key.token_secret,
    }


@own.read("list_authorisation_tokens")
def list_tokens(call: Call) -> list[dict[str, Any]]:
    """One's own keys. `token` has no third part, because secrets are not stored; the last use is known to a minute."""
    return [
        {
            "name": key.name,
            "token": f"{key.consumer_key}:{key.token_key}",
            "token_key": key.token_key,
            "created_at": moment(key.created_at),
            "last_used_at": moment(key.last_used_at),
        }
        for key in accounts.keys_of(call.ctx, call.actor, call.actor.username)
    ]


@own.create("update_token_name", takes={"token": Kind.TEXT, "name": Kind.TEXT})
def rename_token(call: Call) -> None:
    """Give a key of one's own another name. `token` is the whole key or its second part."""
    token, name = call.params.text("token"), call.params.text("name")
    if not token or name is None:
        missing = "name" if token else "token"
        raise Invalid.field(missing, "Give token (the second part of the key) and name (the new one).")
    parts = token.split(":")
    accounts.rename_key(call.ctx, call.actor, parts[1] if len(parts) > 1 else token, name)


@own.create("delete_authorisation_token", takes={"token_key": Kind.TEXT})
def delete_token(call: Call) -> None:
    """Revoke a key of one's own, be it the one that signs this request."""
    token_key = call.params.text("token_key")
    if not token_key:
        raise Invalid.field("token_key", "Give the second part of the key; op=list_authorisation_tokens lists them.")
    accounts.revoke_key(call.ctx, call.actor, token_key, owner=call.actor.username)
