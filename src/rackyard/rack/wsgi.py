# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry point of gunicorn: ``rackyard.rack.wsgi:boot_app()``."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from rackyard.rack import boot, config


def boot_app() -> Flask:
    """The boot service with the host's configuration (RACKYARD_RACK_CONFIG, else /etc/rackyard/rack.toml)."""
    return boot.started(config.load(Path(os.environ.get("RACKYARD_RACK_CONFIG", str(config.DEFAULT_PATH)))))
