# SPDX-License-Identifier: GPL-3.0-or-later
"""`/etc/rackyard/region.toml`, read once and frozen."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from psycopg2.extensions import make_dsn

from rackyard.daemons import tiers
from rackyard.region.errors import RackyardError

DEFAULT_PATH = Path("/etc/rackyard/region.toml")


@dataclass(frozen=True)
class Config:
    """Where this region process finds its database, keys and names."""

    name: str
    url: str
    addresses: tuple[str, ...]
    rpc_ports: tuple[int, ...]
    dsn: str = field(repr=False)  # with the password, if there is one
    secrets_key: Path
    tsig_key: Path
    ca_cert: Path
    ca_key: Path
    tls_cert: Path
    tls_key: Path
    images: Path
    dns_server: str
    domain: str
    pool_size: int = 10
    dns_port: int = 53
    # Where people's SSH keys are imported from.
    github_url: str = "https://github.com"
    launchpad_url: str = "https://launchpad.net"
    # Those of the host.
    tiers: frozenset[str] = frozenset({tiers.REGION})

    @property
    def rpc_urls(self) -> list[str]:
        """Where racks reach the RPC workers of this region."""
        return [f"https://{_bracketed(address)}:{port}" for address in self.addresses for port in self.rpc_ports]


def load(path: Path = DEFAULT_PATH) -> Config:
    """Read the configuration, and the tiers of the host. Raises RackyardError naming the file and what is wrong."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RackyardError(
            f"Cannot read {path}: {error.strerror}; run the region playbook, or give --config"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise RackyardError(f"{path} is not valid TOML: {error}") from error
    try:
        config = from_document(document)
    except KeyError as error:
        raise RackyardError(f"{path} lacks the key {error.args[0]!r}; run the region playbook") from error
    try:
        return replace(config, tiers=tiers.read(path.with_name(tiers.NAME), missing=tiers.REGION))
    except ValueError as error:
        raise RackyardError(str(error)) from error


def from_document(document: dict[str, Any]) -> Config:
    """Shape the parsed TOML. Raises KeyError for a missing key, RackyardError for a password that cannot be read."""
    region, keys, tls = document["region"], document["keys"], document["tls"]
    return Config(
        name=region["name"],
        url=region["url"].rstrip("/"),
        addresses=tuple(region["addresses"]),
        rpc_ports=tuple(region["rpc_ports"]),
        dsn=_with_password(document["database"]),
        pool_size=document["database"].get("pool_size", 10),
        secrets_key=Path(keys["secrets"]),
        tsig_key=Path(keys["tsig"]),
        ca_cert=Path(tls["ca_cert"]),
        ca_key=Path(tls["ca_key"]),
        tls_cert=Path(tls["cert"]),
        tls_key=Path(tls["key"]),
        images=Path(document["paths"]["images"]),
        dns_server=document["dns"]["server"],
        dns_port=document["dns"].get("port", 53),
        domain=document["dns"]["domain"],
        **{f"{name}_url": url for name, url in document.get("ssh_keys", {}).items()},
    )


def _with_password(database: dict[str, Any]) -> str:
    """The connection string, with the password that lies in a file of its own."""
    if "password_file" not in database:
        return str(database["dsn"])
    path = Path(database["password_file"])
    try:
        return make_dsn(database["dsn"], password=path.read_text(encoding="utf-8").strip())
    except OSError as error:
        raise RackyardError(
            f"Cannot read the password of the database, {path}: {error.strerror}; run the region playbook"
        ) from error


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
