#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fetch one file by TFTP (RFC 1350) and print its size in bytes. Usage: tftp_fetch.py SERVER PATH."""

from __future__ import annotations

import socket
import struct
import sys

READ, DATA, ACKNOWLEDGE, ERROR = 1, 3, 4, 5
BLOCK_BYTES = 512


def fetch(server: str, path: str) -> bytes:
    """Return the file's content. OSError when the server does not answer within 3 s or says why not."""
    content = b""
    expected = 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(3)
        link.sendto(struct.pack("!H", READ) + path.encode() + b"\0octet\0", (server, 69))
        while True:
            packet, sender = link.recvfrom(4 + BLOCK_BYTES)
            kind, number = struct.unpack("!HH", packet[:4])
            if kind == ERROR:
                raise OSError(f"TFTP error {number}: {packet[4:].rstrip(bytes(1)).decode('ascii', 'replace')}")
            if kind != DATA or number != expected & 0xFFFF:
                continue
            content += packet[4:]
            expected += 1
            link.sendto(struct.pack("!HH", ACKNOWLEDGE, number), sender)
            if len(packet) < 4 + BLOCK_BYTES:
                return content


def main(server: str, path: str) -> int:
    """Fetch and report; 1 and a sentence when it does not work."""
    try:
        print(len(fetch(server, path)))
    except OSError as reason:
        print(f"{path} cannot be fetched from {server} by TFTP: {reason}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
