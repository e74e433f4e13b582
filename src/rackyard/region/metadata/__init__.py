# SPDX-License-Identifier: GPL-3.0-or-later
"""The metadata service under `/MAAS/metadata/`, as cloud-init's MAAS datasource and our runner want it."""

from rackyard.region.metadata.routes import blueprint

__all__ = ["blueprint"]
