# SPDX-License-Identifier: GPL-3.0-or-later
"""The documents of a boot, the same whether the region serves them or a rack in its place."""

from __future__ import annotations

from rackyard.region.ephemeral import RunnerConfig, build_user_data
from rackyard.region.metadata import preseed
from rackyard.region.services.boots.access import Access


def preseed_of(access: Access) -> str:
    """The cloud-config with the boot's credentials."""
    return preseed.render(
        preseed.Preseed(
            system_id=access.system_id,
            hostname=access.hostname,
            subnet_name=access.subnet_name,
            credentials=preseed.Credentials(access.consumer_key, access.token_key, access.token_secret),
            apt_sources=access.apt_sources,
        )
    )


def user_data_of(access: Access) -> bytes:
    """The commissioning runner with its configuration."""
    return build_user_data(
        RunnerConfig(
            metadata_url=preseed.metadata_url(access.subnet_name),
            consumer_key=access.consumer_key,
            token_key=access.token_key,
            token_secret=access.token_secret,
        )
    )
