# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot service: answers the paths that pxelinux, GRUB and iPXE ask for, with what a region says about the machine.

It also takes what machines post, and answers for the regions while they are away (module metadata).

It stands behind nginx on port 5248, which tells it the machine's address (X-Real-IP) and the address of this rack that
the machine used (X-Server-Addr). It faces machines, so it has neither the rack's key nor the agent's rights: it asks
the regions through nginx, which lets nothing but this one question and machines' posts pass, and leaves its evidence
for the agent.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from rackyard.rack import boot_config, boot_evidence, metadata, transport
from rackyard.rack.boot_cache import BootCache
from rackyard.rack.boot_index import BootIndex
from rackyard.rack.config import RackConfig
from rackyard.rack.errors import RackError, RegionAway, RegionBusy, RegionFailed, RegionRefused
from rackyard.rack.kept_config import KeptConfigs
from rackyard.rack.log import log
from rackyard.rack.machine_posts import MachinePosts
from rackyard.rack.metadata import Metadata
from rackyard.rack.post_replay import Replay, Uplink
from rackyard.rack.regions import answer_of
from rackyard_core import macs

# nginx gives a region that hangs six seconds, and then asks the next.
_REGION_TIMEOUT_S = 9.0
# As nginx has it. A region takes less, and says so to the machine itself.
_BODY_LIMIT_BYTES = 16 * 1024 * 1024

# (RPC path, body) -> the region's answer. Raises RegionAway, RegionRefused, RackError.
Ask = Callable[[str, dict[str, Any]], Any]


class BootService:
    """The rules behind the routes."""

    def __init__(self, ask: Ask, kept: KeptConfigs, evidence: Path) -> None:
        self._ask = ask
        self._kept = kept
        self._evidence = evidence

    def start(self, firmware: str) -> Response:
        """The static first file of a loader."""
        return _text(boot_config.render_start(firmware, _rack_address()))

    def by_mac(self, firmware: str, mac: str, arch: str = "amd64") -> Response:
        """The configuration for a MAC; 404 for one that no region knows."""
        try:
            known = macs.normal(mac)
        except ValueError as reason:
            return _text(f"rackyard: {reason}\n", 404)
        return self._answer(firmware, {"mac": known, "arch": arch})

    def _answer(self, firmware: str, machine: dict[str, Any]) -> Response:
        client, rack = _client_address(), _rack_address()
        query = {**machine, "firmware": firmware, "client_ip": client, "local_ip": rack}
        try:
            answer, away = self._find_answer(query)
            config = boot_config.parse(answer)
        except RegionRefused as refusal:
            log("info", "boot-refused", mac=machine["mac"], client=client, status=refusal.status, reason=refusal)
            return _text(f"rackyard: {refusal}\n", 404)
        except boot_config.Unsafe as reason:
            log("error", "boot-unsafe", mac=machine["mac"], client=client, reason=reason)
            return _text(f"rackyard: the region's answer cannot be used: {reason}\n", 404)
        except (RegionAway, RackError) as reason:
            log("error", "boot-no-region", mac=machine["mac"], client=client, reason=reason)
            return _text(boot_config.render_away(firmware, request.path, rack))
        response = _text(boot_config.render(firmware, config, rack))
        given = f"{firmware}: {config.purpose}" + (", while no region answered" if away else "")
        response.call_on_close(lambda: self._given(machine["mac"], client, given))
        return response

    def _find_answer(self, query: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """A region's answer or, while none is there, this rack's own, and whether it is that.

        Raises RegionAway, RegionRefused, RackError."""
        try:
            return self._ask("boot-config", query), False
        except (RegionBusy, RegionFailed):
            raise
        except RegionAway:
            kept = self._kept.answer(query["mac"], query["client_ip"], query["local_ip"])
            if kept is None:
                raise
            return kept, True

    def _given(self, mac: str, client: str, given: str) -> None:
        """Tell the region, after the answer, which configuration was given."""
        now = datetime.now(UTC)
        event = {
            "key": uuid.uuid4().hex,
            "at": now.isoformat(),
            "type": "boot-config",
            "ip": client,
            "mac": mac,
            "detail": given,
            "daemon": "boot",
        }
        log("info", "boot-config", mac=mac, client=client, given=given)
        try:
            kept = boot_evidence.write(self._evidence, event)
        except OSError as reason:
            log("error", "boot-evidence-lost", mac=mac, reason=reason)
        else:
            if not kept:
                log("error", "boot-evidence-lost", mac=mac, reason="too much waits for the agent")


def create_app(config: RackConfig, ask: Ask | None = None) -> Flask:
    """The WSGI application; its extension `replay` has yet to be started. ``ask`` is the way to the regions, by default
    through nginx."""
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = _BODY_LIMIT_BYTES
    posts, uplink = MachinePosts(config.machine_posts), Uplink(config.boot_gateway)
    cache = BootCache(config.boot_cache, config.boot_keys)
    kept = Metadata(cache, posts, uplink, config.boot_evidence)
    app.register_blueprint(metadata.blueprint(kept, _client_address))
    configs = KeptConfigs(cache, BootIndex(config.boot_index), kept.is_over)
    service = BootService(ask or _region_asker(config), configs, config.boot_evidence)
    app.extensions["replay"] = Replay(posts, uplink)
    # Flask's own way to put something in front of an application; to mypy it replaces a method.
    app.wsgi_app = _with_single_slashes(app.wsgi_app)  # type: ignore[method-assign]

    @app.get("/ipxe.cfg")
    def ipxe_start() -> Response:
        return service.start("ipxe")

    @app.get("/ipxe.cfg-<mac>")
    def ipxe(mac: str) -> Response:
        return service.by_mac("ipxe", mac)

    @app.get("/grub/grub.cfg")
    def grub_start() -> Response:
        return service.start("grub")

    @app.get("/grub/grub.cfg-<mac>")
    def grub(mac: str) -> Response:
        return service.by_mac("grub", mac)

    @app.get("/pxelinux.cfg/01-<mac>")
    def pxelinux(mac: str) -> Response:
        return service.by_mac("pxelinux", mac)

    @app.errorhandler(404)
    def unknown(_error: Exception) -> Response:
        # pxelinux asks by UUID and by parts of its address too, GRUB for lists of modules: all of it optional.
        return _text("rackyard: there is no such boot file\n", 404)

    return app


def _with_single_slashes(inner: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """cloud-init joins URLs naively: `metadata//2012-03-01/` means `metadata/2012-03-01/`."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return inner(environ | {"PATH_INFO": re.sub("/{2,}", "/", environ.get("PATH_INFO", ""))}, start_response)

    return answer


def started(config: RackConfig) -> Flask:
    """The application with the thread that passes on what waited."""
    app = create_app(config)
    app.extensions["replay"].start()
    return app


def _region_asker(config: RackConfig) -> Ask:
    def ask(path: str, body: dict[str, Any]) -> Any:
        url = f"{config.boot_gateway}/rpc/1/{path}"
        response = transport.checked(transport.request("POST", url, body=body, timeout_s=_REGION_TIMEOUT_S))
        return answer_of(response, path)

    return ask


def _client_address() -> str:
    return _address(request.headers.get("X-Real-IP"), request.remote_addr)


def _rack_address() -> str:
    return _address(request.headers.get("X-Server-Addr"), "127.0.0.1")


def _address(header: str | None, otherwise: str | None) -> str:
    """An address in its usual form; an IPv4 address of a dual-stack socket comes mapped."""
    try:
        found = ip_address(header or otherwise or "")
    except ValueError:
        found = ip_address("127.0.0.1")
    return str(getattr(found, "ipv4_mapped", None) or found)


def _text(content: str, status: int = 200) -> Response:
    response = Response(content, status=status, mimetype="text/plain")
    response.headers["Cache-Control"] = "no-store"
    return response
