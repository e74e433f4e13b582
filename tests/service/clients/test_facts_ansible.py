# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ansible collection maas.maas, replayed: no archive here has it. It reads whole lists and looks in them for what
it wants, sends plain forms of parts with values as Python's `str()` makes them, and knows few status codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.service.clients.replay import DEPLOYMENT, NEVER, Check, Region, run

OK = {"GET": (200,), "POST": (200, 201), "PUT": (200,), "DELETE": (200, 204)}
MACHINE = (
    "fqdn:str hostname:str system_id:str memory:int cpu_count:int domain.id:int zone.id:int pool.id:int tag_names:list "
    "interface_set:list blockdevice_set:list status_name:str osystem:str distro_series:str hwe_kernel:str? "
    "min_hwe_kernel:str? power_type:str architecture:str"
)
VLAN = (
    "name:str id:int vid:int mtu:int dhcp_on:bool external_dhcp:str? relay_vlan:dict? space:str fabric:str "
    "fabric_id:int primary_rack:str? secondary_rack:str? resource_uri:str"
)
FABRIC = "id:int name:str class_type:str? vlans:list resource_uri:str"
SUBNET = (
    "id:int name:str cidr:str vlan.id:int gateway_ip:str? dns_servers:list managed:bool allow_dns:bool rdns_mode:int"
)
RANGE = "subnet.name:str id:int type:str start_ip:str end_ip:str"
SPACE = "id:int name:str vlans:list subnets:list resource_uri:str"
USER = "username:str email:str is_superuser:bool is_local:bool"
TAG = "name:str comment:str definition:str kernel_opts:str"
DOMAIN = "id:int name:str ttl:int? authoritative:bool is_default:bool"
NAME = "id:int fqdn:str address_ttl:int? ip_addresses[].ip:str resource_records:list"
NIC = "id:int name:str mac_address:str vlan:dict? links:list tags:list effective_mtu:int discovered:list?"
DISK = "id:int name:str size:int model:str serial:str id_path:str? block_size:int tags:list partitions:list"
BOND = "nodes/{ready[system_id]}/interfaces/{ready[interface_set][0][id]}/"
BLOCK = "nodes/{ready[system_id]}/blockdevices/{ready[blockdevice_set][0][id]}/"
POWER = {
    "power_type": "ipmi", "power_parameters_power_address": "{bmc}", "power_parameters_power_user": "maas",
    "power_parameters_power_pass": "s3cret-pass", "architecture": "amd64/generic", "mac_addresses": "{mac}",
}  # fmt: skip
CHECKS = [
    Check("machine: list", "GET", "machines/", {"hostname": "{ready[hostname]}"},
          " ".join(f"[].{each}" for each in MACHINE.split()),
          {"[].memory": 8192, "[].cpu_count": 4}),
    Check("machine: add, then it is commissioned", "POST", "machines/", {**POWER, "hostname": "a{n}",
          "pool": "{pool[name]}"}, MACHINE,
          {"status_name": "Commissioning", "pool.name": "{pool[name]}"}),
    Check("machine: read", "GET", "machines/{ready[system_id]}/", {}, MACHINE, {"status_name": "Ready"}),
    Check("machine: change", "PUT", "machines/{ready[system_id]}/",
          {"hostname": "b{n}", "zone": "{zone[name]}", "domain": "{domain[name]}", "pool": "{pool[name]}"}, MACHINE,
          {"hostname": "b{n}", "zone.id": "{zone[id]}", "domain.id": "{domain[id]}", "pool.id": "{pool[id]}"}),
    Check("machine: commission", "POST", "machines/{ready[system_id]}/?op=commission", {}, MACHINE,
          {"status_name": "Commissioning"}),
    Check("machine: remove", "DELETE", "machines/{machine[system_id]}/"),
    Check("instance: allocate", "POST", "machines/?op=allocate", {"cpu_count": 2, "mem": 1024}, later=DEPLOYMENT),
    Check("instance: deploy", "POST", "machines/{ready[system_id]}/?op=deploy", {"distro_series": "bookworm"},
          later=DEPLOYMENT),
    Check("instance: release", "POST", "machines/{ready[system_id]}/?op=release", later=DEPLOYMENT),
    Check("inventory", "GET", "machines/", {}, "[].fqdn:str [].domain.name:str [].status_name:str"),
    Check("fabric: list", "GET", "fabrics/", {}, " ".join(f"[].{each}" for each in FABRIC.split())),
    Check("fabric: add", "POST", "fabrics/", {"name": "f{n}", "description": "d"}, FABRIC, {"name": "f{n}"}),
    Check("fabric: add with class_type", "POST", "fabrics/", {"name": "c{n}", "class_type": "10g"}, FABRIC,
          {"class_type": "10g"}),
    Check("fabric: change", "PUT", "fabrics/{fabric[id]}/", {"name": "g{n}", "class_type": "1g"}, FABRIC,
          {"name": "g{n}", "class_type": "1g"}),
    Check("fabric: remove", "DELETE", "fabrics/{fabric[id]}/"),
    Check("vlan: list", "GET", "fabrics/{fabric[id]}/vlans/", {}, " ".join(f"[].{each}" for each in VLAN.split())),
    Check("vlan: add", "POST", "fabrics/{fabric[id]}/vlans/", {"vid": 20, "name": "web", "mtu": 1500,
          "space": "{space[name]}"}, VLAN,
          {"vid": 20, "space": "{space[name]}"}),
    Check("vlan: change", "PUT", "fabrics/{fabric[id]}/vlans/0/", {"mtu": 9000, "dhcp_on": False, "name": "w"}, VLAN,
          {"mtu": 9000, "dhcp_on": False}),
    Check("vlan: remove", "DELETE", "fabrics/{vlan[fabric_id]}/vlans/30/"),
    Check("subnet: list", "GET", "subnets/", {}, " ".join(f"[].{each}" for each in SUBNET.split())),
    Check("subnet: add", "POST", "subnets/",
          {"cidr": "{new_net}.0/24", "name": "s{n}", "fabric": "{fabric[id]}", "vid": 0, "gateway_ip": "{new_net}.1",
           "dns_servers": "{new_net}.2", "managed": True, "allow_dns": True, "allow_proxy": False}, SUBNET,
          {"name": "s{n}", "dns_servers": "{new_net}.2", "allow_proxy": False}),
    Check("subnet: change", "PUT", "subnets/{subnet[id]}/", {"gateway_ip": "{net}.254", "managed": False}, SUBNET,
          {"gateway_ip": "{net}.254", "managed": False}),
    Check("subnet: remove", "DELETE", "subnets/{subnet[id]}/"),
    Check("subnet_ip_range: list", "GET", "ipranges/", {}, " ".join(f"[].{each}" for each in RANGE.split())),
    Check("subnet_ip_range: add", "POST", "ipranges/",
          {"type": "dynamic", "subnet": "{subnet[id]}", "start_ip": "{net}.100", "end_ip": "{net}.200"}, RANGE,
          {"type": "dynamic"}),
    Check("subnet_ip_range: change", "PUT", "ipranges/{range[id]}/", {"end_ip": "{subnet_net}.25", "comment": "c"},
          RANGE,
          {"end_ip": "{subnet_net}.25"}),
    Check("subnet_ip_range: remove", "DELETE", "ipranges/{range[id]}/"),
    Check("space: list", "GET", "spaces/", {}, " ".join(f"[].{each}" for each in SPACE.split())),
    Check("space: add", "POST", "spaces/", {"name": "s{n}", "description": "d"}, SPACE, {"name": "s{n}"}),
    Check("space: change", "PUT", "spaces/{space[id]}/", {"name": "t{n}"}, SPACE, {"name": "t{n}"}),
    Check("space: remove", "DELETE", "spaces/{space[id]}/"),
    Check("tag: list", "GET", "tags/", {}, ":list"),
    Check("tag: add", "POST", "tags/", {"name": "t{n}", "comment": "c"}, TAG, {"name": "t{n}", "comment": "c"}),
    Check("tag: put on machines", "POST", "tags/{tag[name]}/?op=update_nodes", {"add": "{machine[system_id]}"}, "",
          {"added": 1}),
    Check("tag: machines that have it", "GET", "tags/{carrier[tag_names][0]}/?op=machines", {}, "[].fqdn:str",
          {"[].system_id": "{carrier[system_id]}"}),
    Check("tag: remove", "DELETE", "tags/{tag[name]}/"),
    Check("user: list", "GET", "users/", {}, " ".join(f"[].{each}" for each in USER.split())),
    Check("user: add", "POST", "users/", {"username": "u{n}", "email": "u@b.org", "password": "correct horse",
          "is_superuser": False},
          USER, {"username": "u{n}", "is_superuser": False}),
    Check("user: remove", "DELETE", "users/{user[username]}/"),
    Check("dns_domain: list", "GET", "domains/", {}, " ".join(f"[].{each}" for each in DOMAIN.split())),
    Check("dns_domain: add", "POST", "domains/", {"name": "d{n}.example.net", "ttl": 300, "authoritative": True},
          DOMAIN, {"ttl": 300}),
    Check("dns_domain: change", "PUT", "domains/{domain[id]}/", {"ttl": 60, "authoritative": True}, DOMAIN,
          {"ttl": 60}),
    Check("dns_domain: make it the default", "POST", "domains/{domain[id]}/?op=set_default", {}, DOMAIN,
          {"is_default": True}),
    Check("dns_domain: remove", "DELETE", "domains/{domain[id]}/"),
    Check("dns_record: add A", "POST", "dnsresources/", {"fqdn": "w.{domain[name]}", "ip_addresses": "{net}.5",
          "address_ttl": 60}, NAME,
          {"fqdn": "w.{domain[name]}", "address_ttl": 60}),
    Check("dns_record: change A", "PUT", "dnsresources/{name[id]}/", {"ip_addresses": "{net}.61"}, NAME,
          {"ip_addresses[].ip": "{net}.61"}),
    Check("dns_record: list", "GET", "dnsresources/{name[id]}/", {}, NAME),
    Check("dns_record: remove A", "DELETE", "dnsresources/{name[id]}/"),
    Check("dns_record: add TXT", "POST", "dnsresourcerecords/", {"fqdn": "t.{domain[name]}", "rrtype": "TXT",
          "rrdata": "x", "ttl": 60},
          "id:int rrtype:str rrdata:str ttl:int?", {"rrtype": "TXT"}),
    Check("dns_record: remove TXT", "DELETE", "dnsresourcerecords/{record[id]}/"),
    Check("network_interface_physical: list", "GET", "nodes/{ready[system_id]}/interfaces/", {},
          " ".join(f"[].{each}" for each in NIC.split())),
    Check("network_interface_physical: add", "POST", "nodes/{ready[system_id]}/interfaces/?op=create_physical",
          {"mac_address": "{new_mac}", "name": "eth7", "vlan": "{fabric[vlans][0][id]}", "mtu": 1500, "tags": "a,b"},
          NIC,
          {"name": "eth7", "tags": ["a", "b"]}),
    Check("network_interface_physical: change", "PUT", BOND, {"name": "eth8", "mtu": 1400}, NIC, {"name": "eth8",
          "effective_mtu": 1400}),
    Check("network_interface_physical: remove", "DELETE", "nodes/{nic[system_id]}/interfaces/{nic[id]}/"),
    Check("network_interface_link: link", "POST", f"{BOND}?op=link_subnet",
          {"mode": "STATIC", "subnet": "{subnet[id]}", "ip_address": "{net}.9", "default_gateway": True}, NIC,
          {"links[].ip_address": "{net}.9"}),
    Check("network_interface_link: unlink", "POST",
          "nodes/{linked[system_id]}/interfaces/{linked[id]}/?op=unlink_subnet",
          {"id": "{linked[links][0][id]}"}, NIC, {"links": []}),
    Check("block_device: list", "GET", "nodes/{ready[system_id]}/blockdevices/", {},
          " ".join(f"[].{each}" for each in DISK.split())),
    Check("block_device: read", "GET", BLOCK, {}, DISK, {"name": "sda"}),
    Check("block_device: add", "POST", "nodes/{ready[system_id]}/blockdevices/", {"name": "sdb"}, later=DEPLOYMENT),
    Check("block_device: change", "PUT", BLOCK, {"name": "sdb"}, later=DEPLOYMENT),
    Check("block_device: add a tag", "POST", f"{BLOCK}?op=add_tag", {"tag": "ssd"}, later=DEPLOYMENT),
    Check("block_device: make it the boot disk", "POST", f"{BLOCK}?op=set_boot_disk", later=DEPLOYMENT),
    Check("block_device: partitions", "POST", f"{BLOCK}partitions/", {"size": 1000}, later=DEPLOYMENT),
    Check("vm_host: list", "GET", "vm-hosts/", {}, ":list", {"": []}),
    Check("vm_host: add", "POST", "vm-hosts/", {"type": "lxd"}, later=NEVER),
    Check("vm_host_machine: compose", "POST", "vm-hosts/1/?op=compose", {"cores": 2}, later=NEVER),
    Check("boot_resources_info: list", "GET", "boot-resources/", {},
          "[].id:int [].name:str [].architecture:str [].type:str"),
]  # fmt: skip


def sent(api: Any, method: str, path: str, given: Mapping[str, Any]) -> Any:
    """As the collection sends it."""
    if method in ("GET", "DELETE") or not given:
        return api.request(method, path, query_string=given or None)
    return api.request(
        method, path, data={name: str(value) for name, value in given.items()}, content_type="multipart/form-data"
    )


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_call_of_the_collection(region: Region, check: Check) -> None:
    run(region, check, sent, OK)
