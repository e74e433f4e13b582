# SPDX-License-Identifier: GPL-3.0-or-later
"""The region: the only tier that touches PostgreSQL."""
