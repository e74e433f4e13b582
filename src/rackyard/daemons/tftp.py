# SPDX-License-Identifier: GPL-3.0-or-later
"""The TFTP root: boot loaders fetched from a region, and GRUB's one-line stub that leads to HTTP.

tftpd serves plain files: nothing is reloaded. GRUB 2.12 sets ``net_default_server`` to the DHCP next-server and
``net_default_mac`` to the MAC with colons (GRUB manual, "Network").
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from rackyard.daemons import files, values
from rackyard.daemons.model import HEADER, Refused, Section

# Path of a loader on the region and its greatest size in bytes -> content. Raises LoaderError.
Fetch = Callable[[str, int], bytes]

ROOT_PATH = "tftp"
STUB_PATH = "tftp/grub/grub.cfg"
MAX_LOADER_BYTES = 32 * 1024 * 1024


class LoaderError(Exception):
    """A boot loader could not be fetched, or it is not what the region announced."""


def stub(desired: Section) -> bytes:
    """What GRUB reads by TFTP: try the server that answered, then each address of this rack, then explain."""
    servers = _rack_addresses(desired)
    tries = ["$net_default_server", *servers]
    lines = [f"# {HEADER}", "set timeout=0"]
    for server in tries:
        lines.append(f"configfile (http,{server}:5248)/grub/grub.cfg-$net_default_mac")
    lines += [
        "echo 'rackyard: no boot configuration for this machine; trying again in 20 s.'",
        "echo 'Is it registered with this MAC address, and does nginx on port 5248 of the rack answer?'",
        "sleep 20",
        "reboot",
    ]
    return ("\n".join(lines) + "\n").encode("ascii")


def apply(desired: Section, root: Path, fetch: Fetch | None, check_only: bool) -> list[str]:
    """Write the stub and every loader whose content differs; the names of those changed.

    All values are checked before anything is fetched. Loaders that are no longer wanted stay: a machine may read one.
    """
    loaders = [
        (
            values.file_name(entry.get("name"), "tftp loader name"),
            values.url_path(entry.get("path"), "tftp loader path"),
            values.sha256(entry.get("sha256"), "tftp loader sha256"),
            values.number(entry.get("size_bytes"), 1, MAX_LOADER_BYTES, "tftp loader size_bytes"),
        )
        for entry in values.mappings(desired["tftp"], "loaders", "tftp")
    ]
    if len({name for name, *_rest in loaders}) != len(loaders):
        raise Refused("tftp: two loaders have the same name; correct the boot image in the region")
    changed = []
    content = stub(desired)
    if files.read(root / STUB_PATH) != content:
        changed.append("grub/grub.cfg")
        if not check_only:
            files.replace(root / STUB_PATH, content)
    for name, path, digest, size_bytes in loaders:
        target = root / ROOT_PATH / name
        if _digest(target) == digest:
            continue
        changed.append(name)
        if not check_only:
            files.replace(target, _fetch(fetch, name, path, digest, size_bytes))
    return changed


def _fetch(fetch: Fetch | None, name: str, path: str, digest: str, size_bytes: int) -> bytes:
    if fetch is None:
        raise LoaderError(f"boot loader {name} is missing and no region is known to fetch it from")
    content = fetch(path, size_bytes)
    if len(content) != size_bytes or hashlib.sha256(content).hexdigest() != digest:
        raise LoaderError(
            f"boot loader {name} from {path} is not what the region announced "
            f"({len(content)} bytes instead of {size_bytes}, or another SHA-256); register the image again"
        )
    return content


def _digest(path: Path) -> str | None:
    content = files.read(path)
    return None if content is None else hashlib.sha256(content).hexdigest()


def _rack_addresses(desired: Section) -> list[str]:
    networks = values.mappings(desired.get("dhcp", {}), "networks", "dhcp")
    found = {
        values.address4(subnet.get("next_server"), "dhcp subnet next_server")
        for network in networks
        for subnet in values.mappings(network, "subnets", "dhcp network")
    }
    return [str(address) for address in sorted(found)]
