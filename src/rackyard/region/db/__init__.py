# SPDX-License-Identifier: GPL-3.0-or-later
"""Schema, named queries, pool and repositories. No rules live here."""
