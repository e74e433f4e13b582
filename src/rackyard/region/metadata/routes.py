# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes of the metadata service. Formats: MAAS metadata API as used by cloud-init's `DataSourceMAAS`."""

from __future__ import annotations

from flask import Blueprint, Response, current_app, request

from rackyard.region.context import Context
from rackyard.region.db.boots.enlistment import Enlistment
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.errors import BadRequest, NotFound, RackyardError, TooLarge, TooMany, Unavailable
from rackyard.region.metadata import caller, credentials, documents, uploads
from rackyard.region.metadata.caller import Caller
from rackyard.region.services.boots import access, enlisting
from rackyard.region.services.operations import enlistment, signals

CONTEXT_KEY = "rackyard"
VERSIONS = frozenset({"latest", "2012-03-01"})
ITEMS = ("instance-id", "local-hostname", "public-keys", "vendor-data")

blueprint = Blueprint("metadata", __name__)


def _ctx() -> Context:
    context = current_app.extensions[CONTEXT_KEY]
    assert isinstance(context, Context)
    return context


@blueprint.errorhandler(RackyardError)
def _worded(error: RackyardError) -> Response:
    response = _text(error.message, error.status)
    if isinstance(error, TooMany | Unavailable):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


@blueprint.get("/latest/by-id/<boot_id>/")
def get_preseed(boot_id: str) -> Response:
    """The cloud-config with this boot's credentials; anonymous, but for the leased address only."""
    if request.args.get("op") != "get_preseed":
        raise BadRequest("only op=get_preseed is known here")
    who = caller.identify(_ctx(), request)
    enlists = enlisting.find(_ctx(), boot_id)
    if enlists is not None:
        enlisting.require_own_address(_ctx(), enlists, who.address, who.rack)
        credentials.require_running(_ctx(), enlists)
        return _text(documents.preseed_of(enlisting.access(_ctx(), enlists)))
    return _text(documents.preseed_of(access.access(_ctx(), boot_id, who.address, who.rack)))


@blueprint.get("/<version>/")
def index(version: str) -> Response:
    """What there is below a version."""
    _check_version(version)
    return _text("maas-scripts\nmeta-data/\nuser-data")


@blueprint.get("/<version>/meta-data/")
def meta_data_index(version: str) -> Response:
    """The items of meta-data."""
    _check_version(version)
    return _text("\n".join(ITEMS))


@blueprint.get("/<version>/meta-data/<item>")
def meta_data(version: str, item: str) -> Response:
    """One item; public keys and vendor data are empty (a missing one would make cloud-init try again)."""
    _check_version(version)
    boot, _who = _running_boot()
    values = {"instance-id": boot.system_id, "local-hostname": boot.hostname, "public-keys": "", "vendor-data": ""}
    if item not in values:
        raise NotFound(f"there is no meta-data item {item[:40]!r}; known are {', '.join(ITEMS)}")
    return _text(values[item])


@blueprint.get("/<version>/user-data")
def user_data(version: str) -> Response:
    """The commissioning runner. Fetched last, so it ends the pulling of metadata."""
    _check_version(version)
    boot, who = _running_boot()
    if isinstance(boot, Enlistment):
        body = documents.user_data_of(enlisting.access(_ctx(), boot))
        return Response(body, mimetype="application/octet-stream")
    body = documents.user_data_of(access.again(_ctx(), boot, who.address))
    access.pulled(_ctx(), boot, who.address, who.rack)
    return Response(body, mimetype="application/octet-stream")


@blueprint.get("/<version>/maas-scripts")
def scripts(version: str) -> Response:
    """The commissioning scripts of this boot as a tar archive with an index."""
    _check_version(version)
    boot, _who = _running_boot()
    archive = enlistment.archive(_ctx(), boot) if isinstance(boot, Enlistment) else signals.archive(_ctx(), boot)
    return Response(archive, mimetype="application/x-tar")


@blueprint.post("/<version>/")
def signal(version: str) -> Response:
    """`op=signal`: progress, results and the end of commissioning."""
    _check_version(version)
    boot, who = _own_boot()
    if isinstance(boot, Enlistment):
        return _signal_of_enlistment(boot)
    try:
        sent = uploads.signal(request)
    except TooLarge as error:
        signals.reject(
            _ctx(), boot, f"{boot.hostname} sent a report that is too large: {error.message}", who.rack.hostname
        )
        raise
    signals.handle(_ctx(), boot, sent, uploads.delivery(request, who.rack))
    return _text("OK")


def _signal_of_enlistment(boot: Enlistment) -> Response:
    try:
        sent = uploads.signal(request, uploads.ENLISTMENT_LIMIT_BYTES)
    except TooLarge as error:
        enlistment.reject(_ctx(), boot, f"it sent a report that is too large: {error.message}")
        raise
    enlistment.handle(_ctx(), boot, sent)
    return _text("OK")


@blueprint.post("/status/<system_id>")
def status(system_id: str) -> Response:
    """cloud-init's reporting webhook. What comes after the end of a boot is taken without a word."""
    boot, who = _own_boot()
    if boot.system_id != system_id:
        raise NotFound(f"these credentials are not those of {system_id[:40]!r}")
    if isinstance(boot, Enlistment):
        return Response(status=204)
    report = uploads.webhook(request)
    access.stage(_ctx(), boot, uploads.delivery(request, who.rack), report.event_type, report.name, report.result)
    return Response(status=204)


def _running_boot() -> tuple[BootOfToken | Enlistment, Caller]:
    """The boot whose credentials these are, used by its own machine through a rack."""
    boot, who = _own_boot()
    credentials.require_running(_ctx(), boot)
    return boot, who


def _own_boot() -> tuple[BootOfToken | Enlistment, Caller]:
    """The boot whose credentials these are, over or not, used at its own machine's address through a rack."""
    boot = credentials.boot_of(_ctx(), request.headers.get("Authorization"))
    who = caller.identify(_ctx(), request)
    if isinstance(boot, Enlistment):
        enlisting.require_own_address(_ctx(), boot, who.address, who.rack)
    else:
        access.require_own_address(_ctx(), boot, who.address, who.rack)
    return boot, who


def _check_version(version: str) -> None:
    if version not in VERSIONS:
        raise NotFound(f"there is no metadata version {version[:20]!r}; known are {', '.join(sorted(VERSIONS))}")


def _text(body: str, status: int = 200) -> Response:
    return Response(body, status=status, mimetype="text/plain")
