# SPDX-License-Identifier: GPL-3.0-or-later
"""Strict grammars for what people type.

Each returns the normal form, or raises Invalid naming the value and the remedy."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from rackyard.region.errors import Invalid
from rackyard_core import macs

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# RFC 1123 section 2.1: a label of letters, digits and inner hyphens, at most 63 characters.
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[\w][\w .:/+-]{0,127}")
_PLAIN_NAME = re.compile(r"\w[\w -]{0,127}")
_SUITE = re.compile(r"[a-z][a-z0-9.-]{0,31}")
_USERNAME = re.compile(r"[A-Za-z0-9@.+_-]{1,150}")
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]{1,64}@[^@\s\x00-\x1f\x7f]{1,189}")
MIN_PASSWORD, MAX_PASSWORD = 8, 512
ARCHITECTURES = ("amd64/generic", "arm64/generic")
MAX_TEXT = 10_000


def hostname(field: str, text: str, domain: str) -> str:
    """A host label in lower case; the site's own domain at its end is dropped."""
    label = text.strip().lower().rstrip(".").removesuffix(f".{domain}")
    if not _LABEL.fullmatch(label):
        raise Invalid.field(
            field,
            f"{shown(text)} is no hostname (RFC 1123); use 1 to 63 letters, digits and inner hyphens, such as web-1.",
        )
    return label


def mac(field: str, text: str) -> str:
    """A MAC in lower case with colons."""
    try:
        normal = macs.normal(text)
    except ValueError:
        raise Invalid.field(
            field, f"{shown(text)} is no MAC address; write six bytes such as 00:00:5e:00:53:01."
        ) from None
    if not macs.is_unicast(normal):
        raise Invalid.field(field, f"{normal} is a group or null address; give the MAC that is printed on the NIC.")
    return normal


def address(field: str, text: str) -> Address:
    """An IPv4 or IPv6 address without prefix or zone."""
    try:
        parsed = ip_address(text.strip())
    except ValueError:
        raise Invalid.field(field, f"{shown(text)} is no IP address; write one such as 198.51.100.5.") from None
    if getattr(parsed, "scope_id", None):
        raise Invalid.field(field, f"{shown(text)} has a zone; write the address without it.")
    return parsed


def network(field: str, text: str) -> Network:
    """A CIDR without host bits."""
    try:
        parsed = ip_network(text.strip(), strict=False)
    except ValueError:
        raise Invalid.field(field, f"{shown(text)} is no CIDR; write one such as 198.51.100.0/24.") from None
    if "/" not in text or str(parsed.network_address) != str(ip_address(text.strip().partition("/")[0])):
        raise Invalid.field(field, f"{shown(text)} does not begin a network; write {parsed}.")
    return parsed


def architecture(field: str, text: str) -> str:
    """`amd64` or `arm64`, with or without MAAS's /generic."""
    name = text.strip().lower()
    full = name if "/" in name else f"{name}/generic"
    if full not in ARCHITECTURES:
        raise Invalid.field(field, f"{shown(text)} is not a known architecture; use one of {', '.join(ARCHITECTURES)}.")
    return full


def suite(field: str, text: str) -> str:
    """The code name of a Debian release; empty for the default."""
    name = text.strip().lower()
    if name and not _SUITE.fullmatch(name):
        raise Invalid.field(field, f"{shown(text)} is no release's code name; write one such as trixie, or nothing.")
    return name


def name(field: str, text: str) -> str:
    """A name of a fabric, VLAN or subnet."""
    stripped = text.strip()
    if not _NAME.fullmatch(stripped):
        raise Invalid.field(
            field, f"{shown(text)} cannot be a name; use up to 128 letters, digits, spaces and . : / + - _ characters."
        )
    return stripped


def plain_name(field: str, text: str) -> str:
    """A name that is also a part of a URL, and that nobody takes for an id."""
    stripped = text.strip()
    if not _PLAIN_NAME.fullmatch(stripped) or stripped.isdecimal():
        raise Invalid.field(
            field,
            f"{shown(text)} cannot be a name; use up to 128 letters, digits, spaces and _ - characters, and not digits "
            "alone.",
        )
    return stripped


def username(field: str, text: str) -> str:
    """The name of an account, which stands in URLs."""
    if not _USERNAME.fullmatch(text) or not text.strip("."):
        raise Invalid.field(field, f"{shown(text)} cannot be a user name; use up to 150 letters, digits and @ . + - _.")
    return text


def email(field: str, text: str) -> str:
    """An address of electronic mail, or nothing. Nobody but its owner can say whether mail arrives."""
    stripped = text.strip()
    if stripped and not _EMAIL.fullmatch(stripped):
        raise Invalid.field(field, f"{shown(text)} is no mail address; write one such as ann@example.org, or nothing.")
    return stripped


def password(field: str, text: str) -> str:
    """A password that may be set. What it is never stands in a message."""
    if not MIN_PASSWORD <= len(text) <= MAX_PASSWORD or not text.isprintable():
        raise Invalid.field(
            field, f"A password has {MIN_PASSWORD} to {MAX_PASSWORD} characters, none of them a control character."
        )
    return text


def text(field: str, value: str) -> str:
    """Free text without control characters, which would garble a terminal or a log."""
    if len(value) > MAX_TEXT or any(ord(character) < 32 and character not in "\n\t" for character in value):
        raise Invalid.field(field, f"The text must be at most {MAX_TEXT} characters without control characters.")
    return value


def number(field: str, value: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if not re.fullmatch(r"[0-9]{1,9}", value.strip()) or not low <= int(value) <= high:
        raise Invalid.field(field, f"{shown(value)} is not a number from {low} to {high}.")
    return int(value)


def shown(value: str) -> str:
    """What somebody typed, shortened and with control characters escaped, for a message."""
    return repr(value if len(value) <= 80 else value[:77] + "...")
