# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tiers a host is in, and so which of its processes applies the daemons that both tiers have.

A role writes the file; the region's worker and the rack's agent both go by it. On a host in both tiers the worker
applies the shared daemons for both, and the agent leaves them alone.
"""

from __future__ import annotations

import tomllib
from pathlib import Path

# Beside region.toml and rack.toml.
NAME = "host.toml"
REGION, RACK = "region", "rack"
# The region's side of a host has these configurations, where there is one.
SHARED = frozenset({"dns", "ntp", "proxy", "syslog"})


def read(path: Path, *, missing: str) -> frozenset[str]:
    """The tiers of this host; only `missing` when the file is not there. Raises ValueError naming what is wrong."""
    try:
        tiers = tomllib.loads(path.read_text(encoding="utf-8"))["tiers"]
    except FileNotFoundError:
        return frozenset({missing})
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as reason:
        raise ValueError(
            f"{path} does not say which tiers this host is in: {reason}; run the site playbook"
        ) from reason
    if not isinstance(tiers, list) or not set(tiers) <= {REGION, RACK}:
        raise ValueError(f"{path}: tiers must be a list of {REGION} and {RACK}; run the site playbook")
    return frozenset(tiers)
