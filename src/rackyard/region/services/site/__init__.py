# SPDX-License-Identifier: GPL-3.0-or-later
"""The site itself: accounts, settings, images, events."""
