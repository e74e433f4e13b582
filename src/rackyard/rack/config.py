# SPDX-License-Identifier: GPL-3.0-or-later
"""`/etc/rackyard/rack.toml`, read once and frozen."""

from __future__ import annotations

import ipaddress
import tomllib
from dataclasses import dataclass
from pathlib import Path

from rackyard.daemons import tiers
from rackyard.rack.errors import RackError
from rackyard_core.power.pool import DEFAULT_WORKERS

DEFAULT_PATH = Path("/etc/rackyard/rack.toml")
_MAX_WORKERS = 256
BOOT_KEYS = Path("/run/rackyard/boots")
GATEWAY, DOOR = "http://127.0.0.1:5246", "http://127.0.0.1:5248"


@dataclass(frozen=True)
class RackConfig:
    """Names and places of this rack. ``regions`` are always asked, beside those that a region tells."""

    name: str
    regions: tuple[str, ...]
    identity: Path
    state: Path
    daemons_root: Path
    power_workers: int = DEFAULT_WORKERS
    # Where drivers whose BMC is a web server may go; nowhere without them.
    bmc_networks: tuple[str, ...] = ()
    # Where nginx passes the boot service's question on to a region.
    boot_gateway: str = GATEWAY
    # Where machines fetch images.
    door: str = DOOR
    # In memory: a disk that is taken away has no key to the metadata that is kept on it.
    boot_keys: Path = BOOT_KEYS
    # Sections of the desired state that the region's worker on this host applies.
    left_alone: frozenset[str] = frozenset()

    @property
    def boot_evidence(self) -> Path:
        """Where the boot service leaves what it saw, for the agent."""
        return self.daemons_root / "boot"

    @property
    def boot_cache(self) -> Path:
        """Metadata of boots under way, sealed, which the agent writes and the boot service reads."""
        return self.daemons_root / "boots"

    @property
    def boot_index(self) -> Path:
        """Which machines are in which boot, which the agent writes and the boot service reads."""
        return self.boot_keys / "machines.json"

    @property
    def machine_posts(self) -> Path:
        """Posts of machines that wait in the boot service for a region."""
        return self.daemons_root / "posts"

    @property
    def spool(self) -> Path:
        """Where the agent's reports wait until a region has taken them."""
        return self.state / "spool"

    @property
    def regions_file(self) -> Path:
        """The region list as last told by a region, for the next start."""
        return self.state / "regions.json"

    @property
    def status_file(self) -> Path:
        """What the agent says about itself, for `rackyard-rack status`."""
        return self.state / "status.json"


def load(path: Path = DEFAULT_PATH) -> RackConfig:
    """Read the configuration. Raises RackError naming the file and what is wrong with it."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        regions = document["rack"].get("regions", [])
        if not isinstance(regions, list) or not all(isinstance(url, str) for url in regions):
            raise RackError(f"{path}: rack.regions must be a list of URLs; run the rack playbook")
        return RackConfig(
            name=str(document["rack"]["name"]),
            regions=tuple(regions),
            identity=Path(document["paths"]["identity"]),
            state=Path(document["paths"]["state"]),
            daemons_root=Path(document["daemons"]["root"]),
            power_workers=_workers(path, document.get("power", {}).get("workers", DEFAULT_WORKERS)),
            bmc_networks=_networks(path, document.get("power", {}).get("bmc_networks", [])),
            boot_keys=Path(document["paths"].get("boot_keys", BOOT_KEYS)),
            boot_gateway=str(document.get("boot", {}).get("gateway", GATEWAY)),
            door=str(document.get("boot", {}).get("door", DOOR)),
            left_alone=_left_alone(path.with_name(tiers.NAME)),
        )
    except OSError as reason:
        raise RackError(f"cannot read {path}: {reason.strerror}; run the rack playbook, or give --config") from reason
    except tomllib.TOMLDecodeError as reason:
        raise RackError(f"{path} is not valid TOML: {reason}; run the rack playbook") from reason
    except (KeyError, TypeError, AttributeError) as reason:
        raise RackError(f"{path} lacks the key {reason}; run the rack playbook") from reason


def _left_alone(path: Path) -> frozenset[str]:
    try:
        return tiers.SHARED if tiers.REGION in tiers.read(path, missing=tiers.RACK) else frozenset()
    except ValueError as reason:
        raise RackError(str(reason)) from reason


def _workers(path: Path, value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MAX_WORKERS:
        raise RackError(f"{path}: power.workers must be a number from 1 to {_MAX_WORKERS}; run the rack playbook")
    return value


def _networks(path: Path, value: object) -> tuple[str, ...]:
    try:
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError("it is no list of texts")
        return tuple(str(ipaddress.ip_network(text)) for text in value)
    except ValueError as reason:
        words = f"{path}: power.bmc_networks must be a list of networks ({reason}); run the rack playbook"
        raise RackError(words) from reason
