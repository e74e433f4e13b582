# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of `/rpc/1/`: parse, one service function, serialise."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager
from functools import partial

from flask import Blueprint, Response, current_app, g, jsonify, request

from rackyard.region import client_certificate
from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import BadRequest
from rackyard.region.rpc import bodies, peer, shapes
from rackyard.region.services.boots import answer, evidence, keeping
from rackyard.region.services.boots.evidence import Refusal, Verdict
from rackyard.region.services.power import handout, outcomes
from rackyard.region.services.racks import desired, dhcp_checks, enrolment, registration
from rackyard.region.turns import Turn, Turns

CONTEXT_KEY = "rackyard"
TURNS_KEY = "rackyard-turns"
HEARTBEAT_S = 10
# What a poll without a body may ask for; it is not answered that late.
MAX_WAIT_S = 3600
# As `batch-answer` has it: a rack takes no longer ones.
MAX_KEY, MAX_WORDS = 200, 2000
ANONYMOUS = frozenset({"rpc.ca", "rpc.enroll"})

blueprint = Blueprint("rpc", __name__)


def _ctx() -> Context:
    context = current_app.extensions[CONTEXT_KEY]
    assert isinstance(context, Context)
    return context


def _rack() -> Rack:
    rack = g.rack
    assert isinstance(rack, Rack)
    return rack


def _turn(channel: str) -> AbstractContextManager[Turn]:
    """This poll; an older one of the same rack in this process ends."""
    turns = current_app.extensions[TURNS_KEY]
    assert isinstance(turns, Turns)
    return turns.take((_rack().id, channel), partial(peer.hung_up, request.environ))


@blueprint.before_request
def _identify() -> None:
    """Every call but two is made by a rack, known by its certificate."""
    if request.endpoint in ANONYMOUS:
        return
    g.cert_sha256 = peer.certificate_sha256(request.environ)
    g.rack = enrolment.authenticate(_ctx(), g.cert_sha256, client_certificate.pem_of(request.environ))


@blueprint.get("/ca")
def ca() -> Response:
    """The CA's certificate, so that a new rack can compare it with its token."""
    return Response(_ctx().config.ca_cert.read_bytes(), mimetype="application/x-pem-file")


@blueprint.post("/enroll")
def enroll() -> Response:
    """Spend a token, sign a certificate."""
    body = bodies.read(request, "enroll")
    enrolled = enrolment.enroll(_ctx(), body["secret"], body["hostname"], body["csr"], body["version"])
    return jsonify(
        {
            "system_id": enrolled.system_id,
            "certificate": enrolled.certificate.pem,
            "ca": enrolled.ca_pem,
            "not_after": enrolled.certificate.not_after.isoformat(),
        }
    )


@blueprint.post("/renew")
def renew() -> Response:
    """A new certificate for the rack that asks."""
    body = bodies.read(request, "renew")
    certificate = enrolment.renew(_ctx(), _rack(), g.cert_sha256, body["csr"])
    return jsonify({"certificate": certificate.pem, "not_after": certificate.not_after.isoformat()})


@blueprint.post("/register")
def register() -> Response:
    """A rack's agent started."""
    body = bodies.read(request, "register")
    abilities = body.get("abilities", [])
    urls = registration.register(
        _ctx(), _rack(), body["version"], shapes.interfaces(body), abilities, shapes.host(body)
    )
    settings = {"domain": _ctx().config.domain, "heartbeat_s": HEARTBEAT_S}
    return jsonify({"system_id": _rack().system_id, "settings": settings, "regions": urls})


@blueprint.post("/jobs")
def poll_jobs() -> Response:
    """Long poll for work, by an agent that says how much it can do and what it holds."""
    poll = shapes.poll(bodies.read(request, "jobs-poll"))
    with _turn("jobs") as turn:
        return _work(handout.take(_ctx(), _rack(), poll, turn))


@blueprint.get("/jobs")
def take_jobs() -> Response:
    """Long poll for work, by an agent of the release before."""
    poll = handout.Poll(wait_s=_wait_s())
    with _turn("jobs") as turn:
        return _work(handout.take(_ctx(), _rack(), poll, turn))


def _work(found: handout.Work) -> Response:
    return jsonify({"jobs": found.jobs} | ({"checks": found.checks} if found.checks else {}))


@blueprint.post("/dhcp-checks/<int:check_id>/result")
def dhcp_check_result(check_id: int) -> Response:
    """What the rack's dhcpd says to a configuration."""
    body = bodies.read(request, "dhcp-check-result")
    return jsonify({"accepted": dhcp_checks.answer(_ctx(), _rack(), check_id, body["words"])})


@blueprint.post("/jobs/<int:job_id>/result")
def job_result(job_id: int) -> Response:
    """What became of a job."""
    report = shapes.report(bodies.read(request, "job-result"))
    return jsonify({"accepted": outcomes.finish(_ctx(), _rack(), job_id, report)})


@blueprint.get("/desired")
def desired_state() -> Response:
    """The rack's desired state, or those `sections` of it; with If-None-Match and `wait` a long poll."""
    known = request.headers.get("If-None-Match", "").strip().strip('"')
    with _turn("desired") as turn:
        document = desired.wait_for_rack(_ctx(), _rack(), known, _wait_s(), turn, _sections())
    if document is None:
        response = Response(status=304)
        response.set_etag(known)
        return response
    response = jsonify(document.body)
    response.set_etag(document.etag)
    return response


@blueprint.post("/applied")
def applied() -> Response:
    """What the rack's daemons said to a desired state."""
    body = bodies.read(request, "applied")
    registration.applied(_ctx(), _rack(), body["generation"], shapes.daemons(body))
    return jsonify({})


@blueprint.post("/boot-config")
def boot_config() -> Response:
    """What a machine boots."""
    query = shapes.boot_query(bodies.read(request, "boot-config"))
    return jsonify(answer.configuration(_ctx(), _rack(), query))


@blueprint.get("/boots")
def boots() -> Response:
    """The boots that a rack is to keep the metadata of."""
    return jsonify(shapes.under_way(keeping.boots(_ctx(), _rack())))


@blueprint.post("/boot-metadata")
def boot_metadata() -> Response:
    """The metadata of one of them."""
    body = bodies.read(request, "boot-metadata")
    return jsonify(shapes.kept_metadata(keeping.metadata(_ctx(), _rack(), body["boot_id"])))


@blueprint.post("/events")
def events() -> Response:
    """Daemon log lines about boots."""
    sightings, malformed = bodies.batch(request, "events", "event", shapes.sighting)
    return _verdict(evidence.take_sightings(_ctx(), _rack(), sightings), malformed)


@blueprint.post("/leases")
def leases() -> Response:
    """Lease events of the rack's dhcpd."""
    found, malformed = bodies.batch(request, "leases", "lease", shapes.lease)
    return _verdict(evidence.take_leases(_ctx(), _rack(), found), malformed)


@blueprint.post("/services")
def services() -> Response:
    """What the rack sees of its own services."""
    body = bodies.read(request, "services")
    pairs, report = shapes.dhcp_pairs(body), shapes.self_report(body)
    registration.services(_ctx(), _rack(), shapes.services(body), pairs, report)
    return jsonify({})


def _verdict(verdict: Verdict, malformed: list[Refusal]) -> Response:
    refused = [{"key": each.key[:MAX_KEY], "error": each.error[:MAX_WORDS]} for each in (*malformed, *verdict.refused)]
    return jsonify({"taken": verdict.taken, "refused": refused})


def _wait_s() -> float:
    try:
        wait_s = float(request.args.get("wait", "0"))
    except ValueError:
        wait_s = math.nan
    if not 0 <= wait_s <= MAX_WAIT_S:
        raise BadRequest(f"wait must be a number of seconds from 0 to {MAX_WAIT_S}")
    return wait_s


def _sections() -> frozenset[str] | None:
    """Sections that the rack asks for, by comma; None for all. Those that there are not are not there."""
    asked = request.args.get("sections")
    return None if asked is None else frozenset(asked.split(","))
