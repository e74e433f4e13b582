# SPDX-License-Identifier: GPL-3.0-or-later
"""The scripts of a boot as its machine fetches them."""

from __future__ import annotations

from rackyard.region import ephemeral
from rackyard.region.db.pool import Transaction
from rackyard.region.ephemeral.catalogue import Uploaded
from rackyard.region.ephemeral.script_metadata import Metadata


def of_boot(tx: Transaction, boot_id: int) -> bytes:
    """The tar archive for the boot with that row id: as the scripts were when it began, whatever they are now."""
    known = tx.all("operations.signals.ids", boot_id=boot_id)
    ids = {row["name"]: int(row["id"]) for row in known}
    uploaded = [
        Uploaded(ids[row["name"]], Metadata.of(row["metadata"]), bytes(row["content"]))
        for row in known
        if row["metadata"] is not None
    ]
    own = [
        Uploaded(ids[test.metadata.name], test.metadata, test.body)
        for test in ephemeral.tests()
        if test.metadata.name in ids
    ]
    return ephemeral.build_archive(ids, [*own, *uploaded])
