# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not well with the controllers of a site, each with the next step, from the picture that `overview` gives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Racks renew 10 days before the end, and `playbooks/region.yml` 90 days before it.
RACK_CERTIFICATE_DAYS, REGION_CERTIFICATE_DAYS = 7, 30
# A change reaches a rack within a second; one of DHCP may wait for the partner's restart first.
APPLY_S = 90.0
# More than a rack says in a minute.
MANY_WAITING = 500
LAG_S = 60.0

Picture = Mapping[str, Any]


@dataclass(frozen=True)
class Trouble:
    """Something that is not well: with what, how, and what to do next."""

    object: str
    problem: str
    next_step: str


def find(picture: Picture) -> list[dict[str, str]]:
    """All that is not well, regions first."""
    found = [*_regions(picture), *_database(picture), *_racks(picture), *_network(picture)]
    return [asdict(each) for each in found]


def _regions(picture: Picture) -> Iterator[Trouble]:
    own = picture["region"]
    if own not in [region["name"] for region in picture["regions"]]:
        yield Trouble(
            f"region {own}", "its worker has never spoken", f"`systemctl status rackyard-region-worker` on {own}"
        )
    for region in picture["regions"]:
        name, at = f"region {region['name']}", f"on {region['name']}"
        if not region["alive"]:
            yield Trouble(
                name,
                f"its worker has not spoken for {age(region['last_word_s'])}",
                f"`systemctl status rackyard-region-worker` {at}; "
                f"if it does not come back: `rackyard-region forget-region {region['name']}`",
            )
            continue
        yield from _services(name, region, f"`systemctl status 'rackyard-region*'` {at}")
        if region["names_trouble"]:
            yield Trouble(name, region["names_trouble"], f"`systemctl status named` {at}")
        days = region["certificate_days"]
        if days is not None and days < REGION_CERTIFICATE_DAYS:
            yield Trouble(name, f"its certificate ends in {days:.0f} days", "run playbooks/region.yml")


def _database(picture: Picture) -> Iterator[Trouble]:
    members = picture["database"]
    for each in members:
        server = f"PostgreSQL at {each['server']}"
        if each["state"] == "away":
            units = "`systemctl status 'postgresql@*' 'patroni@*'` on its host"
            yield Trouble(server, f"does not answer: {each['error']}", units)
        elif (each["lag_s"] or 0) > LAG_S:
            yield Trouble(
                server, f"is {age(each['lag_s'])} behind", "look at the server's log, and at its way to the other one"
            )
    writable = sum(each["state"] == "writable" for each in members)
    if writable != 1:
        yield Trouble("PostgreSQL", f"{writable or 'no'} servers take writes", "there must be one; look at each")


def _racks(picture: Picture) -> Iterator[Trouble]:
    alive = {region["name"] for region in picture["regions"] if region["alive"]}
    for rack in picture["racks"]:
        name, host = f"rack {rack['hostname']}", rack["hostname"]
        if not rack["alive"]:
            heard = "it was never heard" if rack["last_word_s"] is None else f"not heard for {age(rack['last_word_s'])}"
            yield Trouble(
                name,
                f"it is dead: {heard}",
                f"`systemctl status rackyard-rack` on {host}; "
                f"if it does not come back: `rackyard-region revoke-rack {host}`",
            )
            continue
        yield from _services(name, rack, f"`rackyard-rack status` on {host}")
        yield from _work_of(rack, name)
        for channel in rack["channels"] or ():
            if channel["region"] in alive and not channel["live"] and channel["state"] != "not asked yet":
                problem = f"it has no channel to {channel['region']}: {channel['state']}"
                yield Trouble(
                    name, problem, f"`rackyard-rack status` on {host}; are ports 5250-5270 open between them?"
                )


def _work_of(rack: Picture, name: str) -> Iterator[Trouble]:
    status = f"`rackyard-rack status` on {rack['hostname']}"
    applied, desired = rack["applied_generation"] or 0, rack["desired_generation"]
    if applied < desired and (rack["desired_s"] or APPLY_S) >= APPLY_S:
        yield Trouble(name, f"it has applied generation {applied}, not {desired}", status)
    for what in ("reports", "posts"):
        if (rack[f"{what}_waiting"] or 0) > MANY_WAITING:
            problem = f"{rack[f'{what}_waiting']} {what} wait there for a region"
            yield Trouble(name, problem, f"{status}, and `journalctl -u 'rackyard-region-rpc@*'` on a region")
    days = rack["certificate_days"]
    if days is not None and days < RACK_CERTIFICATE_DAYS:
        problem = f"its certificate ends in {days:.0f} days and was not renewed"
        yield Trouble(name, problem, f"`journalctl -u rackyard-rack` on {rack['hostname']}")


def _network(picture: Picture) -> Iterator[Trouble]:
    for vlan in picture["dhcp"]:
        if not any(rack["alive"] for rack in vlan["racks"]):
            racks = ", ".join(rack["hostname"] for rack in vlan["racks"])
            problem = f"nobody answers DHCP: {f'{racks} is dead' if racks else 'it has no rack'}"
            yield Trouble(f"VLAN {vlan['vlan']}", problem, "bring a rack back, or name another primary_rack")
    for subnet in picture["subnets"]:
        if subnet["managed"] and subnet["racks"] and not subnet["members"]:
            problem = f"no rack is alive in it: {subnet['dns_name']} leads nowhere"
            yield Trouble(f"subnet {subnet['name']}", problem, f"bring {' or '.join(subnet['racks'])} back")
        for region, addresses in subnet["differs"].items():
            wanted = ", ".join(each["address"] for each in subnet["members"]) or "no address"
            has = ", ".join(addresses) or "no address"
            yield Trouble(
                f"subnet {subnet['name']}",
                f"the name server of {region} has {has} for {subnet['dns_name']}, not {wanted}",
                f"in some seconds look again; then `journalctl -u rackyard-region-worker` on {region}",
            )


def _services(name: str, controller: Picture, next_step: str) -> Iterator[Trouble]:
    for service in controller["services"]:
        if service["state"] in ("dead", "degraded"):
            info, _found, hint = service["info"].partition("; see ")
            host = controller.get("hostname") or controller["name"]
            yield Trouble(
                f"{name}, {service['name']}", info or service["state"], f"{hint} on {host}" if hint else next_step
            )


def age(seconds: float | None) -> str:
    """`never`, `45 s`, `12 min`, `5 h`, `3 d`."""
    if seconds is None:
        return "never"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
