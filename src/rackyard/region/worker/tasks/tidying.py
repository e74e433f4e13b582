# SPDX-License-Identifier: GPL-3.0-or-later
"""Removing what is long over."""

from __future__ import annotations

import logging

from rackyard.region.context import Context
from rackyard.region.services.site import retention

_log = logging.getLogger(__name__)


def tidy(ctx: Context) -> None:
    """One pass of the retention rules; what was removed stands in the journal."""
    removed = {name.rpartition(".")[2]: count for name, count in retention.tidy(ctx).items() if count}
    if removed:
        _log.info("removed what is long over: %s", ", ".join(f"{count} {name}" for name, count in removed.items()))
