# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Webhook: somebody's own web server that switches machines. POST to switch on or off, GET to ask; JSON is not needed,
for the power state is what one of two regular expressions finds in the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from . import places, web
from .base import Bmc, Parameter, PowerError, PowerRefused, Session

ON_REGEX, OFF_REGEX = r"status.*\:.*running", r"status.*\:.*stopped"
_MOST_BYTES = 64 * 1024
_URIS = ("power_on_uri", "power_off_uri", "power_query_uri")


class Webhook:
    """The driver. A BMC is the URI that switches a machine on: two machines cannot have the same."""

    name = "webhook"
    label = "Webhook"
    queryable = True
    sets_boot_device = False
    parameters: tuple[Parameter, ...] = (
        Parameter("power_on_uri", "URI to power on", kind="uri", role="address", required=True),
        Parameter("power_off_uri", "URI to power off", kind="uri", required=True, beside_address=True),
        Parameter("power_query_uri", "URI to query the power state", kind="uri", required=True, beside_address=True),
        Parameter("power_on_regex", "Regex of a machine that is on", kind="regex", default=ON_REGEX, max_bytes=256),
        Parameter("power_off_regex", "Regex of a machine that is off", kind="regex", default=OFF_REGEX, max_bytes=256),
        Parameter("power_user", "User name", role="user", max_bytes=255),
        Parameter("power_pass", "Password", role="password", secret=True, max_bytes=1024),
        Parameter("power_token", "Token, instead of user and password", secret=True, max_bytes=4096),
        Parameter("power_verify_ssl", "Verify the certificate", kind="choice", default="y", choices=("y", "n")),
    )

    def bmc(self, power: Mapping[str, Any]) -> Bmc:
        """The BMC of a region's power settings. Raises PowerRefused unless all URIs are of one web server."""
        given = {**(power.get("options") or {}), "power_on_uri": power.get("address") or ""}
        uris = {name: _uri(name, str(given.get(name) or "")) for name in _URIS}
        if len({places.origin(uri) for uri in uris.values()}) > 1:
            raise PowerRefused(f"{', '.join(_URIS)} must have the same scheme, host and port")
        rest = ("power_on_regex", "power_off_regex", "power_token", "power_verify_ssl")
        options = {**uris, **{name: str(given.get(name) or "") for name in rest}}
        options["bmc_networks"] = " ".join(power.get("bmc_networks") or ())
        _scheme, _host, port = places.origin(uris["power_on_uri"])
        return Bmc(
            self.name,
            uris["power_on_uri"],
            port,
            str(power.get("user") or ""),
            str(power.get("password") or ""),
            tuple(options.items()),
            usual_port=port,
        )

    def knock(self, bmc: Bmc) -> None:
        """Connect, no more. Raises PowerUnreachable."""
        web.knock(_site(bmc))

    def connect(self, bmc: Bmc) -> Session:
        """There is nothing to log in to: each request has the credentials."""
        return WebhookSession(bmc)


DRIVER = Webhook()


def _uri(name: str, text: str) -> str:
    try:
        return places.uri(text)
    except ValueError as reason:
        raise PowerRefused(f"{name} {reason}") from reason


def _site(bmc: Bmc) -> web.Site:
    scheme, host, port = places.origin(bmc.address)
    verify = dict(bmc.options)["power_verify_ssl"] != "n"
    return web.Site(host, port, scheme == "https", verify, web.networks_of(bmc))


class WebhookSession:
    """What orders need; nothing stays open."""

    alive = True

    def __init__(self, bmc: Bmc) -> None:
        self._site = _site(bmc)
        self._options = dict(bmc.options)
        secret = self._options["power_token"]
        self._headers: dict[str, bytes] = {}
        if secret:
            self._headers = web.token("Bearer ", secret, "power_token")
        elif bmc.user or bmc.password:
            self._headers = web.basic(bmc.user, bmc.password)

    def state(self) -> str:
        """On or off, by the expressions. Raises PowerError when neither is found, or both."""
        text = self._ask("GET", "power_query_uri").decode(errors="replace")
        found = {"on": self._matches("power_on_regex", ON_REGEX, text)}
        found["off"] = self._matches("power_off_regex", OFF_REGEX, text)
        states = [state for state, there in found.items() if there]
        if len(states) != 1:
            which = "both expressions match" if states else "neither power_on_regex nor power_off_regex matches"
            raise PowerError(
                f"BMC {self._site.name}: {which} what power_query_uri answers; correct them or the web server"
            )
        return states[0]

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """A webhook has none."""
        raise PowerRefused(f"BMC {self._site.name}: a webhook cannot set the boot device; use another power type")

    def control(self, action: str) -> None:
        """Switch on or off."""
        if action not in ("on", "off"):
            raise PowerRefused(f"BMC {self._site.name}: a webhook has no {action}; order off or cycle")
        self._ask("POST", f"power_{action}_uri")

    def hurry(self, hurried: bool) -> None:
        """Nothing stays open that could have died."""

    def close(self) -> None:
        """Nothing stays open."""

    def _matches(self, name: str, default: str, text: str) -> bool:
        # An expression that never ends is ended with this process, at the deadline of the call.
        try:
            return re.search(self._options[name] or default, text) is not None
        except (re.error, OverflowError, RecursionError) as reason:
            raise PowerRefused(f"{name} is no regular expression ({reason}); correct it") from reason

    def _ask(self, method: str, name: str) -> bytes:
        parts = urlsplit(self._options[name])
        target = f"{parts.path}?{parts.query}" if parts.query else parts.path
        answer = web.ask(
            self._site, method, target, self._headers, b"" if method == "POST" else None, most_bytes=_MOST_BYTES
        )
        if answer.status >= 300:
            said = f"{answer.status} {web.printable(answer.reason)}"
            words = f"BMC {self._site.name} answered {said} to {name}; look at its log"
            raise (PowerRefused if answer.status < 500 else PowerError)(words)
        return answer.body
