# SPDX-License-Identifier: GPL-3.0-or-later
"""`/MAAS/health`: whether requests should be sent to this region. No key: a gateway has none."""

from __future__ import annotations

from flask import Blueprint, Response, current_app

from rackyard.region.context import Context
from rackyard.region.services.site import health

blueprint = Blueprint("health", __name__)


@blueprint.get("/MAAS/health")
def show() -> Response:
    """200 when this region can serve, 503 with the reason when it cannot."""
    ctx: Context = current_app.extensions["rackyard"]
    health.serve(ctx)
    return Response("ok\n", mimetype="text/plain", headers={"Cache-Control": "no-store"})
