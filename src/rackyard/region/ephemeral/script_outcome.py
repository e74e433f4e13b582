# SPDX-License-Identifier: GPL-3.0-or-later
"""What an uploaded script says of its own outcome, in the YAML file that RESULT_PATH names. Nobody trusts it.

Format: MAAS's; `status`, and `results` by the keys that the script's metadata declare."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

MAX_BYTES = 64 * 1024
# MAAS SCRIPT_STATUS, by the words that a script may say.
STATUSES: Mapping[str, int] = {"passed": 2, "failed": 3, "timedout": 4, "degraded": 6, "skipped": 9}


def status_of(result: bytes, otherwise: int) -> int:
    """The status in the result file; `otherwise` when it says none, or cannot be read."""
    if not result.strip() or len(result) > MAX_BYTES:
        return otherwise
    try:
        # Aliases are references here, and nothing walks through what they make.
        said = yaml.safe_load(result)
    except (yaml.YAMLError, ValueError, RecursionError):
        return otherwise
    word = said.get("status") if isinstance(said, dict) else None
    return STATUSES.get(word, otherwise) if isinstance(word, str) else otherwise
