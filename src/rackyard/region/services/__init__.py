# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of the region. Nothing here knows Flask or SQL."""
