# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON of racks and regions: MAAS's fields, as far as they are told; `alive` and what is said to be so is ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

from rackyard.region.api import machine_shapes, shapes
from rackyard.region.api.shapes import ROOT, moment
from rackyard.region.db.machines.groups import Group
from rackyard.region.db.network.picture import Subnet
from rackyard.region.db.racks.view import RackService
from rackyard.region.db.site.hosts import Host, HostInterface
from rackyard.region.db.site.regions import RegionService
from rackyard.region.services.network.network import Network
from rackyard.region.services.racks.view import RackDetails
from rackyard.region.services.site.regions import RegionDetails

# The subnet that an address lies in, if it is known.
Subnets = Callable[[str], Subnet | None]


def rack(details: RackDetails, site: dict[str, Any]) -> dict[str, Any]:
    """MAAS's fields; `alive`, `last_seen_at`, `certificate_not_after`, the generations and what waits are ours."""
    known, said = details.rack, details.report
    by_id = {subnet.id: subnet for subnet in details.network.subnets}
    subnets = {_bare(each.address): by_id[each.subnet_id] for each in details.interfaces if each.subnet_id in by_id}
    return {
        **_controller(known.system_id, known.hostname, known.zone, site, known.version, details.services),
        **_host(details.host, alive=known.alive),
        "tag_names": known.tag_names,
        "node_type": 2,
        "node_type_name": "Rack controller",
        "ip_addresses": [_bare(interface.address) for interface in details.interfaces],
        "interface_set": _interfaces(known.system_id, details.host, subnets.get, details.network),
        "alive": known.alive,
        "last_seen_at": moment(known.last_seen_at),
        "registered_at": moment(known.registered_at),
        "certificate_not_after": moment(known.cert_not_after),
        "desired_generation": known.desired_generation,
        "applied_generation": known.applied_generation,
        "channels": dict(said.channels) if said else None,
        "reports_waiting": said.reports_waiting if said else None,
        "posts_waiting": said.posts_waiting if said else None,
        "posts_refused": said.posts_refused if said else None,
        "resource_uri": f"{ROOT}/rackcontrollers/{known.system_id}/",
    }


def region(details: RegionDetails, site: dict[str, Any], network: Network) -> dict[str, Any]:
    """MAAS's fields; `alive`, `last_seen_at` and `certificate_not_after` are ours. Of its addresses those come first at
    which racks reach it."""
    said = details.controller
    assert said is not None
    host = said.host or Host()
    reached = sorted({each.address for each in details.processes})
    own = [_bare(address) for nic in host.interfaces for address in nic.addresses]
    return {
        **_controller(said.system_id, said.name, said.zone, site, said.version, details.services),
        **_host(host, alive=details.alive),
        "tag_names": said.tag_names,
        "node_type": 3,
        "node_type_name": "Region controller",
        "ip_addresses": list(dict.fromkeys([*reached, *own])),
        "interface_set": _interfaces(said.system_id, host, _subnets_of(network), network),
        "alive": details.alive,
        "last_seen_at": moment(said.seen_at),
        "certificate_not_after": moment(said.cert_not_after),
        "resource_uri": f"{ROOT}/regioncontrollers/{said.system_id}/",
    }


def power_state(*, alive: bool) -> str:
    """A host that speaks is on. Of a silent one nobody knows: a controller has no BMC here."""
    return "on" if alive else "unknown"


def _controller(
    system_id: str,
    hostname: str,
    zone: Group,
    site: dict[str, Any],
    version: str,
    services: Iterable[RackService | RegionService],
) -> dict[str, Any]:
    """What both kinds have. `failure` and `failed_at`, of the last time that a service was dead, are ours."""
    return {
        "system_id": system_id,
        "hostname": hostname,
        "fqdn": f"{hostname}.{site['domain']['name']}",
        "description": "",
        **site,
        "zone": shapes.zone(zone),
        "version": version,
        "service_set": [
            {
                "name": each.name,
                "status": each.state,
                "status_info": each.info,
                "failure": each.failure,
                "failed_at": moment(each.failed_at),
            }
            for each in services
        ],
    }


def _host(host: Host, *, alive: bool) -> dict[str, Any]:
    """What it is made of: memory in MiB, swap space in bytes, clock rate in MHz."""
    return {
        "architecture": f"{host.architecture}/generic" if host.architecture else "",
        "cpu_count": host.cpu_count,
        "cpu_speed": host.cpu_speed_mhz,
        "memory": host.memory_mib,
        "swap_size": host.swap_bytes,
        "osystem": host.osystem,
        "distro_series": host.distro_series,
        "hardware_uuid": host.hardware.get("hardware_uuid"),
        "hardware_info": machine_shapes.hardware_info(host.hardware, host.hardware.get("cpu_model", "")),
        "power_type": "",
        "power_state": power_state(alive=alive),
        "status_action": "",
        **machine_shapes.NO_TESTS,
    }


def _interfaces(system_id: str, host: Host, subnet_of: Subnets, network: Network) -> list[dict[str, Any]]:
    return [_interface(system_id, nic, host.interfaces, subnet_of, network) for nic in host.interfaces]


def _interface(
    system_id: str, nic: HostInterface, among: Sequence[HostInterface], subnet_of: Subnets, network: Network
) -> dict[str, Any]:
    """A network interface with the fields of a machine's, but without an id: it is no object of its own."""
    links = [_link(address, subnet_of(_bare(address)), network) for address in nic.addresses]
    return {
        "system_id": system_id,
        "name": nic.name,
        "type": nic.type,
        "vlan": next((link["subnet"]["vlan"] for link in links if "subnet" in link), None),
        "mac_address": nic.mac,
        "parents": list(nic.parents),
        "children": [other.name for other in among if nic.name in other.parents],
        "tags": [],
        "enabled": nic.enabled,
        "links": links,
        "params": "",
        "discovered": [],
        "effective_mtu": nic.mtu or machine_shapes.DEFAULT_MTU,
        "vendor": None,
        "product": None,
        "firmware_version": None,
        "link_connected": nic.link_connected,
        "interface_speed": nic.link_speed_mbps,
        "link_speed": nic.link_speed_mbps,
        "numa_node": None,
        "sriov_max_vf": 0,
    }


def _link(address: str, subnet: Subnet | None, network: Network) -> dict[str, Any]:
    """`cidr`, the address with its prefix length, is ours."""
    on = {"subnet": shapes.subnet(subnet, network.vlan_of(subnet))} if subnet else {}
    return {"mode": "static", "ip_address": _bare(address), "cidr": address, **on}


def _subnets_of(network: Network) -> Subnets:
    known = [(ip_network(subnet.cidr), subnet) for subnet in network.subnets]

    def find(address: str) -> Subnet | None:
        return next((subnet for cidr, subnet in known if ip_address(address) in cidr), None)

    return find


def _bare(address: str) -> str:
    return address.partition("/")[0]
