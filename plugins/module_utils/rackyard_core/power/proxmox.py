# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual machines of Proxmox VE, over its HTTPS API: one BMC with many machines.

A VM is found anew for each command, since it may move to another node at any time. The boot order of a VM is part of
its configuration and stays, so there is no boot device for the next boot only, and none is set.
Source: the API description of Proxmox VE (api2/json): access/ticket, cluster/resources, nodes/NODE/qemu/VMID/status.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from . import places, web
from .base import Bmc, Parameter, PowerBusy, PowerError, PowerRefused, Session

DEFAULT_PORT = 8006
# A cluster of some thousand VMs.
_MOST_BYTES = 4 * 1024 * 1024
_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62})")
_COMMANDS = {"on": "start", "off": "stop", "soft-off": "shutdown", "reset": "reset"}
_BUSY_WORDS = re.compile(r"is locked|got timeout|can't lock file|timeout waiting", re.IGNORECASE)
_ROOT = "/api2/json"


class Proxmox:
    """The driver."""

    name = "proxmox"
    label = "Proxmox"
    queryable = True
    sets_boot_device = False
    parameters: tuple[Parameter, ...] = (
        Parameter("power_address", "Address", kind="host", role="address", required=True),
        Parameter("power_port", "TCP port", kind="port", role="port", default=str(DEFAULT_PORT)),
        Parameter("power_user", "User name with realm, such as root@pam", role="user", required=True, max_bytes=128),
        Parameter("power_pass", "Password, unless there is a token", role="password", secret=True, max_bytes=256),
        Parameter("power_token_name", "Name of the API token", max_bytes=256),
        Parameter("power_token_secret", "Secret of the API token", secret=True, max_bytes=256),
        Parameter(
            "power_vm_name", "Name or number of the VM", role="slot", scope="machine", required=True, max_bytes=128
        ),
        Parameter(
            "power_off_mode",
            "Power off mode",
            kind="choice",
            scope="machine",
            default="hard",
            choices=("hard", "soft"),
        ),
        Parameter("power_verify_ssl", "Verify the certificate", kind="choice", default="y", choices=("y", "n")),
    )

    def bmc(self, power: Mapping[str, Any]) -> Bmc:
        """The BMC of a region's power settings, with the machine behind it."""
        given = power.get("options") or {}
        try:
            address = places.host(str(power.get("address") or ""))
        except ValueError as reason:
            raise PowerRefused(f"power_address {reason}") from reason
        names = ("power_token_name", "power_token_secret", "power_vm_name", "power_verify_ssl")
        options = {name: str(given.get(name) or "") for name in names}
        if not options["power_vm_name"]:
            raise PowerRefused(f"BMC {address}: there is no VM; set power_vm_name of the machine")
        options["bmc_networks"] = " ".join(power.get("bmc_networks") or ())
        user, password = str(power.get("user") or ""), str(power.get("password") or "")
        if not password and not (options["power_token_name"] and options["power_token_secret"]):
            raise PowerRefused(f"BMC {address}: set power_pass, or power_token_name and power_token_secret")
        port = int(power.get("port") or DEFAULT_PORT)
        return Bmc(self.name, address, port, user, password, tuple(options.items()), usual_port=DEFAULT_PORT)

    def knock(self, bmc: Bmc) -> None:
        """Connect, no more. Raises PowerUnreachable."""
        web.knock(_site(bmc))

    def connect(self, bmc: Bmc) -> Session:
        """Log in, if there is no token."""
        return ProxmoxSession(bmc)


DRIVER = Proxmox()


def _site(bmc: Bmc) -> web.Site:
    verify = dict(bmc.options)["power_verify_ssl"] != "n"
    return web.Site(bmc.address, bmc.port, True, verify, web.networks_of(bmc))


class ProxmoxSession:
    """A ticket, or a token, and the VM that is meant."""

    alive = True

    def __init__(self, bmc: Bmc) -> None:
        self._bmc = bmc
        self._site = _site(bmc)
        options = dict(bmc.options)
        self._vm = options["power_vm_name"]
        name, secret = options["power_token_name"], options["power_token_secret"]
        if name and secret:
            whole = name if "!" in name else f"{bmc.user}!{name}"
            self._headers = web.token("PVEAPIToken=", f"{whole}={secret}", "power_token_name or power_token_secret")
        else:
            self._headers = {}
            self._headers = self._login()

    def state(self) -> str:
        """On or off; a VM that is paused is on."""
        status = self._data("GET", f"{self._place()}/status/current")
        if not isinstance(status, dict) or status.get("status") not in ("running", "stopped"):
            raise self._odd("a status that is neither running nor stopped")
        return "on" if status["status"] == "running" else "off"

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """Proxmox has none for the next boot only."""
        raise PowerRefused(
            f"BMC {self._site.name}: Proxmox has no boot device for the next boot only; put the network first in the "
            f"boot order of VM {self._vm}"
        )

    def control(self, action: str) -> None:
        """Start, stop, shut down or reset. Proxmox does it in a task of its own."""
        self._data("POST", f"{self._place()}/status/{_COMMANDS[action]}", {})

    def hurry(self, hurried: bool) -> None:
        """Each request has a connection of its own."""

    def close(self) -> None:
        """A ticket ends by itself, after two hours."""

    def _login(self) -> dict[str, bytes]:
        form = {"username": self._bmc.user, "password": self._bmc.password}
        data = self._data("POST", "/access/ticket", form)
        ticket, prevention = (
            (data.get("ticket"), data.get("CSRFPreventionToken")) if isinstance(data, dict) else (None, None)
        )
        for text in (ticket, prevention):
            if not isinstance(text, str) or not text.isascii() or not text.isprintable() or ";" in text:
                raise self._odd("no ticket")
        return {"Cookie": f"PVEAuthCookie={ticket}".encode(), "CSRFPreventionToken": str(prevention).encode()}

    def _place(self) -> str:
        """The path of the VM, where it is now."""
        listed = self._data("GET", "/cluster/resources?type=vm")
        if not isinstance(listed, list):
            raise self._odd("no list of VMs")
        machines = [vm for vm in listed if isinstance(vm, dict) and vm.get("type") == "qemu" and not vm.get("template")]
        # A number is a VM's own before it is another's name.
        by_number = [vm for vm in machines if str(vm.get("vmid")) == self._vm]
        found = by_number or [vm for vm in machines if vm.get("name") == self._vm]
        if not found:
            raise PowerRefused(
                f"BMC {self._site.name} shows no VM {self._vm} to user '{self._bmc.user}'; correct power_vm_name, or "
                "give the user or token VM.Audit and VM.PowerMgmt"
            )
        if len(found) > 1:
            numbers = ", ".join(sorted(web.printable(str(vm.get("vmid"))) for vm in found[:8]))
            raise PowerRefused(
                f"BMC {self._site.name} has several VMs of the name {self._vm} ({numbers}); set power_vm_name to "
                "a number"
            )
        node, number = found[0].get("node"), found[0].get("vmid")
        if not isinstance(node, str) or not _NODE.fullmatch(node) or not isinstance(number, int):
            raise self._odd("a VM without a node or a number")
        return f"/nodes/{node}/qemu/{number}"

    def _data(self, method: str, path: str, form: dict[str, str] | None = None) -> Any:
        """What the answer has as its data. Raises PowerError's children."""
        headers = dict(self._headers)
        body = None
        if form is not None:
            headers["Content-Type"] = b"application/x-www-form-urlencoded"
            body = urlencode(form).encode()
        answer = web.ask(self._site, method, f"{_ROOT}{path}", headers, body, most_bytes=_MOST_BYTES)
        if answer.status >= 300:
            # What went wrong is in the reason phrase; 5xx is also what a VM in the wrong state gets.
            words = f"BMC {self._site.name} refused: {answer.status} {web.printable(answer.reason)} (VM {self._vm})"
            raise (PowerBusy if _BUSY_WORDS.search(answer.reason) else PowerRefused)(words)
        try:
            document = json.loads(answer.body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or "data" not in document:
            raise self._odd("no JSON of the Proxmox API")
        return document["data"]

    def _odd(self, what: str) -> PowerError:
        return PowerError(f"BMC {self._site.name} sent {what}; check power_address and power_port")
