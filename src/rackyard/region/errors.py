# SPDX-License-Identifier: GPL-3.0-or-later
"""The one error tree of the region. The message names the object and the remedy; the class gives the HTTP status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class RackyardError(Exception):
    """The region could not do this; see its journal."""

    status = 500

    def __init__(self, message: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip()
        super().__init__(self.message)


class BadRequest(RackyardError):
    """The request cannot be understood."""

    status = 400


class Invalid(BadRequest):
    """Some fields hold values that cannot be used.

    Answered as MAAS answers form errors: JSON, each field with the list of what is wrong with it.
    """

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self.fields = {name: list(messages) for name, messages in fields.items()}
        super().__init__("; ".join(f"{name}: {' '.join(texts)}" for name, texts in self.fields.items()))

    @classmethod
    def field(cls, name: str, message: str) -> Invalid:
        """One field, one message."""
        return cls({name: [message]})


class Unauthorized(RackyardError):
    """Authorization Error: sign the request with an API key."""

    status = 401


class Forbidden(RackyardError):
    """This account or address may not do that."""

    status = 403


class NotFound(RackyardError):
    """No such object."""

    status = 404


class Conflict(RackyardError):
    """The object's state does not allow this now."""

    status = 409


class TooLarge(RackyardError):
    """The request body is larger than the region accepts."""

    status = 413


class TooEarly(RackyardError):
    """What this depends on is not known yet; try again.

    No 503 on purpose: that is a region in trouble, from which nginx on a rack turns away for some seconds.
    """

    status = 425


class Unavailable(RackyardError):
    """The region cannot answer at this moment; try again."""

    status = 503
    retry_after_s = 1


class TooMany(RackyardError):
    """Too many such requests wait already; try again."""

    status = 429
    retry_after_s = 5

    def __init__(self, message: str | None = None, retry_after_s: int = retry_after_s) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Undecided(RackyardError):
    """PostgreSQL was lost while it stored this: nobody knows whether it was done; look before you repeat it.

    No 503 on purpose: clients repeat those, because nothing was done then.
    """

    status = 500


class Late(RackyardError):
    """Whoever had to answer did not do so in time."""

    status = 504
