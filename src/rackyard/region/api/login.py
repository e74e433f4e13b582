# SPDX-License-Identifier: GPL-3.0-or-later
"""`/MAAS/accounts/authenticate/`: a user name and a password for an API key, as MAAS's clients log in
(`maas.client.login`, `maas login`). Beside the API, because there everything is signed."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, jsonify, request

from rackyard.region.api.caller import address_of, deed_of
from rackyard.region.api.params import Params
from rackyard.region.context import Context
from rackyard.region.services.site import accounts, logins
from rackyard.region.services.site.logins import Claim

PATH = "/MAAS/accounts/authenticate/"
# MAAS's own name for the key of a client that gives none.
UNNAMED = "MAAS consumer"

blueprint = Blueprint("login", __name__)


@blueprint.post(PATH)
def authenticate() -> Response:
    """A key of that name. MAAS would show the one that is there, but here secrets are not stored: each login makes one,
    and of many with the same name the oldest ends."""
    ctx: Context = current_app.extensions["rackyard"]
    params = Params.of(request)
    claim = Claim(params.text("username") or "", params.text("password") or "", address_of(request))
    actor = logins.authenticate(ctx, claim)
    world = ctx.acting(deed_of(request, actor, None, ctx.clock.now()))
    key = accounts.login_key(world, actor, params.text("consumer") or UNNAMED)
    answer = jsonify(
        consumer_key=key.consumer_key, name=key.name, token_key=key.token_key, token_secret=key.token_secret
    )
    answer.headers["Cache-Control"] = "no-store"
    return answer
