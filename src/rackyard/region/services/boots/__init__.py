# SPDX-License-Identifier: GPL-3.0-or-later
"""Boots: what a machine boots, and the twelve steps that explain it."""
