# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The region's machines and controllers as hosts of an inventory: which there are, and what is known of each."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from .client import RegionClient, RegionError
from .hardware import hardware_of

Row = Mapping[str, Any]
# The region takes pages of at most this many: fewer requests for a large site.
PAGE = 1000
_SHORT = (
    "system_id", "hostname", "fqdn", "description", "architecture", "owner", "status_name", "power_type", "power_state",
    "locked", "ip_addresses", "tag_names",
)  # fmt: skip
_NAMED = ("pool", "zone")
_HARDWARE = (
    "cpu_count", "memory", "storage", "hardware_info", "bios_boot_method", "secure_boot", "physicalblockdevice_set",
    "interface_set",
)  # fmt: skip
_OF_CONTROLLERS = ("system_id", "hostname", "fqdn", "version", "alive", "ip_addresses", "tag_names")
_OF_HOSTS = ("architecture", "osystem", "distro_series", "hardware_uuid")
# What a variable is called where the API's field has another name.
_CALLED = {"status_name": "status", "tag_names": "tags", "ip_addresses": "addresses"}


@dataclass(frozen=True)
class Host:
    """A host by what it may be called, with its addresses, variables without their prefix, and the groups it is in."""

    names: Mapping[str, str]
    addresses: tuple[str, ...]
    variables: Mapping[str, Any]
    groups: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """For a cache that keeps JSON."""
        return {
            "names": dict(self.names),
            "addresses": list(self.addresses),
            "variables": dict(self.variables),
            "groups": list(self.groups),
        }

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> Host:
        """What ``as_dict`` gave."""
        return cls(kept["names"], tuple(kept["addresses"]), kept["variables"], tuple(kept["groups"]))


def machines(client: RegionClient, filters: Mapping[str, Any], *, with_hardware: bool) -> list[Host]:
    """Machines that the region's filters let through, by host name. Raises RegionError."""
    reserved = sorted({"fields", "limit", "after", "op"} & filters.keys())
    if reserved:
        raise RegionError(f"filters: {', '.join(reserved)} is no filter of machines; leave it out")
    fields = (*_SHORT, *_NAMED, *(_HARDWARE if with_hardware else ()))
    pages = client.pages("machines/", page=PAGE, fields=",".join(fields), **filters)
    return [_machine(row, with_hardware) for part in _ahead(pages) for row in part]


def controllers(client: RegionClient, *, with_hardware: bool) -> list[Host]:
    """Regions in group ``regions``, racks in ``racks``; a host that is both is in both. Raises RegionError."""
    found: dict[str, Host] = {}
    for path, group in (("regioncontrollers/", "regions"), ("rackcontrollers/", "racks")):
        for row in client.get(path):
            host = _controller(row, group, with_hardware)
            known = found.get(row["hostname"])
            found[row["hostname"]] = _joined(known, host) if known else host
    return list(found.values())


def networks_of(client: RegionClient, named: Sequence[str]) -> list[str]:
    """CIDRs of what is named: subnets by name, or networks as they are. Raises RegionError for what is neither."""
    missing = [text for text in named if not _is_network(text)]
    known = {row["name"]: row["cidr"] for row in client.get("subnets/")} if missing else {}
    unknown = sorted(set(missing) - known.keys())
    if unknown:
        raise RegionError(
            f"There is no subnet {', '.join(unknown)} from which ansible_host could be; the region has "
            f"{', '.join(sorted(known)) or 'none'}"
        )
    return [known.get(text, text) for text in named]


def address_in(addresses: Iterable[str], networks: Sequence[str]) -> str | None:
    """The first address that lies in the first network that has one; of all addresses where no network is given."""
    known = [ipaddress.ip_address(text) for text in addresses]
    if not networks:
        return str(known[0]) if known else None
    for network in map(ipaddress.ip_network, networks):
        for address in known:
            if address in network:
                return str(address)
    return None


def _ahead(pages: Iterator[list[Row]]) -> Iterator[list[Row]]:
    """The pages. While one is looked at, the region makes the next."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, pages, None)
        while (page := coming.result()) is not None:
            coming = pool.submit(next, pages, None)
            yield page


def _machine(row: Row, with_hardware: bool) -> Host:
    variables = {_CALLED.get(name, name): row[name] for name in _SHORT}
    variables |= {name: row[name]["name"] for name in _NAMED}
    if with_hardware:
        variables["hardware"] = hardware_of(row)
    return Host(_names(row), tuple(row["ip_addresses"]), variables)


def _controller(row: Row, group: str, with_hardware: bool) -> Host:
    variables = {_CALLED.get(name, name): row[name] for name in _OF_CONTROLLERS}
    variables["zone"] = row["zone"]["name"]
    variables["services"] = {each["name"]: each["status"] for each in row["service_set"]}
    if "hardware_info" in row:  # a region of the release before says nothing of it
        variables |= {name: row[name] for name in _OF_HOSTS}
        if with_hardware:
            variables["hardware"] = hardware_of(row)
    return Host(_names(row), tuple(row["ip_addresses"]), variables, (group,))


def _joined(region: Host, rack: Host) -> Host:
    services = {**region.variables["services"], **rack.variables["services"]}
    tags = sorted({*region.variables["tags"], *rack.variables["tags"]})
    variables = {**region.variables, "services": services, "tags": tags}
    addresses = tuple(dict.fromkeys((*region.addresses, *rack.addresses)))
    variables["addresses"] = list(addresses)
    return Host(region.names, addresses, variables, (*region.groups, *rack.groups))


def _names(row: Row) -> dict[str, str]:
    return {name: row[name] for name in ("hostname", "fqdn", "system_id")}


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text
