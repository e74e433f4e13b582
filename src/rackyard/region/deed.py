# SPDX-License-Identifier: GPL-3.0-or-later
"""Who does something, through what and from where: what the audit trail says of each change."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

API, CLI, WORKER = "api", "cli", "worker"


@dataclass(frozen=True)
class Deed:
    """One request of somebody. `request` names it without its parameters, which may be secrets; `address` is the
    caller's, or the name of the host whose command line it was."""

    actor: str
    account_id: int | None
    source: str
    address: str
    request: str
    at: datetime

    @property
    def text(self) -> str:
        """As the database's triggers read it."""
        return json.dumps({**vars(self), "at": self.at.isoformat()})
