# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that the region lists, for reading: the region filters, and here only the wished fields are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import RegionClient, RegionRefused
from .machine_lookup import find_machine

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Resource:
    """A list of the region's API.

    :param path: where it is.
    :param name: the field by which people know one, empty where they know it by nothing.
    :param op: the operation that lists it, where that is one.
    :param within: where its rows are in each object of the answer, when they are not the answer.
    :param asked: the region looks for the name, by a filter of the field's name.
    :param of: what has them, ``node`` or ``subnet``, whose id stands in the path in braces.
    """

    path: str
    name: str = "name"
    op: str | None = None
    within: str = ""
    asked: bool = False
    of: str = ""


NODE, SUBNET = "node", "subnet"
_OWNERS = {NODE: "machine or device", SUBNET: "subnet"}
RESOURCES: Mapping[str, Resource] = {
    "api_key": Resource("account/", op="list_authorisation_tokens"),
    "audit_entry": Resource("audit/", within="entries", asked=True),
    "block_device": Resource("nodes/{of}/blockdevices/", of=NODE),
    "boot_resource": Resource("boot-resources/"),
    "device": Resource("devices/", name="hostname", asked=True),
    "dhcp_snippet": Resource("dhcp-snippets/"),
    "dns_record": Resource("dnsresources/", name="fqdn", asked=True),
    "dns_resource_record": Resource("dnsresourcerecords/", name="fqdn", asked=True),
    "domain": Resource("domains/"),
    "event": Resource("events/", name="hostname", op="query", within="events", asked=True),
    "fabric": Resource("fabrics/"),
    "file": Resource("files/", name="filename"),
    "interface": Resource("nodes/{of}/interfaces/", of=NODE),
    "ip_address": Resource("ipaddresses/", name="ip", asked=True),
    "ip_range": Resource("ipranges/", name="start_ip"),
    "notification": Resource("notifications/", name="ident"),
    "package_repository": Resource("package-repositories/"),
    "power_type": Resource("rackcontrollers/", op="describe_power_types"),
    "rack_controller": Resource("rackcontrollers/", name="hostname"),
    "region_controller": Resource("regioncontrollers/", name="hostname"),
    "resource_pool": Resource("resourcepools/"),
    "script": Resource("scripts/"),
    "script_result": Resource("nodes/{of}/results/", name="", of=NODE),
    "setting": Resource("maas/", op="get_config", asked=True),
    "space": Resource("spaces/"),
    "ssh_key": Resource("account/prefs/sshkeys/", name=""),
    "static_route": Resource("static-routes/", name=""),
    "subnet": Resource("subnets/"),
    "subnet_address": Resource("subnets/{of}/", name="ip", op="ip_addresses", of=SUBNET),
    "subnet_free": Resource("subnets/{of}/", name="start", op="unreserved_ip_ranges", of=SUBNET),
    "subnet_taken": Resource("subnets/{of}/", name="start", op="reserved_ip_ranges", of=SUBNET),
    "subnet_usage": Resource("subnets/{of}/", name="", op="statistics", of=SUBNET),
    "tag": Resource("tags/"),
    "user": Resource("users/", name="username"),
    "user_group": Resource("usergroups/"),
    "vlan": Resource("fabrics/", within="vlans"),
    "zone": Resource("zones/"),
}


def read(
    client: RegionClient, kind: str, of: str | None, name: str | None, filters: Row, fields: Sequence[str]
) -> list[Row]:
    """What there is of a resource, as the API shows it.

    Raises ValueError for a name or a field that it does not have, RegionRefused for a filter that the region does not
    know, and for a machine, device or subnet that it does not have.

    :param of: the machine or device by its hostname, or the subnet by name or CIDR, that has them.
    :param name: only what people know by it.
    :param filters: parameters of the list, as the API has them.
    :param fields: the only fields that are wanted, all of them when there are none.
    """
    resource = RESOURCES[kind]
    if name is not None and not resource.name:
        raise ValueError(f"name: a {kind} has none; leave it out, or choose of what is returned")
    if resource.of and not of:
        raise ValueError(f"of: each {kind} is of a {_OWNERS[resource.of]}; name that one")
    if of and not resource.of:
        raise ValueError(f"of: each {kind} is the site's; leave it out")
    if name is None and kind == "setting":
        raise ValueError(
            "name: settings are read one by one; give the name of one, as `rackyard-region setting` lists them"
        )
    if "op" in filters:
        raise ValueError(f"filters: op is no filter; it would ask for something else than a {kind}")
    asked = {**filters, **({resource.name: name} if name is not None and resource.asked else {})}
    path = resource.path.format(of=_id_of(client, resource.of, of)) if of else resource.path
    answer = client.get(path, resource.op, **asked)
    if kind == "setting":
        answer = {"name": name, "value": answer}
    rows = answer if isinstance(answer, list) else [answer]
    if resource.within:
        rows = [row for outer in rows for row in outer[resource.within]]
    if name is not None and not resource.asked:
        rows = [row for row in rows if row[resource.name] == name]
    return [_cut(kind, row, fields) for row in rows]


def _id_of(client: RegionClient, what: str, text: str) -> str:
    """In the API, of what has the resource. Raises RegionRefused when it is not there."""
    if what == SUBNET:
        known = [row["id"] for row in client.get("subnets/") if text in (row["name"], row["cidr"])]
    else:
        devices = [row for row in client.get("devices/", hostname=text) if row["hostname"] == text]
        known = [row["system_id"] for row in (find_machine(client, text), *devices) if row]
    if not known:
        raise RegionRefused(f"There is no {_OWNERS[what]} '{text}'", 404)
    return str(known[0])


def _cut(kind: str, row: Row, fields: Sequence[str]) -> Row:
    missing = sorted(set(fields) - row.keys())
    if missing:
        raise ValueError(f"fields: a {kind} has no {', '.join(missing)}; it has {', '.join(row)}")
    return {name: row[name] for name in fields} if fields else row
