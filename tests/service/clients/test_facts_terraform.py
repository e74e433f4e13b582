# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls of Terraform's provider for MAAS (2.4) that test_terraform.py, with the lives of its resources, leaves out:
what its data sources read, and what it does to machines. Bodies are urlencoded, and `op=` is always there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.service.clients.replay import DEPLOYMENT, MACHINE, NEVER, OTHER, Check, Region, run

OK = {"GET": (200,), "POST": (200, 201, 204), "PUT": (200,), "DELETE": (204,)}
NICS, NIC = "nodes/{ready[system_id]}/interfaces/", "nodes/{ready[system_id]}/interfaces/{ready[interface_set][0][id]}/"
DISKS, DISK = (
    "nodes/{ready[system_id]}/blockdevices/",
    "nodes/{ready[system_id]}/blockdevices/{ready[blockdevice_set][0][id]}/",
)
PLAN = {
    **MACHINE, "domain": "{domain[name]}", "pool": "{pool[name]}", "zone": "{zone[name]}", "min_hwe_kernel": "",
    "description": "",
}  # fmt: skip
CHECKS = [
    Check("machine: made and commissioned", "POST", "machines/?op=", {**PLAN, "commission": "true"}, "system_id:str",
          {"status_name": "Commissioning", "zone.name": "{zone[name]}", "pool.name": "{pool[name]}",
          "domain.name": "{domain[name]}"}),
    Check("machine: all sent again, with commission=true", "PUT", "machines/{machine[system_id]}/",
          {**PLAN, "hostname": "{machine[hostname]}", "mac_addresses": "{machine[interface_set][0][mac_address]}",
          "commission": "true",
           "memory": "", "cpu_count": ""}, "system_id:str", {"hostname": "{machine[hostname]}",
           "zone.name": "{zone[name]}"}),
    Check("machine: waited for", "GET", "machines/{ready[system_id]}/", {}, "status_name:str",
          {"status_name": "Ready"}),
    Check("machine: state in words it waits for", "GET", "machines/{commissioning[system_id]}/", {}, "",
          {"status_name": "Commissioning"}),
    Check("machine: power settings for import", "GET", "machines/{machine[system_id]}/?op=power_parameters", {},
          "power_address:str"),
    Check("machine: destroyed", "DELETE", "machines/{ready[system_id]}/"),
    Check("machine: clear_default_gateways", "POST", "machines/{linked[system_id]}/?op=clear_default_gateways", {},
          "system_id:str"),
    Check("machine: owner data", "POST", "machines/{ready[system_id]}/?op=set_owner_data", {"team": "a"}, "",
          {"owner_data.team": "a"}),
    Check("machine: lock", "POST", "machines/{ready[system_id]}/?op=lock", {}, "", {"locked": True}),
    Check("data machine", "GET", "machines/", {},
          "[].system_id:str [].hostname:str [].fqdn:str [].boot_interface:dict? [].architecture:str [].power_type:str "
          "[].min_hwe_kernel:str"),
    Check("data fabric", "GET", "fabrics/", {}, "[].id:int [].name:str [].vlans:list"),
    Check("data vlan", "GET", "fabrics/{fabric[id]}/vlans/", {},
          "[].id:int [].vid:int [].mtu:int [].dhcp_on:bool [].space:str"),
    Check("data subnet", "GET", "subnets/", {},
          "[].id:int [].cidr:str [].rdns_mode:int [].dns_servers:list [].vlan.fabric_id:int"),
    Check("data rack_controller", "GET", "rackcontrollers/", {},
          "[].system_id:str [].hostname:str [].domain.name:str [].service_set:list"),
    Check("data resource_pool", "GET", "resourcepool/{pool[name]}/", {}, "id:int name:str", {"id": "{pool[id]}"}),
    Check("data device", "GET", "devices/", {"hostname": "{device[hostname]}"},
          "[].system_id:str [].fqdn:str [].ip_addresses:list"),
    Check("data network_interface_physical", "GET", NICS, {},
          "[].id:int [].mac_address:str [].vlan:dict? [].tags:list"),
    Check("data boot_resources", "GET", "boot-resources/", {}, "[].id:int [].name:str [].architecture:str"),
    Check("data tags", "GET", "tags/{tag[name]}/", {}, "name:str comment:str"),
    Check("tag: machines added", "POST", "tags/{tag[name]}/?op=update_nodes", {"add": ["{machine[system_id]}"]}, "",
          {"added": 1}),
    Check("tag: machines read", "GET", "tags/{carrier[tag_names][0]}/?op=machines", {}, "[].fqdn:str",
          {"[].system_id": "{carrier[system_id]}"}),
    Check("user: made", "POST", "users/?op=", {"username": "t{n}", "email": "t@b.org", "password": "correct horse",
          "is_superuser": "false"},
          "username:str email:str", {"is_superuser": False}),
    Check("user: destroyed", "DELETE", "users/{user[username]}/"),
    Check("device: made", "POST", "devices/?op=", {"hostname": "t{n}", "mac_addresses": ["{mac}"],
          "domain": "{domain[name]}",
                                                   "zone": "{zone[name]}", "description": "x"},
          "system_id:str interface_set[].id:int", {"zone.name": "{zone[name]}", "domain.name": "{domain[name]}"}),
    Check("device: another NIC", "POST", "nodes/{device[system_id]}/interfaces/?op=create_physical",
          {"mac_address": "{new_mac}"}, "id:int"),
    Check("device: destroyed", "DELETE", "devices/{device[system_id]}/"),
    Check("dns_domain: default", "POST", "domains/{domain[id]}/?op=set_default", {}, "", {"is_default": True}),
    Check("network_interface_physical: made", "POST", f"{NICS}?op=create_physical",
          {"mac_address": "{new_mac}", "name": "eth5", "vlan": "{fabric[vlans][0][id]}", "tags": "a", "mtu": "1500"},
          "id:int",
          {"vlan.id": "{fabric[vlans][0][id]}", "name": "eth5", "tags": "a", "effective_mtu": 1500}),
    Check("network_interface_physical: changed", "PUT", NIC, {"name": "eth6", "mtu": "9000", "tags": ""}, "id:int",
          {"name": "eth6"}),
    Check("network_interface_physical: destroyed", "DELETE", "nodes/{nic[system_id]}/interfaces/{nic[id]}/"),
    Check("network_interface_bond", "POST", f"{NICS}?op=create_bond",
          {"name": "bond7", "parents": ["{nic[id]}"], "bond_mode": "802.3ad", "bond_miimon": "100",
          "bond_lacp_rate": "fast",
           "bond_xmit_hash_policy": "layer3+4", "mtu": "1500"}, "id:int params:dict", {"type": "bond",
           "parents": "spare0"}),
    Check("network_interface_bridge", "POST", f"{NICS}?op=create_bridge",
          {"name": "br7", "parent": "{nic[id]}", "bridge_type": "standard", "bridge_stp": "false", "bridge_fd": "15"},
          "id:int",
          {"type": "bridge"}),
    Check("network_interface_vlan", "POST", f"{NICS}?op=create_vlan", {"parent": "{nic[id]}", "vlan": "{vlan[id]}"},
          "id:int",
          {"type": "vlan", "vlan.id": "{vlan[id]}"}),
    Check("network_interface_link: made", "POST", f"{NIC}?op=link_subnet",
          {"mode": "STATIC", "subnet": "{subnet[id]}", "ip_address": "{net}.77", "default_gateway": "true"},
          "links[].id:int links[].mode:str links[].subnet.id:int", {"links[].ip_address": "{net}.77"}),
    Check("network_interface_link: default gateway", "POST",
          "nodes/{linked[system_id]}/interfaces/{linked[id]}/?op=set_default_gateway",
          {"link_id": "{linked[links][0][id]}"}, "id:int"),
    Check("network_interface_link: destroyed", "POST",
          "nodes/{linked[system_id]}/interfaces/{linked[id]}/?op=unlink_subnet",
          {"id": "{linked[links][0][id]}"}, "id:int", {"links": []}),
    Check("network_interface: disconnected", "POST", f"{NIC}?op=disconnect", {}, "id:int", {"links": []}),
    Check("block_device: read", "GET", DISKS, {},
          "[].id:int [].name:str [].size:int [].block_size:int [].partitions:list"),
    Check("block_device: made", "POST", f"{DISKS}?op=", {"name": "sdb", "size": "1000"}, later=DEPLOYMENT),
    Check("block_device: changed", "PUT", DISK, {"name": "sdc"}, later=DEPLOYMENT),
    Check("block_device: tagged", "POST", f"{DISK}?op=add_tag", {"tag": "ssd"}, later=DEPLOYMENT),
    Check("block_device: boot disk", "POST", f"{DISK}?op=set_boot_disk", later=DEPLOYMENT),
    Check("block_device: partitioned", "POST", f"{DISK}partitions/?op=", {"size": "1000"}, later=DEPLOYMENT),
    Check("block_device: formatted", "POST", f"{DISK}?op=format", {"fstype": "ext4"}, later=DEPLOYMENT),
    Check("instance: allocated", "POST", "machines/?op=allocate", {"hostname": "m1", "pool": "default"},
          later=DEPLOYMENT),
    Check("instance: deployed", "POST", "machines/{ready[system_id]}/?op=deploy", {"distro_series": "bookworm"},
          later=DEPLOYMENT),
    Check("instance: released", "POST", "machines/{ready[system_id]}/?op=release", {"erase": "false"},
          later=DEPLOYMENT),
    Check("machine: kernel", "PUT", "machines/{ready[system_id]}/", {"min_hwe_kernel": "hwe-22.04"}, later=DEPLOYMENT),
    Check("subnet: without reverse names", "PUT", "subnets/{subnet[id]}/", {"rdns_mode": "0"}, later=OTHER),
    Check("vm_host: read", "GET", "pods/", {}, ":list", {"": []}),
    Check("vm_host: made", "POST", "vm-hosts/?op=", {"type": "lxd"}, later=NEVER),
    Check("vm_host_machine: composed", "POST", "vm-hosts/1/?op=compose", {"cores": "1"}, later=NEVER),
]  # fmt: skip


def sent(api: Any, method: str, path: str, given: Mapping[str, Any]) -> Any:
    """As gomaasclient sends it."""
    if method in ("GET", "DELETE"):
        return api.request(method, path, query_string=given or None)
    return api.request(method, path, data=dict(given))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_call_of_the_provider(region: Region, check: Check) -> None:
    run(region, check, sent, OK)
