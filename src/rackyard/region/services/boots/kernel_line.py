# SPDX-License-Identifier: GPL-3.0-or-later
"""The kernel line of the ephemeral system (live-boot and cloud-init's MAAS datasource).

A machine that boots by IPv6 is told the address that its firmware was given: the initramfs has no DHCP for IPv6.

No `ip=`: live-boot reads it in a syntax of its own and then no name resolves. The only identifier on the line is
the per-boot id: no secret, no system id."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from rackyard.region.errors import BadRequest
from rackyard_core import macs

RACK_HTTP_PORT = 5248
SYSLOG_PORT = 5247
# Linux takes 2048 on amd64 and arm64 (COMMAND_LINE_SIZE) and cuts off the rest; loaders add some words.
MAX_LINE = 1900
# As many as the answer to a rack may have (boot-config-answer).
MAX_WORDS = 200
# What may stand on a kernel line besides our own fixed words: no quotes, braces, backslashes, dollars, spaces.
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/=,+@-]{0,254}")


@dataclass(frozen=True)
class KernelLine:
    """What the line is made of. `options` are the words of the site and of the machine's tags (console and the
    like)."""

    boot_id: str
    mac: str
    rack_address: str
    subnet_name: str
    squashfs_path: str
    options: tuple[str, ...] = ()
    # The machine's own, with the length of its network's prefix.
    address6: str = ""


def build(line: KernelLine) -> list[str]:
    """The kernel parameters, one word each (the `cc:` word contains a space; loaders must quote it).

    Raises BadRequest when a site option could break out of a loader's configuration."""
    if not macs.is_normal(line.mac):
        raise BadRequest(f"{line.mac!r} is not a MAC address")
    address = _bracketed(ip_address(line.rack_address))
    words = [
        "boot=live",
        f"fetch=http://{address}:{RACK_HTTP_PORT}{line.squashfs_path}",
        f"BOOTIF=01-{line.mac.replace(':', '-')}",
        # A kernel or an initramfs that cannot go on, as when no rack gives it the system, boots again after so many
        # seconds: another rack may answer then. The site's own options come later and win.
        "panic=20",
        *line.options,
        f"cloud-config-url=http://{line.subnet_name}:{RACK_HTTP_PORT}/MAAS/metadata/latest/by-id/{line.boot_id}/"
        "?op=get_preseed",
        f"log_host={line.rack_address}",
        f"log_port={SYSLOG_PORT}",
        *([f"rackyard.address6={line.address6}"] if line.address6 else []),
    ]
    for word in words:
        if not is_word(word.replace("?", "").replace("[", "").replace("]", "")):
            raise BadRequest(f"kernel parameter {word!r} has characters that are not allowed; correct the setting")
    # The only word with braces and quotes, and it is fixed.
    words.insert(4 + len(line.options), "cc:{'datasource_list': ['MAAS']}end_cc")
    if len(words) > MAX_WORDS or len(" ".join(words)) > MAX_LINE:
        raise BadRequest(
            f"the kernel line would have more than {MAX_LINE} characters or {MAX_WORDS} words, which is too "
            "much; shorten the kernel_opts of the machine's tags, or the setting kernel_options"
        )
    return words


def is_word(text: str) -> bool:
    """Whether an option may stand on the line."""
    return _WORD.fullmatch(text) is not None


def _bracketed(address: IPv4Address | IPv6Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
