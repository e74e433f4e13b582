# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines that a person switches: there is nothing to talk to, and that is said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .base import Bmc, Parameter, PowerRefused, Session

_WORDS = "power type manual has no BMC; switch the machine at its button, or give it another power type"


class Manual:
    """A driver that refuses everything in words."""

    name = "manual"
    label = "By hand"
    parameters: tuple[Parameter, ...] = ()
    queryable = False
    sets_boot_device = False

    def bmc(self, power: Mapping[str, Any]) -> Bmc:
        """There is none."""
        raise PowerRefused(_WORDS)

    def knock(self, bmc: Bmc) -> None:
        """Nobody is there."""
        raise PowerRefused(_WORDS)

    def connect(self, bmc: Bmc) -> Session:
        """Nobody is there."""
        raise PowerRefused(_WORDS)


DRIVER = Manual()
