# SPDX-License-Identifier: GPL-3.0-or-later
"""What may go wrong on a rack; the message is for the operator."""

from __future__ import annotations


class RackError(Exception):
    """Something an operator can put right; the message says what and how."""


class RegionAway(Exception):
    """A region could not be reached or could not answer now; trying again later is right."""


class RegionFailed(RegionAway):
    """A region answered that it failed (HTTP 500): it is in trouble, or what it was asked is what troubles it."""


class RegionBusy(RegionAway):
    """A region answered that it is too early, or too much: it is there, so nobody speaks in its place."""


class RegionRefused(Exception):
    """A region answered and said no; ``status`` is the HTTP status. Trying the same again is useless."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
