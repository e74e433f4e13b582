# SPDX-License-Identifier: GPL-3.0-or-later
"""What every service function is given: the world it works in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rackyard.region.clock import Clock
from rackyard.region.config import Config
from rackyard.region.crowd import Crowd
from rackyard.region.crypto import SecretBox
from rackyard.region.db.connections import STATEMENT_TIMEOUT_S
from rackyard.region.db.notifier import Notifier
from rackyard.region.db.pool import Database
from rackyard.region.deed import Deed
from rackyard.region.randomness import Randomness
from rackyard.region.shared import Shared

# Half of the threads of the metadata process; a machine asks one question at a time, and repeats it when it waits long.
MAX_WAITING, MAX_WAITING_EACH = 24, 2
# A login takes 64 MiB and all that a processor can do for some 0.1 s: a few at once, and from one address fewer.
MAX_LOGINS, MAX_LOGINS_EACH = 4, 2
# Questions to others' servers, which may take seconds.
MAX_FETCHES, MAX_FETCHES_EACH = 4, 1


@dataclass(frozen=True)
class Context:
    """Database, settings, time, randomness, the box for secrets, who waits in this process for a lease, to log in or
    for others' servers, and what all racks' documents have in common."""

    config: Config
    db: Database
    notifier: Notifier
    box: SecretBox
    clock: Clock
    random: Randomness
    crowd: Crowd = field(default_factory=lambda: Crowd(MAX_WAITING, MAX_WAITING_EACH))
    logins: Crowd = field(default_factory=lambda: Crowd(MAX_LOGINS, MAX_LOGINS_EACH))
    fetches: Crowd = field(default_factory=lambda: Crowd(MAX_FETCHES, MAX_FETCHES_EACH))
    site: Shared = field(default_factory=Shared)

    @classmethod
    def from_config(cls, config: Config, *, statement_timeout_s: int = STATEMENT_TIMEOUT_S) -> Context:
        """The real world. Nothing is connected until it is first needed, so this is safe before a fork."""
        db = Database(config.dsn, size=config.pool_size, statement_timeout_s=statement_timeout_s)
        return cls(
            config=config,
            db=db,
            notifier=Notifier(config.dsn),
            box=SecretBox.from_file(config.secrets_key),
            clock=Clock(db.time.ahead),
            random=Randomness(),
        )

    def acting(self, deed: Deed) -> Context:
        """The same world, in which whatever is changed is recorded as somebody's deed."""
        return replace(self, db=self.db.recording(deed.text))

    def close(self) -> None:
        """Give back every connection."""
        self.notifier.close()
        self.db.close()
