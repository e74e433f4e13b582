# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines: registering, finding, their status and results."""
