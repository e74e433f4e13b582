#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a machine does with its rack: get a URL (through a proxy), ask the time, write a log line."""

from __future__ import annotations

import argparse
import socket
import struct
import sys
import urllib.error
import urllib.request

NTP_EPOCH_S = 2_208_988_800


def get(url: str, proxy: str) -> int:
    """Print the status and the first 200 bytes; 0 for every answer of HTTP."""
    handler = urllib.request.ProxyHandler({"http": proxy} if proxy else {})
    try:
        with urllib.request.build_opener(handler).open(url, timeout=30) as answer:
            print(answer.status, answer.read(200).decode("utf-8", "replace"))
    except urllib.error.HTTPError as refusal:
        print(refusal.code)
    return 0


def ask_time(server: str) -> int:
    """Print the stratum and the server's time in seconds since 1970 (SNTP, RFC 4330)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(5)
        link.sendto(b"\x23" + b"\0" * 47, (server, 123))
        answer = link.recv(48)
    print(answer[1], struct.unpack("!I", answer[40:44])[0] - NTP_EPOCH_S)
    return 0


def log(server: str, text: str) -> int:
    """Send one line as the machine mol-machine (RFC 3164)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.sendto(f"<14>Jan  1 00:00:00 mol-machine molecule: {text}".encode(), (server, 5247))
    return 0


def main() -> int:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    getting = commands.add_parser("get")
    getting.add_argument("url")
    getting.add_argument("--proxy", default="")
    commands.add_parser("time").add_argument("server")
    logging = commands.add_parser("log")
    logging.add_argument("server")
    logging.add_argument("text")
    wanted = parser.parse_args()
    if wanted.command == "get":
        return get(wanted.url, wanted.proxy)
    return ask_time(wanted.server) if wanted.command == "time" else log(wanted.server, wanted.text)


if __name__ == "__main__":
    sys.exit(main())
