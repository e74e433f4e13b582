# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup of a site: a tar file whose first member is a manifest that names every other one with size and SHA-256.

An archive appears under its name when it is whole, readable by its owner only. Nothing is ever unpacked by the names
that an archive has: whoever reads one asks for members."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

FORMAT = 1
MANIFEST, DATABASE, KEYS, IMAGES = "manifest.json", "database.dump", "etc/rackyard/", "images/"
# What is the site's and no host's: the keys that seal secrets, sign updates of names and certificates, and the first
# operator's.
KEY_FILES = ("secrets.key", "tsig.key", "tls/ca.crt", "tls/ca.key", "admin.apikey")
_MAX_MANIFEST = 16 * 1024 * 1024
_CHUNK = 1024 * 1024
_MEMBER = re.compile(r"database\.dump|etc/rackyard/[a-z./]+|images/[A-Za-z0-9._/-]+")


class ArchiveError(Exception):
    """This is no archive that a site can be restored from."""


@dataclass(frozen=True)
class Facts:
    """What an archive says of itself. `taken_at` is the moment (ISO 8601) of the snapshot that the database's dump has,
    `schema` the number of its newest migration, `holds` how many machines, racks and subnets there are."""

    version: str
    schema: int
    taken_at: str
    region: str
    holds: Mapping[str, int]


@dataclass(frozen=True)
class Member:
    """A file of an archive."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """What is in an archive; `sha256` is that of the manifest, and tells this archive from any other."""

    facts: Facts
    members: tuple[Member, ...]
    sha256: str

    def paths(self, prefix: str) -> list[str]:
        """Members below a folder."""
        return [member.path for member in self.members if member.path.startswith(prefix)]


def write(path: Path, facts: Facts, sources: Mapping[str, Path]) -> Manifest:
    """Make an archive of files, by the names that they get there. Raises OSError; there is no archive then."""
    members = [_described(name, source) for name, source in sources.items()]
    document = {
        "format": FORMAT, "version": facts.version, "schema": facts.schema, "taken_at": facts.taken_at,
        "region": facts.region, "holds": dict(facts.holds),
        "files": [{"path": each.path, "sha256": each.sha256, "size_bytes": each.size_bytes} for each in members],
    }  # fmt: skip
    text = json.dumps(document, indent=1).encode() + b"\n"
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                _add(tar, MANIFEST, len(text), io.BytesIO(text))
                for member in members:
                    with sources[member.path].open("rb") as content:
                        _add(tar, member.path, member.size_bytes, content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    return _manifest(text)


def verify(path: Path) -> Manifest:
    """Read a whole archive and hold every member against the manifest.

    Raises ArchiveError naming the file that is missing, damaged or not named, and how to get on."""
    with _opened(path) as tar:
        manifest = _first(path, tar)
        named = {member.path: member for member in manifest.members}
        while (info := tar.next()) is not None:
            member = named.pop(info.name, None)
            if member is None:
                raise ArchiveError(f"{path} has {info.name}, which its manifest does not name; take another backup")
            if not info.isfile() or _digest(_content(tar, info)) != (member.sha256, member.size_bytes):
                raise ArchiveError(f"{info.name} in {path} is not what was backed up: its hash differs; {_REMEDY}")
    if named:
        raise ArchiveError(f"{path} lacks {', '.join(sorted(named))}, which its manifest names; {_REMEDY}")
    return manifest


def extract(path: Path, member: str, target: Path) -> None:
    """Write one member to a file, for its owner only. Raises ArchiveError."""
    with _opened(path) as tar:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            for chunk in _chunks(_content(tar, tar.getmember(member))):
                stream.write(chunk)


def read(path: Path, member: str) -> bytes:
    """The content of a small member. Raises ArchiveError."""
    with _opened(path) as tar:
        return _content(tar, tar.getmember(member)).read()


_REMEDY = "copy the archive again, or take another backup"


def _described(name: str, source: Path) -> Member:
    with source.open("rb") as content:
        return Member(name, *_digest(content))


def _digest(content: IO[bytes]) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    for chunk in _chunks(content):
        digest.update(chunk)
        size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    return iter(lambda: content.read(_CHUNK), b"")


def _add(tar: tarfile.TarFile, name: str, size_bytes: int, content: IO[bytes]) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size_bytes, 0o600
    tar.addfile(info, content)


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield tar
    except OSError as error:
        raise ArchiveError(f"cannot read {path}: {error.strerror or error}") from error
    except (tarfile.TarError, KeyError) as error:
        raise ArchiveError(f"{path} is no backup of a site, or is cut off ({error}); {_REMEDY}") from error


def _first(path: Path, tar: tarfile.TarFile) -> Manifest:
    info = tar.next()
    if info is None or info.name != MANIFEST or not info.isfile() or info.size > _MAX_MANIFEST:
        raise ArchiveError(f"{path} is no backup of a site: it does not begin with {MANIFEST}")
    try:
        return _manifest(_content(tar, info).read())
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveError(f"{MANIFEST} in {path} cannot be understood ({error}); {_REMEDY}") from error


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    content = tar.extractfile(info)
    if content is None:
        raise ArchiveError(f"{info.name} is not a file; {_REMEDY}")
    return content


def _manifest(text: bytes) -> Manifest:
    """Raises ValueError, KeyError or TypeError for what is no manifest of this format."""
    document: dict[str, Any] = json.loads(text)
    if document["format"] != FORMAT:
        raise ValueError(f"format {document['format']}, this release knows {FORMAT}")
    members = tuple(Member(str(e["path"]), str(e["sha256"]), int(e["size_bytes"])) for e in document["files"])
    for member in members:
        if not _MEMBER.fullmatch(member.path) or ".." in member.path:
            raise ValueError(f"a file called {member.path!r}")
    if DATABASE not in {member.path for member in members}:
        raise ValueError(f"it names no {DATABASE}")
    facts = Facts(
        version=str(document["version"]),
        schema=int(document["schema"]),
        taken_at=datetime.fromisoformat(document["taken_at"]).isoformat(),
        region=str(document["region"]),
        holds={str(name): int(count) for name, count in document["holds"].items()},
    )
    return Manifest(facts, members, hashlib.sha256(text).hexdigest())
