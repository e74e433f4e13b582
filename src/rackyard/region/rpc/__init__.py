# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks say to a region: JSON over mutual TLS, `/rpc/1/`."""

from rackyard.region.rpc.app import create_rpc_app

__all__ = ["create_rpc_app"]
