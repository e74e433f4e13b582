# SPDX-License-Identifier: GPL-3.0-or-later
"""What gunicorn calls: `rackyard.region.wsgi:http_app()` and `rackyard.region.wsgi:rpc_app()`."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from rackyard.region.app import create_app
from rackyard.region.config import DEFAULT_PATH, Config, load
from rackyard.region.db import migrations
from rackyard.region.db.pool import Database
from rackyard.region.rpc import create_rpc_app


def http_app() -> Flask:
    """The API and the metadata service."""
    return create_app(_checked(_config()))


def rpc_app() -> Flask:
    """What racks talk to."""
    return create_rpc_app(_checked(_config()))


def _checked(config: Config) -> Config:
    """The same, once it is known that this code can work with the database's schema. Raises RackyardError."""
    database = Database(config.dsn, size=1)
    try:
        migrations.require(database)
    finally:
        database.close()
    return config


def _config() -> Config:
    return load(Path(os.environ.get("RACKYARD_REGION_CONFIG", DEFAULT_PATH)))
