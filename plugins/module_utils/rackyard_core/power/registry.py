# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The power drivers by name: the one place that lists them."""

from __future__ import annotations

from . import ipmi, manual, proxmox, redfish, webhook
from .base import Driver, PowerRefused

DRIVERS: dict[str, Driver] = {
    driver.name: driver for driver in (ipmi.DRIVER, manual.DRIVER, proxmox.DRIVER, redfish.DRIVER, webhook.DRIVER)
}


def driver(name: str) -> Driver:
    """The driver of that name. Raises PowerRefused listing those that there are."""
    try:
        return DRIVERS[name]
    except KeyError:
        known = ", ".join(sorted(DRIVERS))
        raise PowerRefused(f"power type {name!r} is not known here; use one of {known}, or update this host") from None


def preload() -> None:
    """Import what drivers import late; for whoever forks, so that the children share it."""
    redfish.preload()
