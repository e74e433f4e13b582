# SPDX-License-Identifier: GPL-3.0-or-later
"""What gunicorn calls: one function for each kind of process of a region."""

from __future__ import annotations

import os
from pathlib import Path

from flask import Flask

from rackyard.region.app import create_app
from rackyard.region.config import DEFAULT_PATH, Config, load
from rackyard.region.db import migrations
from rackyard.region.db.pool import Database
from rackyard.region.rpc import create_rpc_app
from rackyard.region.rpc.calls import CONTEXT_KEY, TURNS_KEY
from rackyard.region.rpc.presence import Presence


def http_app() -> Flask:
    """The API, for operators."""
    return create_app(_checked(_config()), parts=("api",))


def metadata_app() -> Flask:
    """The metadata service, for machines."""
    return create_app(_checked(_config()), parts=("metadata",))


def rpc_app() -> Flask:
    """The calls of racks that are answered at once."""
    return create_rpc_app(_checked(_config()))


def polls_app() -> Flask:
    """The long polls of racks, in gunicorn's gevent worker: none of them holds a thread. Who polls is alive."""
    from rackyard.region import cooperative  # gevent must not be loaded into the other processes

    cooperative.prepare()
    app = create_rpc_app(_checked(_config()))
    Presence(app.extensions[CONTEXT_KEY], app.extensions[TURNS_KEY]).start()
    return app


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
