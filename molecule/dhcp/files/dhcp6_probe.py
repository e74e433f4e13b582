#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take one lease of DHCP for IPv6 on an interface as firmware would (RFC 8415, RFC 5970), print it as JSON, release it.

Standard library only: it runs on the host under test.
"""

from __future__ import annotations

import argparse
import json
import secrets
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

SOLICIT, ADVERTISE, REQUEST, REPLY, RELEASE = 1, 2, 3, 7, 8
CLIENT_ID, SERVER_ID, IA_NA, IA_ADDRESS, WANTED, ELAPSED = 1, 2, 3, 5, 6, 8
USER_CLASS, VENDOR_CLASS, DNS, DOMAINS, SNTP, URL, ARCHITECTURE = 15, 16, 23, 24, 31, 59, 61
INTEL = 343
SERVERS = "ff02::1:2"


@dataclass(frozen=True)
class Reply:
    """One answer of a server: its kind and its options by number, each the first of its kind."""

    kind: int
    options: dict[int, bytes]

    def lease(self) -> tuple[str, int]:
        """The address that is given, and for how many seconds; empty and 0 without one."""
        for code, value in parsed(self.options.get(IA_NA, b"")[12:]):
            if code == IA_ADDRESS:
                return socket.inet_ntop(socket.AF_INET6, value[:16]), struct.unpack("!I", value[20:24])[0]
        return "", 0


def option(code: int, value: bytes) -> bytes:
    """An option as it is sent."""
    return struct.pack("!HH", code, len(value)) + value


def counted(text: str) -> bytes:
    """A text with its length before it, as in the classes."""
    return struct.pack("!H", len(text)) + text.encode()


def parsed(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The options in a message or in another option."""
    while len(data) >= 4:
        code, size = struct.unpack("!HH", data[:4])
        yield code, data[4 : 4 + size]
        data = data[4 + size :]


def exchange(link: socket.socket, index: int, message: bytes, want: int, timeout_s: float) -> Reply | None:
    """Send a message once a second until the wanted answer to it comes or the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        link.sendto(message, (SERVERS, 547, 0, index))
        again = min(deadline, time.monotonic() + 1)
        while (left := again - time.monotonic()) > 0:
            link.settimeout(left)
            try:
                data = link.recv(4096)
            except TimeoutError:
                break
            if data[0] == want and data[1:4] == message[1:4]:
                options: dict[int, bytes] = {}
                for code, value in parsed(data[4:]):
                    options.setdefault(code, value)
                return Reply(want, options)
    return None


def addresses(value: bytes) -> list[str]:
    """A list of addresses as text."""
    return [socket.inet_ntop(socket.AF_INET6, value[i : i + 16]) for i in range(0, len(value), 16)]


def domain(value: bytes) -> str:
    """The first name in a list of names."""
    labels = []
    while value and value[0]:
        labels.append(value[1 : 1 + value[0]].decode("ascii", "replace"))
        value = value[1 + value[0] :]
    return ".".join(labels)


def as_json(reply: Reply) -> str:
    """What a boot needs of a lease, as JSON."""
    address, lease_s = reply.lease()
    return json.dumps(
        {
            "address": address,
            "lease_s": lease_s,
            "url": reply.options.get(URL, b"").decode("ascii", "replace"),
            "vendor_class": reply.options.get(VENDOR_CLASS, b"")[6:].decode("ascii", "replace"),
            "dns_servers": addresses(reply.options.get(DNS, b"")),
            "ntp_servers": addresses(reply.options.get(SNTP, b"")),
            "domain": domain(reply.options.get(DOMAINS, b"")),
        }
    )


def duid(kind: str, interface: str) -> bytes:
    """How the client names itself: a UUID, as of firmware, or its Ethernet address (RFC 8415, 11.5 and 11.4)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((interface, 0))
        mac = link.getsockname()[4]
    return struct.pack("!H", 4) + mac.rjust(16, b"\0") if kind == "uuid" else struct.pack("!HH", 3, 1) + mac


def wishes(options: argparse.Namespace) -> bytes:
    """What firmware says of itself and asks for."""
    said = option(ELAPSED, b"\0\0") + option(WANTED, struct.pack("!5H", VENDOR_CLASS, DNS, DOMAINS, SNTP, URL))
    if options.architecture is not None:
        said += option(ARCHITECTURE, struct.pack("!H", options.architecture))
    if options.vendor_class:
        said += option(VENDOR_CLASS, struct.pack("!I", INTEL) + counted(options.vendor_class))
    if options.user_class:
        said += option(USER_CLASS, counted(options.user_class))
    return said


def main() -> int:
    """Run one lease: 0 and JSON when the server answered, 1 and a sentence when it did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interface")
    parser.add_argument("--architecture", type=int, help="option 61 (RFC 5970): 7 UEFI by TFTP, 16 UEFI by HTTP")
    parser.add_argument("--user-class", default="", help="option 15, for example iPXE")
    parser.add_argument("--vendor-class", default="", help="option 16")
    parser.add_argument("--duid", choices=("uuid", "mac"), default="uuid", help="how the client names itself")
    parser.add_argument("--timeout", type=float, default=10, help="seconds for each of the two exchanges")
    parser.add_argument("--keep", action="store_true", help="do not release the lease")
    wanted = parser.parse_args()

    index = socket.if_nametoindex(wanted.interface)
    link = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, wanted.interface.encode())
    link.bind(("::", 546, 0, index))
    client = option(CLIENT_ID, duid(wanted.duid, wanted.interface)) + wishes(wanted)

    def message(kind: int, options: bytes) -> bytes:
        return bytes([kind]) + secrets.token_bytes(3) + client + options

    nothing = option(IA_NA, struct.pack("!III", 1, 0, 0))
    offer = exchange(link, index, message(SOLICIT, nothing), ADVERTISE, wanted.timeout)
    if offer is None or not offer.lease()[0]:
        print(f"no server offered an address on {wanted.interface} within {wanted.timeout} s", file=sys.stderr)
        return 1
    chosen = option(SERVER_ID, offer.options[SERVER_ID]) + option(IA_NA, offer.options[IA_NA])
    lease = exchange(link, index, message(REQUEST, chosen), REPLY, wanted.timeout)
    if lease is None or not lease.lease()[0]:
        print(f"the server offered {offer.lease()[0]} and did not give it", file=sys.stderr)
        return 1
    print(as_json(lease))
    if not wanted.keep:
        exchange(link, index, message(RELEASE, chosen), REPLY, wanted.timeout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
