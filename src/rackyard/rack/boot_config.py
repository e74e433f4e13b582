# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot configurations for iPXE, GRUB and pxelinux: values checked by a strict grammar, then rendered.

What each loader does to a line decides what may stand in it:
* iPXE splits at blanks, knows no quotes, expands ``${…}``, and ends a command at ``||``, ``&&`` and ``#…``.
* GRUB reads shell words; in double quotes only ``$``, backslash and the quote are special. It writes quotes and
  backslashes of an argument to the kernel with a backslash, so they must not occur (grub-core/lib/cmdline.c).
* pxelinux takes the rest of the APPEND line as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

HTTP_PORT = 5248
FIRMWARES = ("ipxe", "grub", "pxelinux")
_MAX_LINE = 2000  # the kernel takes 2047 bytes on x86

_PATH = re.compile(r"/images/[A-Za-z0-9][A-Za-z0-9._-]{0,127}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,127}){1,6}")
_HOSTNAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_WORD = re.compile(r"[A-Za-z0-9_{}\[\]'][A-Za-z0-9_.,:;/=?@%+~{}\[\]'-]{0,510}")
_PURPOSE = re.compile(r"[a-z]{1,32}")

# Systems whose boot loader lies in /EFI/<name>/ on an EFI system partition, where a disk of ours is not Debian's.
DISK_VENDORS = (
    "ubuntu", "rocky", "almalinux", "redhat", "centos", "fedora", "opensuse", "sles", "ol",
)  # fmt: skip
# Loaders on a disk, the more particular ones first; the last is what the UEFI specification (3.5.1.1) has for any disk.
DISK_LOADERS = (
    "/EFI/debian/shimx64.efi",
    *(f"/EFI/{vendor}/shimx64.efi" for vendor in DISK_VENDORS),
    "/EFI/Microsoft/Boot/bootmgfw.efi",
    "/EFI/BOOT/BOOTX64.EFI",
)

# Not HTML: what may stand in a line is decided by the grammar above, before anything is rendered.
_templates = Environment(  # noqa: S701
    loader=PackageLoader("rackyard.rack"), undefined=StrictUndefined, keep_trailing_newline=True
)


class Unsafe(Exception):
    """The region's answer has something that must not reach a boot loader; the message names it."""


@dataclass(frozen=True)
class BootConfig:
    """A region's answer for a machine, checked. Paths are of the rack's port 5248."""

    purpose: str
    hostname: str
    kernel: str = ""
    initrd: str = ""
    params: tuple[str, ...] = ()

    @property
    def local(self) -> bool:
        """True when the machine is to boot what is on its disk."""
        return self.purpose == "local"


def parse(answer: Mapping[str, Any]) -> BootConfig:
    """Check a region's answer. Raises Unsafe."""
    purpose = _matching(_PURPOSE, answer.get("purpose"), "purpose")
    hostname = _matching(_HOSTNAME, answer.get("hostname") or "machine", "hostname")
    if purpose == "local":
        return BootConfig(purpose, hostname)
    params = answer.get("params")
    if not isinstance(params, list):
        raise Unsafe("params: is not a list")
    # One parameter may have blanks in it (cc:{…}end_cc); to the kernel they separate words all the same.
    words = tuple(word for param in params for word in str(param).split(" ") if word)
    for word in words:
        _matching(_WORD, word, "kernel parameter")
        if "${" in word:
            raise Unsafe(f"kernel parameter {word[:80]!r} has ${{")
    if sum(len(word) + 1 for word in words) > _MAX_LINE:
        raise Unsafe(f"the kernel line is longer than {_MAX_LINE} bytes")
    return BootConfig(
        purpose,
        hostname,
        _matching(_PATH, answer.get("kernel"), "kernel"),
        _matching(_PATH, answer.get("initrd"), "initrd"),
        words,
    )


def render(firmware: str, config: BootConfig, rack_address: str) -> str:
    """The configuration for a loader, as text."""
    return _render(
        f"{firmware}.{'local' if config.local else 'boot'}.j2",
        rack_address,
        config=config,
        words=_words(firmware, config),
        disk_loaders=DISK_LOADERS,
        disk_vendors=DISK_VENDORS,
    )


def render_away(firmware: str, own_path: str, rack_address: str) -> str:
    """What a loader shows and does while no region has an answer: wait, then ask for ``own_path`` again."""
    return _render(f"{firmware}.away.j2", rack_address, own_path=own_path)


def render_start(firmware: str, rack_address: str) -> str:
    """The first file of iPXE and GRUB, the same for all machines: it asks for the one of this machine's MAC."""
    return _render(f"{firmware}.start.j2", rack_address)


def _render(template: str, rack_address: str, **values: Any) -> str:
    address = ip_address(rack_address)
    server = f"[{address}]:{HTTP_PORT}" if address.version == 6 else f"{address}:{HTTP_PORT}"
    return _templates.get_template(template).render(server=server, **values)


def _words(firmware: str, config: BootConfig) -> list[str]:
    if firmware != "grub":
        return list(config.params)
    # GRUB would hand quotes to the kernel as \' . In the cc: word they are only YAML's, and YAML does without.
    return [f'"{word}"' for word in (word.replace("'", "") for word in config.params)]


def _matching(pattern: re.Pattern[str], value: Any, what: str) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise Unsafe(f"{what}: {str(value)[:80]!r} is not allowed in a boot configuration")
    return value
