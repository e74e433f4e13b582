# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Redfish (DMTF DSP0266): what the driver takes and declares. ``redfish_session`` talks, by sushy.

sushy and what it needs are imported where a BMC is talked to and nowhere else: that takes a quarter of a second, and
hosts without it declare machines too.
"""

from __future__ import annotations

import importlib
import re
import socket
import time
from collections.abc import Mapping
from typing import Any

from .base import Bmc, Parameter, PowerRefused, PowerUnreachable, Session

DEFAULT_PORT = 443
_KNOCK_LIMIT_S = 4.0
_KNOCK_PAUSE_S = 0.3
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
# Of the last part of a resource's path.
_NODE_ID = re.compile(r"[A-Za-z0-9._~:@+-]*")


class Redfish:
    """The driver."""

    name = "redfish"
    label = "Redfish"
    queryable = True
    sets_boot_device = True
    parameters: tuple[Parameter, ...] = (
        Parameter("power_address", "Address", kind="ip", role="address", required=True),
        Parameter("power_port", "TCP port", kind="port", role="port", default=str(DEFAULT_PORT)),
        Parameter("power_user", "User name", role="user", required=True),
        Parameter("power_pass", "Password", role="password", required=True, secret=True),
        Parameter("node_id", "Node ID", role="slot", scope="machine"),
        Parameter("power_verify_ssl", "Verify the certificate", kind="choice", default="y", choices=("y", "n")),
        Parameter("power_tls_fingerprint", "SHA-256 fingerprint of the certificate", max_bytes=95),
        Parameter(
            "power_boot_type",
            "Boot type",
            kind="choice",
            scope="machine",
            default="auto",
            choices=("auto", "legacy", "efi"),
        ),
        Parameter(
            "power_off_mode", "Power off mode", kind="choice", scope="machine", default="hard", choices=("hard", "soft")
        ),
    )

    def bmc(self, power: Mapping[str, Any]) -> Bmc:
        """The BMC of a region's power settings. Raises PowerRefused naming what cannot be honoured."""
        address, given = str(power.get("address") or ""), power.get("options") or {}
        if not address:
            raise PowerRefused("there is no BMC address; set power_address of the machine")
        node_id = str(given.get("node_id") or "")
        if not _NODE_ID.fullmatch(node_id) or node_id in (".", ".."):
            raise PowerRefused(f"BMC {address}: node_id {node_id!r} is no part of a path; leave it empty to be told it")
        fingerprint = str(given.get("power_tls_fingerprint") or "").replace(":", "").lower()
        if fingerprint and not _FINGERPRINT.fullmatch(fingerprint):
            raise PowerRefused(
                f"BMC {address}: power_tls_fingerprint is no SHA-256 fingerprint; give 64 hexadecimal digits"
            )
        options = {
            "node_id": node_id,
            "power_verify_ssl": "n" if given.get("power_verify_ssl") == "n" else "",
            "power_tls_fingerprint": fingerprint,
            "power_boot_type": "legacy" if given.get("power_boot_type") == "legacy" else "",
        }
        user, password = str(power.get("user") or ""), str(power.get("password") or "")
        pairs = tuple((name, value) for name, value in options.items() if value)
        port = int(power.get("port") or DEFAULT_PORT)
        return Bmc(self.name, address, port, user, password, pairs, usual_port=DEFAULT_PORT)

    def knock(self, bmc: Bmc) -> None:
        """Connect, no more; a BMC that refuses may be just starting. Raises PowerUnreachable after 4 s."""
        give_up_at = time.monotonic() + _KNOCK_LIMIT_S
        reason: OSError | None = None
        while (left_s := give_up_at - time.monotonic()) > 0:
            try:
                socket.create_connection((bmc.address, bmc.port), left_s).close()
                return
            except OSError as caught:
                reason = caught
            time.sleep(_KNOCK_PAUSE_S)
        raise PowerUnreachable(
            f"BMC {bmc.name} does not answer Redfish ({reason}); check its address, its cable and that Redfish is "
            "enabled"
        )

    def connect(self, bmc: Bmc) -> Session:
        """Log in, one try."""
        from . import redfish_session

        return redfish_session.RedfishSession(bmc)


DRIVER = Redfish()


def preload() -> None:
    """Import what sessions need, if it is there: workers that are forked afterwards share its memory."""
    importlib.import_module(f"{__package__}.redfish_session")
