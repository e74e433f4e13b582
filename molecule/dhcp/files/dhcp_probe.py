#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Take one DHCP lease on an interface as firmware would (RFC 2131), print what was offered as JSON, and release it.

Raw frames, because the interface has no address yet. Standard library only: it runs on the host under test.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

DISCOVER, OFFER, REQUEST, ACK, RELEASE = 1, 2, 3, 5, 7
MAGIC = b"\x63\x82\x53\x63"
ETHERTYPE_IPV4 = 0x0800


@dataclass(frozen=True)
class Reply:
    """One answer of a DHCP server; addresses dotted, options by number."""

    kind: int
    address: str
    next_server: str
    filename: str
    server: str
    options: dict[int, bytes]


def checksum(data: bytes) -> int:
    """Return the Internet checksum of an even number of bytes (RFC 1071)."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF


def frame(mac: bytes, payload: bytes) -> bytes:
    """Wrap a BOOTP payload in UDP 68 -> 67, IPv4 and Ethernet broadcast."""
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\0" * 4, b"\xff" * 4)
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return b"\xff" * 6 + mac + struct.pack("!H", ETHERTYPE_IPV4) + head + udp


def message(kind: int, transaction: int, mac: bytes, options: dict[int, bytes], client: str = "0.0.0.0") -> bytes:
    """Return a BOOTP request with the broadcast flag and the given options."""
    fixed = struct.pack("!BBBBIHH", 1, 1, 6, 0, transaction, 0, 0 if kind == RELEASE else 0x8000)
    fixed += socket.inet_aton(client) + b"\0" * 12 + mac.ljust(16, b"\0") + b"\0" * 192
    body = b"".join(bytes([code, len(value)]) + value for code, value in {53: bytes([kind]), **options}.items())
    return fixed + MAGIC + body + b"\xff"


def parse(data: bytes, transaction: int) -> Reply | None:
    """Return the DHCP answer in an Ethernet frame, or None when it is something else."""
    if len(data) < 14 + 20 + 8 + 240 or data[12:14] != b"\x08\x00" or data[23] != 17:
        return None
    start = 14 + (data[14] & 0x0F) * 4
    source, target = struct.unpack("!HH", data[start : start + 4])
    bootp = data[start + 8 :]
    if (source, target) != (67, 68) or bootp[0] != 2 or struct.unpack("!I", bootp[4:8])[0] != transaction:
        return None
    options, rest = {}, bootp[240:]
    while rest and rest[0] != 255:
        if rest[0] == 0:
            rest = rest[1:]
            continue
        options[rest[0]] = rest[2 : 2 + rest[1]]
        rest = rest[2 + rest[1] :]
    filename = bootp[108:236].split(b"\0")[0].decode("ascii", "replace")
    server = socket.inet_ntoa(options[54]) if 54 in options else ""
    return Reply(
        options[53][0], socket.inet_ntoa(bootp[16:20]), socket.inet_ntoa(bootp[20:24]), filename, server, options
    )


def exchange(link: socket.socket, request: bytes, transaction: int, want: int, timeout_s: float) -> Reply | None:
    """Send a request once a second until the wanted answer comes or the time is over."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        link.send(request)
        again = min(deadline, time.monotonic() + 1)
        while (left := again - time.monotonic()) > 0:
            link.settimeout(left)
            try:
                reply = parse(link.recv(2048), transaction)
            except TimeoutError:
                break
            if reply is not None and reply.kind == want:
                return reply
    return None


def routes(option: bytes) -> Iterator[tuple[str, str]]:
    """Yield destination and gateway of each route of option 121 (RFC 3442)."""
    while option:
        length, significant = option[0], (option[0] + 7) // 8
        network, gateway = option[1 : 1 + significant].ljust(4, b"\0"), option[1 + significant : 5 + significant]
        yield f"{socket.inet_ntoa(network)}/{length}", socket.inet_ntoa(gateway)
        option = option[5 + significant :]


def as_json(reply: Reply) -> str:
    """Return the lease as JSON: the fields a boot needs, texts decoded, addresses dotted."""
    seconds = struct.unpack("!I", reply.options[51])[0]
    texts = {
        code: reply.options[code].decode("ascii", "replace").rstrip("\0")
        for code in (15, 60, 67, 210)
        if code in reply.options
    }
    lists = {
        code: [socket.inet_ntoa(value[i : i + 4]) for i in range(0, len(value), 4)]
        for code, value in reply.options.items()
        if code in (3, 6, 42)
    }
    return json.dumps(
        {
            "address": reply.address,
            "next_server": reply.next_server,
            "filename": reply.filename or texts.get(67, ""),
            "server": reply.server,
            "lease_s": seconds,
            "domain": texts.get(15, ""),
            "vendor_class": texts.get(60, ""),
            "path_prefix": texts.get(210, ""),
            "routers": lists.get(3, []),
            "routes": [list(route) for route in routes(reply.options.get(121, b""))],
            "dns_servers": lists.get(6, []),
            "ntp_servers": lists.get(42, []),
        }
    )


def main() -> int:
    """Run one lease: 0 and JSON when the server answered, 1 and a sentence when it did not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("interface")
    parser.add_argument(
        "--architecture", type=int, default=0, help="option 93 (RFC 4578): 0 BIOS, 7 UEFI, 16 UEFI HTTP"
    )
    parser.add_argument("--user-class", default="", help="option 77, for example iPXE")
    parser.add_argument("--vendor-class", default="PXEClient", help="option 60")
    parser.add_argument("--timeout", type=float, default=10, help="seconds for each of the two exchanges")
    parser.add_argument("--keep", action="store_true", help="do not release the lease")
    wanted = parser.parse_args()

    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPE_IPV4))
    link.bind((wanted.interface, ETHERTYPE_IPV4))
    mac = link.getsockname()[4]
    transaction = int.from_bytes(mac[2:], "big") ^ (time.monotonic_ns() & 0xFFFFFFFF)
    asked = {
        93: struct.pack("!H", wanted.architecture),
        60: wanted.vendor_class.encode(),
        55: bytes([1, 3, 6, 15, 42, 51, 54, 66, 67, 121, 210]),
    }
    if wanted.user_class:
        asked[77] = wanted.user_class.encode()

    offer = exchange(link, frame(mac, message(DISCOVER, transaction, mac, asked)), transaction, OFFER, wanted.timeout)
    if offer is None:
        print(f"no DHCP server offered an address on {wanted.interface} within {wanted.timeout} s", file=sys.stderr)
        return 1
    accepted = {**asked, 50: socket.inet_aton(offer.address), 54: socket.inet_aton(offer.server)}
    lease = exchange(link, frame(mac, message(REQUEST, transaction, mac, accepted)), transaction, ACK, wanted.timeout)
    if lease is None:
        print(
            f"{offer.server} offered {offer.address} but did not acknowledge it within {wanted.timeout} s",
            file=sys.stderr,
        )
        return 1
    print(as_json(lease))
    if not wanted.keep:
        link.send(frame(mac, message(RELEASE, transaction, mac, {54: socket.inet_aton(lease.server)}, lease.address)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
