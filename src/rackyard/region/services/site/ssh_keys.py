# SPDX-License-Identifier: GPL-3.0-or-later
"""The SSH keys of people, each of whom has their own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from rackyard.region.context import Context
from rackyard.region.db.pool import Transaction
from rackyard.region.db.site import accounts as account_rows
from rackyard.region.db.site import ssh_keys as rows
from rackyard.region.db.site.accounts import Account
from rackyard.region.db.site.ssh_keys import SshKey
from rackyard.region.errors import BadRequest, Invalid, NotFound
from rackyard.region.services.site import key_sources, validation
from rackyard.region.services.site.authorisation import Actor, Permission, authorise
from rackyard.region.services.site.key_sources import Source

# What sshd(8), AUTHORIZED_KEYS FILE FORMAT, has, without DSA, which OpenSSH has given up; and of how many fields each
# is made (RFC 4253 section 6.6, RFC 5656 section 3.1, RFC 8709 section 4, OpenSSH's PROTOCOL.u2f).
TYPES = {
    "ssh-ed25519": 2,
    "ssh-rsa": 3,
    "ecdsa-sha2-nistp256": 3,
    "ecdsa-sha2-nistp384": 3,
    "ecdsa-sha2-nistp521": 3,
    "sk-ssh-ed25519@openssh.com": 3,
    "sk-ecdsa-sha2-nistp256@openssh.com": 4,
}
# RSA with 16384 bits has 2,800.
MAX_LENGTH = 8192
MAX_KEYS = 100


@dataclass(frozen=True)
class PublicKey:
    """A key that is what it says; two that differ in their comment only are the same."""

    line: str
    blob: bytes

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """From one line of a .pub file (RFC 4253 section 6.6). Raises Invalid."""
        line = text.strip()
        if not line.isprintable() or len(line) > MAX_LENGTH:
            raise _unfit(f"A key is one line of at most {MAX_LENGTH} characters")
        kind, encoded, comment = [*line.split(maxsplit=2), "", "", ""][:3]
        if kind not in TYPES:
            raise _unfit(f"{validation.shown(kind)} is no type of key that is known here ({', '.join(TYPES)})")
        try:
            blob = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise _unfit("What follows the key's type is not base64") from None
        fields = _fields(blob)
        if len(fields) != TYPES[kind] or fields[0] != kind.encode() or not all(fields):
            raise _unfit(f"What follows {kind} is no whole key of that type")
        return cls(f"{kind} {encoded} {comment}".strip(), blob)

    @property
    def sha256(self) -> bytes:
        """By what the key is known, whatever its comment."""
        return hashlib.sha256(self.blob).digest()


def list_own(ctx: Context, actor: Actor) -> list[SshKey]:
    """The actor's keys, oldest first. Raises Forbidden, NotFound."""
    with ctx.db.transaction() as tx:
        return rows.of_account(tx, _own(tx, actor).id)


def read_own(ctx: Context, actor: Actor, key_id: int) -> SshKey:
    """One of the actor's keys. Raises Forbidden, NotFound, also for somebody else's."""
    with ctx.db.transaction() as tx:
        return _there(rows.find(tx, _own(tx, actor).id, key_id), actor, key_id)


def add_own(ctx: Context, actor: Actor, text: str) -> SshKey:
    """One more key of the actor. Raises Forbidden, Invalid for what is no key or is there already, BadRequest."""
    public = PublicKey.parse(text)
    with ctx.db.transaction() as tx:
        account = _own(tx, actor)
        if len(rows.of_account(tx, account.id)) >= MAX_KEYS:
            raise BadRequest(f"{account.username} has {MAX_KEYS} SSH keys; remove one that is not needed first.")
        return rows.add(tx, account.id, public.line, public.sha256, ctx.clock.now())


def import_own(ctx: Context, actor: Actor, source: Source) -> list[SshKey]:
    """The actor's keys that the source publishes; those that were missing are added, those that are there stay as they
    are. Raises Forbidden, Invalid, BadRequest, TooMany, Late."""
    with ctx.db.transaction() as tx:
        _own(tx, actor)
    with ctx.fetches.enter(actor.name, "keys of others"):
        published = key_sources.lines(ctx.config, source)
    wanted = {public.sha256: public for public in _known(published)}
    if not wanted:
        raise Invalid.field(
            "keysource", f"None of the {len(published)} lines that {source} publishes is a key of a type that is known "
            f"here ({', '.join(TYPES)})."
        )  # fmt: skip
    with ctx.db.transaction() as tx:
        account = _own(tx, actor)
        there = rows.digests(tx, account.id)
        new = [public for digest, public in wanted.items() if digest not in there]
        if len(there) + len(new) > MAX_KEYS:
            raise BadRequest(
                f"{account.username} would have more than {MAX_KEYS} SSH keys with the {len(new)} new ones of {source};"
                " remove some that are not needed first."
            )
        for public in new:
            rows.add_imported(tx, account.id, public.line, public.sha256, ctx.clock.now(), str(source))
        digests = rows.digests(tx, account.id)
        ids = {digests[digest] for digest in wanted}
        return [key for key in rows.of_account(tx, account.id) if key.id in ids]


def _known(published: Iterable[str]) -> Iterator[PublicKey]:
    for line in published:
        with suppress(Invalid):
            yield PublicKey.parse(line)


def remove_own(ctx: Context, actor: Actor, key_id: int) -> None:
    """Remove one of the actor's keys. Raises Forbidden, NotFound, also for somebody else's."""
    with ctx.db.transaction() as tx:
        account = _own(tx, actor)
        _there(rows.delete(tx, account.id, key_id), actor, key_id)


def _own(tx: Transaction, actor: Actor) -> Account:
    account = account_rows.find(tx, actor.username)
    authorise(actor, Permission.MANAGE_SSH_KEYS, account)
    if account is None:
        raise NotFound(f"{actor.name} has no account that could have an SSH key.")
    return account


def _there(key: SshKey | None, actor: Actor, key_id: int) -> SshKey:
    if key is None:
        raise NotFound(f"{actor.name} has no SSH key {key_id}; GET account/prefs/sshkeys/ lists them.")
    return key


def _unfit(what: str) -> Invalid:
    return Invalid.field("key", f"{what}; give the line of a .pub file, such as ssh-ed25519 AAAA... ann@laptop.")


def _fields(blob: bytes) -> list[bytes]:
    """Strings of four bytes of length and so many bytes (RFC 4251 section 5); none when the last one is cut off."""
    found, rest = [], blob
    while rest:
        end = 4 + int.from_bytes(rest[:4], "big")
        if len(rest) < end:
            return []
        found.append(rest[4:end])
        rest = rest[end:]
    return found
