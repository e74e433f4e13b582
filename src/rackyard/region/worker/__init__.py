# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's worker: timers and reconcilers. Requests are answered without it."""
