# SPDX-License-Identifier: GPL-3.0-or-later
"""Rackyard: a region and rack service that turns blank servers into known machines."""

__version__ = "0.1.0"
