# SPDX-License-Identifier: GPL-3.0-or-later
"""Grammars of what stands in a zone: names (RFC 1035, with the underscores of RFC 2782) and data of records."""

from __future__ import annotations

import re
from collections.abc import Iterable

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype

from rackyard.region.errors import Invalid
from rackyard.region.services.site import validation

# What MAAS takes besides addresses.
TYPES = ("CNAME", "MX", "NS", "SRV", "SSHFP", "TXT")
MAX_TTL_S = 604800
MAX_SERIAL = 2**32 - 1
# The furthest that a serial may go forward at once (RFC 1982 section 3.1).
SERIAL_STEP = 2**31 - 1
APEX = "@"
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
MAX_NAME = 253
_MAX_DATA = 4000
# A character string of a TXT record (RFC 1035 section 3.3).
_TEXT_PIECE = 255


def domain_name(field: str, text: str, internal: str) -> str:
    """A domain that may be the site's own, in lower case without the final dot."""
    name = text.strip().lower().rstrip(".")
    if len(name) > MAX_NAME or "_" in name or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise Invalid.field(
            field, f"{validation.shown(text)} is no domain; write letters, digits and dots, such as lab.example.org."
        )
    if name == internal or name.endswith((f".{internal}", ".arpa")) or name in ("arpa", "localhost"):
        raise Invalid.field(
            field, f"{name} belongs to the region: racks' names and reverse names are there; choose another domain."
        )
    return name


def label(field: str, text: str, domain: str) -> str:
    """A name within a domain, in lower case: one label or several, the first one may be `*`; `@` is the domain."""
    name = text.strip().lower()
    labels = name.removeprefix("*.").split(".") if name != "*" else []
    if name != APEX and (len(f"{name}.{domain}") > MAX_NAME or not all(_LABEL.fullmatch(each) for each in labels)):
        raise Invalid.field(
            field,
            f"{validation.shown(text)} is no name in {domain}; write letters, digits, inner hyphens, such as www.",
        )
    return name


def ttl(field: str, text: str | None) -> int | None:
    """A time to live in seconds; None or nothing for the default."""
    return validation.number(field, text, 1, MAX_TTL_S) if text and text.strip() else None


def rrtype(text: str | None) -> str:
    """The type of a record."""
    name = (text or "").strip().upper()
    if name in ("A", "AAAA"):
        raise Invalid.field("rrtype", f"{name} records are the ip_addresses of dnsresources/; give them there.")
    if name not in TYPES:
        raise Invalid.field("rrtype", f"{validation.shown(text or '')} is not served; use one of {', '.join(TYPES)}.")
    return name


def rrdata(kind: str, text: str, domain: str) -> str:
    """Data as a zone of this domain has it: names in the domain without it, texts in quotes. Raises Invalid."""
    origin = dns.name.from_text(domain)
    wrong = Invalid.field(
        "rrdata", f"{validation.shown(text)} is no data of {kind}; write it as in a zone file (RFC 1035, RFC 2782)."
    )
    if not text.strip() or len(text) > _MAX_DATA or not text.isprintable():
        raise wrong
    written = _quoted(text) if kind == "TXT" and not text.lstrip().startswith('"') else text
    try:
        parsed = dns.rdata.from_text(
            dns.rdataclass.IN, dns.rdatatype.from_text(kind), written, origin=origin, relativize=True
        )
        parsed.to_wire(origin=origin)
    except (dns.exception.DNSException, ValueError, UnicodeError):
        raise wrong from None
    target = getattr(parsed, "exchange", None) or (getattr(parsed, "target", None) if kind in ("NS", "SRV") else None)
    if target is not None and "_" in str(target):
        raise Invalid.field(
            "rrdata", f"{target} is no host name; a {kind} leads to letters, digits, inner hyphens only."
        )
    return str(parsed.to_text())


def is_later(serial: int, before: int) -> bool:
    """Whether a zone's serial is greater than another one, as secondaries see it (RFC 1982 section 3.2)."""
    return 0 < (serial - before) % (MAX_SERIAL + 1) <= SERIAL_STEP


def latest_serial(serials: Iterable[int]) -> int | None:
    """The one that none of the others is later than; None of none."""
    latest: int | None = None
    for serial in serials:
        if latest is None or is_later(serial, latest):
            latest = serial
    return latest


def furthest_serial(before: int) -> int:
    """The last one that is later than this one; named has none that is 0."""
    return (before + SERIAL_STEP) % (MAX_SERIAL + 1) or MAX_SERIAL


def _quoted(text: str) -> str:
    """A text as character strings in quotes, whatever is in it; each at most 255 bytes."""
    data = text.encode()
    pieces = [data[at : at + _TEXT_PIECE] for at in range(0, len(data), _TEXT_PIECE)]
    return " ".join(
        '"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\{byte:03}" for byte in piece) + '"'
        for piece in pieces
    )
