# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators' own lines in dhcpd's configuration: what they may say, how they are rendered, and where dhcpd finds fault.

A snippet stays within the braces that it is put in, and leaves alone what the rack itself lives on: its lease file, its
way to give orders, its pairs, the lines that it logs for each lease. Source: dhcpd.conf(5), dhcp-eval(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from rackyard.daemons import values
from rackyard.daemons.model import Refused, Section

MAX_VALUE = 10_000
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_ .:/+-]{0,127}")
_TOKEN = re.compile(r'#[^\n]*|"(?:[^"\\\n]|\\[^\n])*"|[A-Za-z0-9_-]+|\s+|.', re.DOTALL)
_MARK = "# Snippet"
_LINE = re.compile(r"\S+ line (\d+): ")
_OWN = "rackyard-"

# Words that a snippet has no use for, and why.
FORBIDDEN: Mapping[str, str] = MappingProxyType(
    {
        "include": "files of the rack are not the region's to name",
        "execute": "dhcpd runs no programs",
        "log": "the rack takes what dhcpd logs for what happened",
        "log-facility": "the rack takes what dhcpd logs for what happened",
        "failover": "the region decides which racks are a pair",
        "lease-file-name": "the rack reads the lease file where it is",
        "dhcpv6-lease-file-name": "the rack reads the lease file where it is",
        "pid-file-name": "systemd looks after dhcpd",
        "dhcpv6-pid-file-name": "systemd looks after dhcpd",
        "key": "keys are the rack's",
        "zone": "the region keeps the names",
        "ddns-update-style": "the region keeps the names",
        "local-port": "dhcpd listens where machines ask",
        "local-address": "dhcpd listens where machines ask",
        "remote-port": "dhcpd listens where machines ask",
    }
)
_FORBIDDEN_BEGINNINGS: Mapping[str, str] = MappingProxyType(
    {
        "omapi-": "dhcpd takes orders from the rack alone",
        "ldap-": "the region alone says what dhcpd serves",
        _OWN: "such names are Rackyard's",
    }
)
# What a class is made of, which is what a machine's snippet stands in.
_OF_CLASSES = frozenset({"match", "spawn", "spawning"})
_EVENTS = frozenset({"commit", "release", "expiry"})


def fault(text: str, *, machine: bool = False) -> str:
    """Why these lines cannot be a snippet, in words that begin with the line; empty when dhcpd may judge them.

    `machine` is for the snippet of one machine."""
    if len(text) > MAX_VALUE:
        return f"it has {len(text)} characters, and at most {MAX_VALUE} are taken"
    depth, before, line = 0, "", 1
    for line, token in _tokens(text):
        why = _fault_of(token, before, machine)
        if why:
            return f"line {line}: {why}"
        depth += {"{": 1, "}": -1}.get(token, 0)
        if depth < 0:
            return f"line {line}: this brace closes one that the snippet has not opened"
        before = token
    if not before:
        return "it says nothing"
    if depth:
        return f"line {line}: {depth} of its braces are not closed"
    if before not in (";", "}"):
        return f"line {line}: its last statement has no semicolon at its end"
    return ""


def _fault_of(token: str, before: str, machine: bool) -> str:
    if token == '"':
        return "this text has no closing quotation mark"
    if not token.isascii() or not token.isprintable():
        return f"{token!r} has a character that dhcpd's configuration cannot have"
    word = token.strip('"').lower()
    if token.startswith('"'):
        return f"{token}: {_FORBIDDEN_BEGINNINGS[_OWN]}" if word.startswith(_OWN) else ""
    why = FORBIDDEN.get(word) or next(
        (reason for begin, reason in _FORBIDDEN_BEGINNINGS.items() if word.startswith(begin)), ""
    )
    if why:
        return f"{word} is not taken: {why}"
    if before.lower() in ("on", "or") and word in _EVENTS:
        return f"on {word} is not taken: the rack learns of leases there"
    if not before and word in ("else", "elsif"):
        return f"{word} has no if before it"
    if machine and word in _OF_CLASSES:
        return f"{word} is not taken in the snippet of a machine: which machine it is for is said by its node"
    return ""


def _tokens(text: str) -> Iterator[tuple[int, str]]:
    """What dhcpd would read, with the number of its line; neither blanks nor comments."""
    line = 1
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token.startswith("#"):
            if not token.isascii() or not token.replace("\t", " ").isprintable():
                yield line, token
        elif not token.isspace() or token.strip("\n\t "):
            yield line, token
        line += token.count("\n")


def rendered(section: Section, what: str) -> list[str]:
    """The snippets of a part of the configuration, each under its name."""
    return [line for each in values.mappings(section, "snippets", what) for line in _lines(each, what)]


def classes(section: Section) -> list[str]:
    """The snippets of machines: a class for each, which counts for more than what a subnet or a pool says."""
    return [line for each in values.mappings(section, "classes", "dhcp") for line in _class(each)]


def _class(snippet: Section) -> list[str]:
    what = f"dhcp class {name_of(snippet)}"
    macs = [values.mac(mac, f"{what} macs") for mac in values.items(snippet, "macs", what)]
    if not macs:
        raise Refused(f"{what}: it names no Ethernet address; correct it in the region")
    which = " or ".join(f"hardware = 1:{mac}" for mac in macs)
    inside = _lines(snippet, "dhcp", machine=True)
    return [f'class "{_OWN}snippet {name_of(snippet)}" {{', f"  match if {which};", *(f"  {x}" for x in inside), "}"]


def name_of(snippet: Section) -> str:
    """The name of a snippet. Raises Refused when it could not stand in a comment."""
    name = snippet.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise Refused(f"snippet {str(name)[:80]!r} cannot be a name; correct it in the region")
    return name


def is_name(text: str) -> bool:
    """Whether a snippet can be called that."""
    return _NAME.fullmatch(text) is not None


def _lines(snippet: Section, what: str, *, machine: bool = False) -> list[str]:
    name, value = name_of(snippet), snippet.get("value")
    if not isinstance(value, str):
        raise Refused(f"{what} snippet {name} is no text; correct it in the region")
    why = fault(value, machine=machine)
    if why:
        raise Refused(f"{what} snippet {name}: {why}; correct it in the region")
    return [f"{_MARK} {name}", *value.split("\n")]


def placed(words: str, content: bytes, name: str, value: str) -> str:
    """dhcpd's words about a configuration, with the lines of that snippet counted from its own beginning."""
    lines = [line.strip() for line in content.decode("ascii").split("\n")]
    mark, length = f"{_MARK} {name}", len(value.split("\n"))
    begin = lines.index(mark) + 1 if mark in lines else len(lines)

    def place(found: re.Match[str]) -> str:
        number = int(found[1]) - begin
        if 1 <= number <= length:
            return f"line {number} of the snippet: "
        beside = "".join(lines[int(found[1]) - 1 : int(found[1])])
        return f"line {found[1]} of the whole configuration ({beside}): "

    said = words.split("; ")
    # At the end dhcpd says that there was something, which it has said before.
    return _LINE.sub(place, "; ".join([each for each in said if not each.endswith(": bad parse.")] or said))
