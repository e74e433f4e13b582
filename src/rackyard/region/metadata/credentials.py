# SPDX-License-Identifier: GPL-3.0-or-later
"""OAuth1 PLAINTEXT credentials of a boot, as cloud-init and the runner send them (RFC 5849, 3.4.4)."""

from __future__ import annotations

from rackyard.region import oauth
from rackyard.region.context import Context
from rackyard.region.crypto import secret_matches
from rackyard.region.db.boots import enlistment, records
from rackyard.region.db.boots.enlistment import Enlistment
from rackyard.region.db.boots.records import BootOfToken
from rackyard.region.errors import Unauthorized


def boot_of(ctx: Context, authorization: str | None) -> BootOfToken | Enlistment:
    """The boot whose credentials these are, over or not. Raises Unauthorized."""
    claimed = oauth.parse(authorization)
    with ctx.db.transaction() as tx:
        boot = records.of_token(tx, claimed.token_key) or enlistment.of_token(tx, claimed.token_key)
    if (
        boot is None
        or claimed.consumer_key != boot.consumer_key
        or not secret_matches(claimed.token_secret, boot.token_secret_sha256)
    ):
        raise Unauthorized("these credentials belong to no boot; a machine gets its own with each commissioning")
    return boot


def require_running(ctx: Context, boot: BootOfToken | Enlistment) -> None:
    """Raise Unauthorized when the boot is over: its credentials died with it."""
    if boot.ended_at is not None or boot.credentials_expire_at <= ctx.clock.now():
        raise Unauthorized(f"the boot {boot.boot_id[:8]} of {boot.hostname} is over; its credentials died with it")
