# SPDX-License-Identifier: GPL-3.0-or-later
"""The user data of a commissioning boot: the runner with its configuration inside."""

import json
from dataclasses import asdict, dataclass
from importlib.resources import files

_SLOT = 'CONFIG_JSON = "{}"'


@dataclass(frozen=True, slots=True)
class RunnerConfig:
    """Where the runner reports to, and the credentials of this boot.

    ``metadata_url`` is the datasource's (``http://<subnet name>:5248/MAAS/metadata/``), ``heartbeat_s`` the seconds
    between two signs of life.
    """

    metadata_url: str
    consumer_key: str
    token_key: str
    token_secret: str
    heartbeat_s: float = 60.0


def build_user_data(config: RunnerConfig) -> bytes:
    """Return the runner with ``config`` filled in, ready to be served as user-data.

    It carries the boot's secret: serve it only to the machine that authenticated with it.
    """
    source = (files(__package__) / "runner.py").read_text("utf-8")
    if source.count(_SLOT) != 1:
        raise AssertionError(f"runner.py must have the line {_SLOT!r} exactly once")
    text = json.dumps(asdict(config))
    # An ASCII JSON string is also a Python string literal.
    return source.replace(_SLOT, f"CONFIG_JSON = {json.dumps(text)}").encode()
