# SPDX-License-Identifier: GPL-3.0-or-later
"""What every service function is given: the world it works in."""

from __future__ import annotations

from dataclasses import dataclass

from rackyard.region.clock import Clock
from rackyard.region.config import Config
from rackyard.region.crypto import SecretBox
from rackyard.region.db.notifier import Notifier
from rackyard.region.db.pool import Database
from rackyard.region.randomness import Randomness


@dataclass(frozen=True)
class Context:
    """Database, settings, time, randomness and the box for secrets."""

    config: Config
    db: Database
    notifier: Notifier
    box: SecretBox
    clock: Clock
    random: Randomness

    @classmethod
    def from_config(cls, config: Config) -> Context:
        """The real world. Nothing is connected until it is first needed, so this is safe before a fork."""
        return cls(
            config=config,
            db=Database(config.dsn, size=config.pool_size),
            notifier=Notifier(config.dsn),
            box=SecretBox.from_file(config.secrets_key),
            clock=Clock(),
            random=Randomness(),
        )

    def close(self) -> None:
        """Give back every connection."""
        self.notifier.close()
        self.db.close()
