# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of `overview` as a page for people: tables of plain text, as wide as what stands in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rackyard.region.services.site.troubles import age

Picture = Mapping[str, Any]
Rows = Sequence[Sequence[str]]

_STATES = {"running": "ok", "degraded": "DEGRADED", "dead": "DEAD", "off": "off", "unknown": "?"}
# The order in which a person looks for them: what is Rackyard's own, then daemons.
_SERVICES = (
    "api", "metadata", "rpc", "polls", "worker", "agent", "boot", "dhcp", "dhcp6", "ra", "tftp", "http", "dns",
    "ntp", "proxy", "syslog",
)  # fmt: skip
# An older failure is history.
_LATELY_S = 86400


def page(picture: Picture) -> str:
    """The whole page."""
    parts = [
        _heading(picture),
        _table(("REGION", "STATE", "VERSION", "LAST WORD", "CERTIFICATE", "RACKS", "REACHED AT"), _regions(picture)),
        _table(
            ("RACK", "STATE", "VERSION", "LAST WORD", "CERTIFICATE", "APPLIED", "CHANNELS", "REPORTS", "POSTS", "BMCS"),
            _racks(picture),
        ),
        _services(picture),
        _table(("POSTGRESQL", "STATE", "SINCE", "BEHIND"), _database(picture)),
        _table(("VLAN WITH DHCP", "RACKS", "PAIR"), _dhcp(picture)),
        _table(("SUBNET", "CIDR", "NAME", "LEADS TO"), _subnets(picture)),
        *_lately(picture),
        *_rest(picture),
        *_troubles(picture),
    ]
    return "\n\n".join(part for part in parts if part)


def _heading(picture: Picture) -> str:
    count = len(picture["troubles"])
    verdict = "All is well." if picture["well"] else f"NOT WELL: {count} thing{'s' if count > 1 else ''}, see below."
    asked = f"Rackyard {picture['version']}, schema {picture['schema']}, as region {picture['region']} sees it at"
    return f"{asked} {_moment(picture['at'])}. {verdict}"


def _regions(picture: Picture) -> Iterator[list[str]]:
    for region in picture["regions"]:
        yield [
            region["name"],
            "ok" if region["alive"] else "DEAD",
            region["version"] or "the one before",
            age(region["last_word_s"]),
            _days(region["certificate_days"]),
            ", ".join(region["racks"]) or "none",
            ", ".join(region["addresses"]),
        ]


def _racks(picture: Picture) -> Iterator[list[str]]:
    for rack in picture["racks"]:
        bmcs = rack["bmcs"]
        yield [
            rack["hostname"],
            _state(rack),
            rack["version"],
            age(rack["last_word_s"]),
            _days(rack["certificate_days"]),
            f"{_number(rack['applied_generation'])} of {rack['desired_generation']}",
            _channels(rack),
            _number(rack["reports_waiting"]),
            _number(rack["posts_waiting"]) + (f" ({rack['posts_refused']} refused)" if rack["posts_refused"] else ""),
            f"{bmcs['reached']} of {bmcs['reached'] + bmcs['out of reach']}",
        ]


def _state(rack: Picture) -> str:
    if not rack["alive"]:
        return "DEAD"
    return "out of use" if rack["drained_until"] else "ok"


def _channels(rack: Picture) -> str:
    """The regions that it has a channel to; a dead rack has none, whatever it said last."""
    if rack["channels"] is None:
        return "?"
    if not rack["alive"]:
        return "-"
    return ", ".join(each["region"] if each["live"] else f"NOT {each['region']}" for each in rack["channels"]) or "NONE"


def _services(picture: Picture) -> str:
    """Each controller's services side by side. What a silent one said last is no longer known to be so."""
    controllers = [(each["name"], each) for each in picture["regions"]]
    controllers += [(each["hostname"], each) for each in picture["racks"]]
    states = [
        (name, {each["name"]: each["state"] if controller["alive"] else "unknown" for each in controller["services"]})
        for name, controller in controllers
    ]
    found = {name for _controller, services in states for name in services}
    columns = [*(name for name in _SERVICES if name in found), *sorted(found.difference(_SERVICES))]
    rows = [
        [name, *(_STATES[services[column]] if column in services else "." for column in columns)]
        for name, services in states
    ]
    return _table(("SERVICES OF", *columns), rows)


def _database(picture: Picture) -> Iterator[list[str]]:
    for each in picture["database"]:
        behind = "" if each["lag_s"] is None else f"{age(each['lag_s'])}, {_number(each['lag_bytes'])} bytes"
        state = "AWAY" if each["state"] == "away" else each["state"]
        yield [each["server"], state, _moment(each["since"]) if each["since"] else "", behind]


def _dhcp(picture: Picture) -> Iterator[list[str]]:
    for each in picture["dhcp"]:
        racks = ", ".join(rack["hostname"] if rack["alive"] else f"{rack['hostname']} (DEAD)" for rack in each["racks"])
        pair = ", ".join(f"{one['hostname']}: {one['state'] or '?'}" for one in each["pair"])
        yield [each["vlan"], racks or "NONE", pair or "alone"]


def _subnets(picture: Picture) -> Iterator[list[str]]:
    for each in picture["subnets"]:
        members = ", ".join(f"{one['hostname']} {one['address']}" for one in each["members"])
        wrong = "".join(f"; {region} has {', '.join(has) or 'none'}" for region, has in each["differs"].items())
        yield [each["name"], each["cidr"], each["dns_name"] or "not managed", (members or "nobody") + wrong]


def _lately(picture: Picture) -> Iterator[str]:
    """Services that run, and did not a while ago."""
    now = datetime.fromisoformat(picture["at"])
    lines = []
    for controller in (*picture["regions"], *picture["racks"]):
        for each in controller["services"]:
            if each["failed_at"] is None or each["state"] == "dead":
                continue
            failed_at = datetime.fromisoformat(each["failed_at"])
            if (now - failed_at).total_seconds() < _LATELY_S:
                name = controller.get("hostname") or controller["name"]
                lines.append(f"  {name}, {each['name']}, {_moment(each['failed_at'])}: {each['failure']}")
    if lines:
        yield "\n".join(["Failed within a day, and runs again:", *lines])


def _rest(picture: Picture) -> Iterator[str]:
    """What else is on the site, a line for each; only the command line has all of it."""
    if "machines" not in picture:
        return
    machines = ", ".join(f"{count} {status}" for status, count in picture["machines"].items())
    yield "\n".join(
        [
            f"Machines: {machines or 'none'}",
            f"Images: {', '.join(picture['images']) or 'none'}",
            f"History: {', '.join(f'{name} ({_contents(kept)})' for name, kept in picture['stored'].items())}",
            f"Files: {', '.join(f'{name} ({_contents(kept)})' for name, kept in picture['files'].items())}",
        ]
    )


def _contents(kept: Mapping[str, Any]) -> str:
    """How much there is of something: `12 rows, 0.1 MiB, keep_events_days 90`."""
    size = "? MiB" if kept["mib"] is None else f"{kept['mib']} MiB"
    (count,) = [f"{_number(kept[unit])} {unit}" for unit in ("rows", "registered", "machines") if unit in kept]
    limits = [f"{name} {value}" for name, value in kept.items() if name.startswith("keep_")]
    return ", ".join([count, size, *limits])


def _troubles(picture: Picture) -> Iterator[str]:
    if picture["troubles"]:
        lines = [f"  {each['object']}: {each['problem']}\n      {each['next_step']}" for each in picture["troubles"]]
        yield "\n".join(["What is not well, and what to do:", *lines])


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]] | Rows) -> str:
    """Columns as wide as their widest word, two blanks between; nothing when there are no rows."""
    body = [list(row) for row in rows]
    if not body:
        return ""
    lines = [list(heads), *body]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heads))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _moment(iso: str) -> str:
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M:%S UTC")


def _days(days: float | None) -> str:
    return "?" if days is None else f"{days:.0f} days"


def _number(value: int | None) -> str:
    return "?" if value is None else str(value)
