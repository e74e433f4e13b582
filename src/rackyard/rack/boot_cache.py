# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines of boots under way may ask for, kept for the time in which no region answers.

The agent writes, the boot service reads. Each boot is one file, sealed by a key of its own (Fernet: AES-CBC with HMAC).
The keys are in memory (a tmpfs): they outlive both services, and a disk that is taken away has none. With its key a
boot's metadata is gone, whatever is left of it on the disk; so it ends with the boot, and with the host's."""

from __future__ import annotations

import hmac
import json
import os
import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, InvalidToken

from rackyard.daemons import files

# <boot id>.<token key>: a machine names its boot by the one before it has credentials, by the other afterwards.
_KEY_NAME = re.compile(r"([0-9a-f]{32})\.([A-Za-z0-9_-]{1,128})")
_BOOT_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class CachedBoot:
    """A boot as a region told it."""

    boot_id: str
    system_id: str
    hostname: str
    addresses: tuple[str, ...]
    ends_at: datetime
    consumer_key: str
    token_key: str
    token_secret: str = field(repr=False)
    documents: Mapping[str, bytes] = field(repr=False)
    # What loaders are told (`config` of `boot-metadata-answer`); a region of the release before tells none.
    config: Mapping[str, Any] | None = None

    def signed_by(self, consumer_key: str, token_secret: str) -> bool:
        """Whether these are the boot's credentials; in constant time."""
        return hmac.compare_digest(
            f"{self.consumer_key} {self.token_secret}".encode(), f"{consumer_key} {token_secret}".encode()
        )

    def config_for(self, mac: str, local_ip: str) -> dict[str, Any] | None:
        """What the loader of a MAC is told by the rack at that address (`boot-config-answer`); None: not known."""
        config = self.config or {"lines": []}
        line = next((line for line in config["lines"] if (line["mac"], line["local_ip"]) == (mac, local_ip)), None)
        if line is None:
            return None
        files_of = {name: config[name] for name in ("purpose", "kernel", "initrd", "squashfs")}
        return {**files_of, "boot_id": self.boot_id, "hostname": self.hostname, "params": line["params"]}


class BootCache:
    """Reader and writer of both directories."""

    def __init__(self, sealed: Path, keys: Path) -> None:
        self._sealed = sealed
        self._keys = keys

    def put(self, answer: Mapping[str, Any]) -> None:
        """Keep the metadata of a boot (`boot-metadata-answer`). Raises OSError."""
        boot_id, name = str(answer["boot_id"]), f"{answer['boot_id']}.{answer['token_key']}"
        key = files.read(self._keys / name) or Fernet.generate_key()
        files.replace(self._sealed / boot_id, Fernet(key).encrypt(json.dumps(dict(answer)).encode()), 0o640)
        files.replace(self._keys / name, key, 0o640)

    def move(self, boot_id: str, addresses: Sequence[str]) -> None:
        """The machine of a boot has other addresses now. Raises OSError."""
        for name in self._key_names():
            answer = self._open(name) if name.startswith(f"{boot_id}.") else None
            if answer is not None:
                self.put({**answer, "addresses": list(addresses)})

    def drop(self, boot_id: str) -> None:
        """Forget a boot, its key first."""
        for name in self._key_names():
            if name.startswith(f"{boot_id}."):
                (self._keys / name).unlink(missing_ok=True)
        (self._sealed / boot_id).unlink(missing_ok=True)

    def drop_others(self, wanted: set[str]) -> None:
        """Forget all boots but these, and what no key opens any more."""
        with_key = {name.partition(".")[0] for name in self._key_names()}
        for boot_id in (with_key | set(_names(self._sealed, _BOOT_ID))) - (wanted & with_key):
            self.drop(boot_id)

    def held(self) -> dict[str, CachedBoot]:
        """The boots that can be read, by id."""
        found = (self._read(name) for name in self._key_names())
        return {boot.boot_id: boot for boot in found if boot is not None}

    def __len__(self) -> int:
        return len(self._key_names())

    def by_id(self, boot_id: str) -> CachedBoot | None:
        """The boot with the id on its kernel line; None when it is not here or over."""
        return self._one(lambda name: name.partition(".")[0] == boot_id)

    def by_token(self, token_key: str) -> CachedBoot | None:
        """The boot whose credentials have that token key; None when it is not here or over."""
        return self._one(lambda name: name.partition(".")[2] == token_key)

    def _one(self, wanted: Callable[[str], bool]) -> CachedBoot | None:
        found = (self._read(name) for name in self._key_names() if wanted(name))
        return next((boot for boot in found if boot is not None and boot.ends_at > datetime.now(UTC)), None)

    def _key_names(self) -> list[str]:
        return _names(self._keys, _KEY_NAME)

    def _open(self, name: str) -> dict[str, Any] | None:
        key, sealed = files.read(self._keys / name), files.read(self._sealed / name.partition(".")[0])
        if key is None or sealed is None:
            return None
        try:
            answer: dict[str, Any] = json.loads(Fernet(key).decrypt(sealed))
        except (InvalidToken, ValueError):
            return None  # damaged by a full or failing disk: as if it were not here
        return answer

    def _read(self, name: str) -> CachedBoot | None:
        answer = self._open(name)
        if answer is None:
            return None
        return CachedBoot(
            answer["boot_id"],
            answer["system_id"],
            answer["hostname"],
            tuple(answer["addresses"]),
            datetime.fromisoformat(answer["ends_at"]),
            answer["consumer_key"],
            answer["token_key"],
            answer["token_secret"],
            {each: b64decode(text) for each, text in answer["documents"].items()},
            answer.get("config"),
        )


def rack_names(config: Mapping[str, Any] | None) -> frozenset[str]:
    """The hosts, but not addresses, of the URLs on the kernel lines of a boot (`config` of `boot-metadata-answer`)."""
    lines = config["lines"] if config else ()
    urls = (word.partition("=")[2] for line in lines for word in line["params"] if "=http://" in word)
    return frozenset(host for url in urls if (host := urlsplit(url).hostname) and not _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _names(directory: Path, pattern: re.Pattern[str]) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if pattern.fullmatch(name))
    except FileNotFoundError:
        return []
