# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata for machines while every region is away, and what machines post, at any time.

nginx asks the regions first; what comes here to be read, none of them answered. This knows the boots that the agent
keeps and no others, and asks for what a region would: the machine's own address, and its boot's credentials. Of a boot
that is not kept nobody can say anything now (503): the machine asks again, and no machine is turned away for good."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

from flask import Blueprint, Response, request

from rackyard.rack import boot_evidence
from rackyard.rack.boot_cache import BootCache, CachedBoot
from rackyard.rack.errors import RegionAway
from rackyard.rack.log import log
from rackyard.rack.machine_posts import POST_LIMIT_BYTES, MachinePosts, NoRoom, Post
from rackyard.rack.post_replay import Uplink

VERSIONS = frozenset({"latest", "2012-03-01"})
ITEMS = ("instance-id", "local-hostname", "public-keys", "vendor-data")
FINAL = frozenset({"OK", "FAILED", "TIMEDOUT"})
BASE = "/MAAS/metadata"
_SIGNAL, _STATUS = re.compile(BASE + r"/(?:latest|2012-03-01)/"), re.compile(BASE + r"/status/[a-z0-9]{1,32}")
_MAX_HEADER = 4096
_OAUTH = re.compile(r'\s*(oauth_[a-z_]+)="([^"]*)"\s*', re.ASCII)
# Posts of one boot go one after the other, others beside them.
_STRIPES = 256


class Refused(Exception):
    """What a region would say to this caller, too."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@dataclass(frozen=True)
class Claimed:
    """OAuth credentials as the caller gives them."""

    consumer_key: str
    token_key: str
    token_secret: str = field(repr=False)


@dataclass(frozen=True)
class Sent:
    """A post as it came, and the machine's address."""

    path: str
    address: str
    authorization: str = field(repr=False)
    content_type: str
    body: bytes = field(repr=False)


class Metadata:
    """The rules behind the routes."""

    def __init__(self, cache: BootCache, posts: MachinePosts, uplink: Uplink, evidence: Path) -> None:
        self._cache = cache
        self._posts = posts
        self._uplink = uplink
        self._evidence = evidence
        self._stripes = [threading.Lock() for _number in range(_STRIPES)]

    def preseed(self, boot_id: str, address: str) -> bytes:
        """The first document, for the machine's address. Raises RegionAway, Refused."""
        boot = self._known(self._cache.by_id(boot_id))
        _require_address(boot, address)
        return boot.documents["preseed"]

    def own_boot(self, authorization: str | None, address: str) -> CachedBoot:
        """The boot under way whose credentials these are. Raises RegionAway, Refused."""
        claimed = parse(authorization)
        boot = self._known(self._cache.by_token(claimed.token_key))
        _require_machine(boot, claimed, address)
        return boot

    def pulled(self, boot: CachedBoot, address: str) -> None:
        """The machine has got the last piece of its metadata: the region has to hear of it."""
        event = {
            "key": uuid.uuid4().hex,
            "at": datetime.now(UTC).isoformat(),
            "type": "metadata",
            "ip": address,
            "detail": f"by {address}, while no region answered",
            "daemon": "boot",
        }
        log("info", "metadata-from-cache", machine=boot.hostname, client=address)
        try:
            boot_evidence.write(self._evidence, event)
        except OSError as reason:
            log("error", "boot-evidence-lost", machine=boot.hostname, reason=reason)

    def take(self, sent: Sent, is_last_word: Callable[[], bool]) -> Response:
        """A post of a machine: a region's answer, or the rack's own when it waits here. Raises RegionAway, Refused."""
        claimed = _claimed(sent.authorization)
        boot = self._cache.by_token(claimed.token_key) if claimed else None
        with self._stripes[hash(claimed) % _STRIPES]:
            waits = self._has_posts(boot)
            post = _post(sent, boot)
            if boot is None or claimed is None or not (waits or self._uplink.away):
                try:
                    answer = self._uplink.send(post)
                    return Response(answer.body, answer.status, _passed_on(answer.headers))
                except RegionAway as reason:
                    if boot is None or claimed is None:
                        raise RegionAway("this rack keeps no boot with these credentials") from reason
            _require_machine(boot, claimed, sent.address)
            self._keep(replace(post, final=len(sent.body) <= POST_LIMIT_BYTES and is_last_word()))
        return text("OK") if _SIGNAL.match(sent.path) else Response(status=204)

    def is_over(self, boot: CachedBoot) -> bool:
        """Whether the machine has said its last word, which waits here. Raises RegionAway when that cannot be told."""
        return self._has_posts(boot) and self._posts.ended(boot.boot_id)

    def _has_posts(self, boot: CachedBoot | None) -> bool:
        """Whether something of the boot waits here. Raises RegionAway when that cannot be told."""
        try:
            if not self._posts.own():
                raise RegionAway("another process of this rack has to end its work first")
        except FileNotFoundError:  # not set up yet, so nothing can wait there
            return False
        except OSError as reason:
            raise RegionAway(f"this rack cannot see what waits for one ({reason})") from reason
        return boot is not None and self._posts.waits(boot.boot_id)

    def _keep(self, post: Post) -> None:
        try:
            self._posts.append(post)
        except (NoRoom, OSError) as reason:
            log("error", "post-not-kept", machine=post.hostname, reason=reason)
            raise RegionAway(f"nothing more can be kept on this rack: {reason}") from reason
        log("info", "post-waits", machine=post.hostname, path=post.path, size_bytes=len(post.body))

    def _known(self, boot: CachedBoot | None) -> CachedBoot:
        if boot is None:
            raise RegionAway("this rack knows no such boot")
        if self.is_over(boot):
            raise Refused(401, f"the boot {boot.boot_id[:8]} of {boot.hostname} is over; its credentials died with it")
        return boot


def blueprint(service: Metadata, address_of: Callable[[], str]) -> Blueprint:
    """The routes. ``address_of`` gives the machine's address."""
    routes = Blueprint("metadata", __name__, url_prefix=BASE)
    _add_anonymous(routes, service, address_of)
    _add_signed(routes, service, address_of)

    @routes.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return text(f"{error}", error.status)

    @routes.errorhandler(RegionAway)
    def away(error: RegionAway) -> Response:
        response = text(f"no region answers, and {error}; ask again", 503)
        response.headers["Retry-After"] = "5"
        return response

    return routes


def _add_anonymous(routes: Blueprint, service: Metadata, address_of: Callable[[], str]) -> None:
    @routes.get("/latest/by-id/<boot_id>/")
    def preseed(boot_id: str) -> Response:
        if request.args.get("op") != "get_preseed":
            raise Refused(400, "only op=get_preseed is known here")
        return text(service.preseed(boot_id, address_of()))

    @routes.get("/<version>/")
    def index(version: str) -> Response:
        _require_version(version)
        return text("maas-scripts\nmeta-data/\nuser-data")

    @routes.get("/<version>/meta-data/")
    def meta_data_index(version: str) -> Response:
        _require_version(version)
        return text("\n".join(ITEMS))


def _add_signed(routes: Blueprint, service: Metadata, address_of: Callable[[], str]) -> None:
    def own_boot(version: str) -> CachedBoot:
        _require_version(version)
        return service.own_boot(request.headers.get("Authorization"), address_of())

    @routes.get("/<version>/meta-data/<item>")
    def meta_data(version: str, item: str) -> Response:
        boot = own_boot(version)
        if item not in ITEMS:
            raise Refused(404, f"there is no meta-data item {item[:40]!r}; known are {', '.join(ITEMS)}")
        return text({"instance-id": boot.system_id, "local-hostname": boot.hostname}.get(item, ""))

    @routes.get("/<version>/user-data")
    def user_data(version: str) -> Response:
        boot, address = own_boot(version), address_of()
        response = Response(boot.documents["user-data"], mimetype="application/octet-stream")
        response.call_on_close(lambda: service.pulled(boot, address))
        return response

    @routes.get("/<version>/maas-scripts")
    def scripts(version: str) -> Response:
        return Response(own_boot(version).documents["maas-scripts"], mimetype="application/x-tar")

    @routes.post("/<path:_rest>")
    def post(_rest: str) -> Response:
        if not (_SIGNAL.fullmatch(request.path) or _STATUS.fullmatch(request.path)):
            raise Refused(404, "machines post to a version or to status only")
        sent = Sent(
            request.path + ("?op=signal" if request.args.get("op") == "signal" else ""),
            address_of(),
            request.headers.get("Authorization", ""),
            request.headers.get("Content-Type", ""),
            request.get_data(cache=True),
        )
        return service.take(sent, lambda: request.form.get("status") in FINAL)


def parse(authorization: str | None) -> Claimed:
    """OAuth1 PLAINTEXT credentials (RFC 5849, 3.4.4). Raises Refused."""
    header = authorization or ""
    words = header[6:].split(",") if header[:6].lower() == "oauth " and len(header) <= _MAX_HEADER else []
    found = [_OAUTH.fullmatch(word) for word in words]
    values = {match[1]: unquote(match[2]) for match in found if match}
    consumer_secret, ampersand, secret = values.get("oauth_signature", "").partition("&")
    if consumer_secret or not ampersand or not values.get("oauth_token"):
        raise Refused(401, "Authorization Error: the request is not signed; sign it with the boot's credentials.")
    return Claimed(values.get("oauth_consumer_key", ""), values["oauth_token"], unquote(secret))


def text(content: str | bytes, status: int = 200) -> Response:
    """A plain answer that nobody keeps."""
    response = Response(content, status=status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response


def _claimed(authorization: str) -> Claimed | None:
    try:
        return parse(authorization)
    except Refused:
        return None  # a region says what is wrong with it


def _post(sent: Sent, boot: CachedBoot | None) -> Post:
    return Post(
        key=uuid.uuid4().hex,
        taken_at=datetime.now(UTC).isoformat(),
        boot_id=boot.boot_id if boot else "",
        hostname=boot.hostname if boot else "",
        path=sent.path,
        content_type=sent.content_type,
        address=sent.address,
        final=False,
        authorization=sent.authorization,
        body=sent.body,
    )


def _passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    kept = {"content-type": "Content-Type", "retry-after": "Retry-After"}
    return {name: headers[key] for key, name in kept.items() if key in headers}


def _require_machine(boot: CachedBoot, claimed: Claimed, address: str) -> None:
    if not boot.signed_by(claimed.consumer_key, claimed.token_secret):
        raise Refused(401, "these credentials belong to no boot; a machine gets its own with each commissioning")
    _require_address(boot, address)


def _require_address(boot: CachedBoot, address: str) -> None:
    if address not in boot.addresses:
        log("warning", "metadata-refused", machine=boot.hostname, client=address)
        raise Refused(403, f"{address} spoke for {boot.hostname}, but is leased to another machine, or to none")


def _require_version(version: str) -> None:
    if version not in VERSIONS:
        raise Refused(404, f"there is no metadata version {version[:20]!r}; known are {', '.join(sorted(VERSIONS))}")
