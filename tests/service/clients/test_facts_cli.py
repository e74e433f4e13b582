# SPDX-License-Identifier: GPL-3.0-or-later
"""The `maas` command line of MAAS 3.4, replayed: neither Debian nor PyPI has it. Its commands are what `describe/` has,
by names that it makes itself, and what it sends with POST and PUT is a form of parts in base64."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from typing import Any

import pytest

from tests.service.clients.replay import DEPLOYMENT, NEVER, OTHER, SCRIPTS, Check, Region, run

OK = {"GET": (200,), "POST": (200, 201, 204), "PUT": (200,), "DELETE": (204,)}
NIC = "{ready[system_id]} {ready[interface_set][0][id]}"
GROUP = "id:int name:str description:str resource_uri:str"
VLAN = "id:int vid:int name:str mtu:int dhcp_on:bool fabric:str fabric_id:int resource_uri:str"
MACHINE = "system_id:str hostname:str fqdn:str status_name:str power_state:str zone.name:str pool.name:str"
NEW = {
    "hostname": "new{n}", "architecture": "amd64/generic", "mac_addresses": "{mac}", "power_type": "ipmi",
    "power_parameters": '{{"power_address": "{bmc}", "power_user": "maas", "power_pass": "s3cret-pass"}}',
}  # fmt: skip
# A command with the ids that it names, what it is given, what is read of the answer, which values that has.
COMMANDS: list[tuple[str, Mapping[str, Any], str, Mapping[str, Any]]] = [
    ("version read", {}, "version:str capabilities:list subversion:str", {}),
    ("users whoami", {}, "username:str is_superuser:bool email:str", {"username": "admin"}),
    ("users read", {}, "[].username:str [].is_local:bool", {}),
    ("users create", {"username": "ann{n}", "email": "a@b.org", "password": "correct horse", "is_superuser": "1"},
     "username:str email:str", {"username": "ann{n}", "is_superuser": True}),
    ("user read {user[username]}", {}, "email:str", {"username": "{user[username]}"}),
    ("user delete {user[username]}", {}, "", {}),
    ("account create-authorisation-token", {"name": "laptop"}, "token_key:str token_secret:str consumer_key:str",
     {"name": "laptop"}),
    ("account list-authorisation-tokens", {}, "[].name:str [].token:str", {}),
    ("account delete-authorisation-token", {"token_key": "{token[token_key]}"}, "", {}),
    ("sshkeys create", {"key": "ssh-ed25519 {public} a"}, "id:int key:str keysource:str", {}),
    ("sshkey read {key[id]}", {}, "key:str", {"id": "{key[id]}"}),
    ("sshkey delete {key[id]}", {}, "", {}),
    ("boot-resources create", {"name": "custom/x{n}", "architecture": "amd64/generic", "filetype": "tgz", "title": "X",
                               "sha256": "0" * 64, "size": "9"}, "id:int sets:dict type:str", {"name": "custom/x{n}"}),
    ("machines read", {"hostname": "{ready[hostname]}"}, f"[].system_id:str [].{MACHINE.split()[2]}",
     {"[].hostname": "{ready[hostname]}"}),
    ("machines read", {"zone": "default", "tags": "", "pool": "default",
     "mac_address": "{machine[interface_set][0][mac_address]}"},
     "[].system_id:str", {"[].system_id": "{machine[system_id]}"}),
    ("machines create", NEW | {"commission": "false"}, MACHINE, {"hostname": "new{n}", "status_name": "New"}),
    ("machines create", NEW, MACHINE, {"hostname": "new{n}", "status_name": "Commissioning"}),
    ("machines power-parameters", {"id": "{machine[system_id]}"}, "", {"{machine[system_id]}.power_user": "maas"}),
    ("machines list-allocated", {}, ":list", {}),
    ("machines accept", {"machines": "{stranger[system_id]}"}, "[].system_id:str",
     {"[].system_id": "{stranger[system_id]}"}),
    ("machines accept-all", {}, ":list", {}),
    ("machines is-registered", {"mac_address": "{machine[interface_set][0][mac_address]}"}, ":bool", {"": True}),
    ("machines set-zone", {"nodes": ["{machine[system_id]}"], "zone": "{zone[name]}"}, "", {}),
    ("machine read {ready[system_id]}", {}, MACHINE, {"status_name": "Ready"}),
    ("machine update {machine[system_id]}",
     {"hostname": "b{n}", "zone": "{zone[name]}", "pool": "{pool[name]}", "domain": "{domain[name]}",
     "description": "x"},
     MACHINE, {"hostname": "b{n}", "zone.name": "{zone[name]}", "pool.name": "{pool[name]}",
     "domain.name": "{domain[name]}",
               "description": "x"}),
    ("machine delete {machine[system_id]}", {}, "", {}),
    ("machine commission {ready[system_id]}", {"skip_networking": "1", "skip_storage": "1"}, MACHINE,
     {"status_name": "Commissioning"}),
    ("machine abort {commissioning[system_id]}", {"comment": "no"}, MACHINE, {}),
    ("machine test {ready[system_id]}", {}, MACHINE, {"status_name": "Testing"}),
    ("machine override-failed-testing {untrusted[system_id]}", {"comment": "x"}, MACHINE, {"status_name": "Ready"}),
    ("machine power-on {ready[system_id]}", {}, MACHINE, {}),
    ("machine power-off {ready[system_id]}", {"stop_mode": "hard"}, MACHINE, {}),
    ("machine query-power-state {ready[system_id]}", {}, "state:str", {"state": "on"}),
    ("machine power-parameters {ready[system_id]}", {}, "power_address:str", {"power_address": "{bmc}"}),
    ("machine set-owner-data {ready[system_id]}", {"team": "storage"}, "owner_data:dict",
     {"owner_data.team": "storage"}),
    ("machine set-workload-annotations {ready[system_id]}", {"app": "db"}, "", {"workload_annotations.app": "db"}),
    ("machine lock {ready[system_id]}", {"comment": "in use"}, MACHINE, {"locked": True}),
    ("machine unlock {locked[system_id]}", {}, MACHINE, {"locked": False}),
    ("machine mark-broken {ready[system_id]}", {"comment": "fan"}, MACHINE, {"status_name": "Broken"}),
    ("machine mark-fixed {broken[system_id]}", {}, MACHINE, {"status_name": "Ready"}),
    ("machine clear-default-gateways {ready[system_id]}", {}, MACHINE, {}),
    ("nodes read", {"hostname": "{machine[hostname]}"}, "[].system_id:str [].node_type:int", {}),
    ("node read {machine[system_id]}", {}, "system_id:str node_type_name:str", {"node_type_name": "Machine"}),
    ("interfaces read {ready[system_id]}", {}, "[].id:int [].mac_address:str [].type:str [].links:list", {}),
    ("interfaces create-physical {ready[system_id]}", {"mac_address": "{new_mac}", "name": "back0"},
     "id:int vlan:dict?", {"mac_address": "{new_mac}", "name": "back0"}),
    ("interfaces create-bond {ready[system_id]}", {"name": "bond0", "parents": ["{ready[interface_set][0][id]}"]},
     "id:int parents:list", {"type": "bond"}),
    ("interfaces create-bridge {ready[system_id]}", {"name": "br0", "parent": "{ready[interface_set][0][id]}"},
     "id:int",
     {"type": "bridge"}),
    (f"interface read {NIC}", {}, "id:int resource_uri:str effective_mtu:int enabled:bool tags:list", {}),
    (f"interface update {NIC}", {"name": "front0"}, "id:int", {"name": "front0"}),
    ("interface delete {nic[system_id]} {nic[id]}", {}, "", {}),
    (f"interface link-subnet {NIC}", {"mode": "STATIC", "subnet": "{subnet[id]}", "ip_address": "{net}.40"},
     "links[].id:int links[].mode:str links[].subnet.cidr:str", {"links[].ip_address": "{net}.40"}),
    ("interface unlink-subnet {linked[system_id]} {linked[id]}", {"id": "{linked[links][0][id]}"}, "id:int",
     {"links": []}),
    ("interface disconnect {linked[system_id]} {linked[id]}", {}, "id:int", {"links": []}),
    ("interface set-default-gateway {linked[system_id]} {linked[id]}", {"link_id": "{linked[links][0][id]}"}, "id:int",
     {}),
    (f"interface add-tag {NIC}", {"tag": "uplink"}, "id:int", {"tags": "uplink"}),
    ("interface remove-tag {tagged[system_id]} {tagged[id]}", {"tag": "uplink"}, "id:int", {"tags": []}),
    ("block-devices read {ready[system_id]}", {}, "[].id:int [].name:str [].size:int [].block_size:int [].tags:list",
     {}),
    ("block-device read {ready[system_id]} {ready[blockdevice_set][0][id]}", {}, "id:int path:str model:str",
     {"name": "sda"}),
    ("node-script-results read {commissioning[system_id]}", {}, "[].id:int [].results[].name:str", {}),
    ("fabrics create", {"name": "f{n}", "description": "d"}, "id:int vlans[].id:int resource_uri:str",
     {"name": "f{n}"}),
    ("fabric update {fabric[id]}", {"name": "g{n}"}, "id:int", {"name": "g{n}"}),
    ("fabric delete {fabric[id]}", {}, "", {}),
    ("vlans create {fabric[id]}", {"vid": "20", "name": "web", "mtu": "9000"}, VLAN, {"vid": 20, "mtu": 9000}),
    ("vlans read {fabric[id]}", {}, "[].id:int [].vid:int", {}),
    ("vlan update {fabric[id]} 0", {"space": "{space[name]}", "mtu": "1400"}, VLAN, {"space": "{space[name]}",
     "mtu": 1400}),
    ("vlan delete {vlan[fabric_id]} 30", {}, "", {}),
    ("subnets create", {"cidr": "{new_net}.0/24", "vlan": "{fabric[vlans][0][id]}", "gateway_ip": "{new_net}.1",
                        "dns_servers": ["{new_net}.2", "{new_net}.3"]},
     "id:int vlan.id:int space:str managed:bool", {"cidr": "{new_net}.0/24", "dns_servers": ["{new_net}.2",
     "{new_net}.3"]}),
    ("subnet read {subnet[cidr]}", {}, "id:int cidr:str", {"id": "{subnet[id]}"}),
    ("subnet update {subnet[id]}", {"gateway_ip": "{net}.1", "managed": "0", "allow_dns": "false"}, "id:int",
     {"gateway_ip": "{net}.1", "managed": False, "allow_dns": False}),
    ("subnet statistics {subnet[id]}", {}, "num_available:int num_unavailable:int usage_string:str", {}),
    ("subnet ip-addresses {linked[links][0][subnet][id]}", {}, "[].ip:str [].alloc_type:int", {"[].ip": "{net}.50"}),
    ("subnet unreserved-ip-ranges {subnet[id]}", {}, "[].start:str [].end:str [].num_addresses:int", {}),
    ("subnet delete {subnet[id]}", {}, "", {}),
    ("ipranges create", {"type": "reserved", "start_ip": "{subnet_net}.30", "end_ip": "{subnet_net}.40",
     "comment": "x"},
     "id:int subnet.name:str", {"type": "reserved", "comment": "x"}),
    ("iprange update {range[id]}", {"comment": "y"}, "id:int", {"comment": "y"}),
    ("iprange delete {range[id]}", {}, "", {}),
    ("ipaddresses reserve", {"subnet": "{subnet[cidr]}"}, "ip:str alloc_type_name:str subnet.id:int", {}),
    ("ipaddresses release", {"ip": "{address[ip]}"}, "", {}),
    ("static-routes create", {"source": "{subnet[cidr]}", "destination": "{far[cidr]}", "gateway_ip": "{net}.254"},
     "id:int metric:int source.cidr:str", {"gateway_ip": "{net}.254"}),
    ("spaces create", {"name": "s{n}"}, "id:int vlans:list subnets:list resource_uri:str", {"name": "s{n}"}),
    ("space delete {space[id]}", {}, "", {}),
    ("zones create", {"name": "z{n}", "description": "d"}, GROUP, {"name": "z{n}", "description": "d"}),
    ("zone update {zone[name]}", {"description": "e"}, GROUP, {"description": "e"}),
    ("zone delete {zone[name]}", {}, "", {}),
    ("resource-pools create", {"name": "p{n}"}, GROUP, {"name": "p{n}"}),
    ("resource-pool read {pool[id]}", {}, GROUP, {"name": "{pool[name]}"}),
    ("tags create", {"name": "t{n}", "definition": "//node[@class='display']", "kernel_opts": "quiet"},
     "name:str comment:str resource_uri:str", {"definition": "//node[@class='display']", "kernel_opts": "quiet"}),
    ("tag update-nodes {tag[name]}", {"add": ["{machine[system_id]}"]}, "", {"added": 1, "removed": 0}),
    ("tag machines {carrier[tag_names][0]}", {}, "[].fqdn:str", {"[].system_id": "{carrier[system_id]}"}),
    ("tag delete {tag[name]}", {}, "", {}),
    ("domains create", {"name": "d{n}.example.net", "ttl": "60"}, "id:int is_default:bool resource_record_count:int",
     {"name": "d{n}.example.net", "ttl": 60, "authoritative": True}),
    ("domain delete {domain[id]}", {}, "", {}),
    ("dnsresources create", {"fqdn": "www.{domain[name]}", "ip_addresses": "{new_net}.70"},
     "id:int address_ttl:int? resource_records:list", {"fqdn": "www.{domain[name]}",
     "ip_addresses[].ip": "{new_net}.70"}),
    ("dnsresource-records create", {"fqdn": "m.{domain[name]}", "rrtype": "MX", "rrdata": "10 mail.example.org."},
     "id:int ttl:int?", {"rrtype": "MX"}),
    ("dnsresource delete {name[id]}", {}, "", {}),
    ("devices create", {"hostname": "sw{n}", "mac_addresses": ["{new_mac}"], "parent": "{ready[system_id]}"},
     "system_id:str interface_set[].id:int node_type:int", {"hostname": "sw{n}", "parent": "{ready[system_id]}"}),
    ("device delete {device[system_id]}", {}, "", {}),
    ("files create", {"filename": "state{n}", "file": "content"}, "", {}),
    ("file read {file[filename]}", {}, "filename:str content:str", {}),
    ("rack-controllers read", {}, "[].system_id:str [].service_set:list [].power_type:str [].cpu_count:int", {}),
    ("rack-controllers describe-power-types", {}, "[].name:str [].fields:list [].description:str", {}),
    ("region-controllers read", {}, "[].system_id:str [].node_type:int [].version:str", {}),
    ("events query", {"limit": "5", "level": "DEBUG"}, "count:int events:list next_uri:str prev_uri:str", {}),
    ("boot-resources read", {}, "[].id:int [].name:str [].type:str [].architecture:str", {}),
    ("boot-resources is-importing", {}, ":bool", {"": False}),
    ("boot-sources read", {}, ":list", {"": []}),
    ("vm-hosts read", {}, ":list", {"": []}),
    ("license-keys read", {}, ":list", {"": []}),
    ("node-scripts create", {"name": "s{n}", "script": "#!/bin/sh", "type": "testing", "timeout": "60"},
     "id:int history:list tags:list parameters:dict", {"name": "s{n}", "type": 2, "timeout": "0:01:00"}),
    ("node-scripts read", {"filters": "20-cpu"}, "[].name:str [].type:int [].default:bool", {}),
    ("machine commission {ready[system_id]}", {"testing_scripts": "none", "commissioning_scripts": "none"},
     "system_id:str", {"status_name": "Commissioning"}),
    ("package-repositories create", {"name": "v{n}", "url": "https://deb.example.org/x", "components": ["main"]},
     "id:int arches:list enabled:bool", {"name": "v{n}", "components": "main"}),
    ("package-repository update {repository[id]}", {"enabled": "0"}, "id:int", {"enabled": False}),
    ("dhcpsnippets create", {"name": "x{n}", "value": "option time-offset 0;", "subnet": "{subnet[id]}"},
     "id:int value:str history:list", {"name": "x{n}", "subnet.id": "{subnet[id]}"}),
    ("notifications create", {"message": "hello", "admins": "1"}, "id:int category:str", {"message": "hello"}),
    ("notification dismiss {notice[id]}", {}, "", {}),
    ("maas get-config", {"name": "maas_name"}, ":str", {}),
    ("maas set-config", {"name": "keep_boots", "value": "7"}, "", {}),
]  # fmt: skip
# What MAAS's description has and this one has not: method and place, by MAAS's table.
LATER = [
    Check(f"{command} {path}", method, path, {"x": "y"} if method != "GET" else {}, later=later)
    for later, command, method, path in (
        (SCRIPTS, "commissioning-scripts read", "GET", "commissioning-scripts/"),
        (SCRIPTS, "discoveries read", "GET", "discovery/"),
        (DEPLOYMENT, "machines allocate", "POST", "machines/?op=allocate"),
        (DEPLOYMENT, "machines release", "POST", "machines/?op=release"),
        (DEPLOYMENT, "machine deploy", "POST", "machines/{ready[system_id]}/?op=deploy"),
        (DEPLOYMENT, "machine release", "POST", "machines/{ready[system_id]}/?op=release"),
        (DEPLOYMENT, "machine rescue-mode", "POST", "machines/{ready[system_id]}/?op=rescue_mode"),
        (DEPLOYMENT, "machine set-storage-layout", "POST", "machines/{ready[system_id]}/?op=set_storage_layout"),
        (DEPLOYMENT, "machine get-curtin-config", "GET", "machines/{ready[system_id]}/?op=get_curtin_config"),
        (DEPLOYMENT, "block-device format", "POST",
         "nodes/{ready[system_id]}/blockdevices/{ready[blockdevice_set][0][id]}/?op=format"),
        (DEPLOYMENT, "partitions read", "GET",
         "nodes/{ready[system_id]}/blockdevices/{ready[blockdevice_set][0][id]}/partitions/"),
        (DEPLOYMENT, "raids create", "POST", "nodes/{ready[system_id]}/raids/"),
        (DEPLOYMENT, "volume-groups read", "GET", "nodes/{ready[system_id]}/volume-groups/"),
        (NEVER, "machine get-token", "GET", "machines/{ready[system_id]}/?op=get_token"),
        (NEVER, "boot-resources import", "POST", "boot-resources/?op=import"),
        (NEVER, "boot-sources create", "POST", "boot-sources/"),
        (NEVER, "vm-hosts create", "POST", "vm-hosts/"),
        (NEVER, "license-keys create", "POST", "license-keys/"),
    )
] + [
    Check(f"{command} {name}", method, path, {name: value}, later=later)
    for later, command, method, path, name, value in (
        (SCRIPTS, "machine commission", "POST", "machines/{ready[system_id]}/?op=commission", "enable_ssh", "1"),
        (DEPLOYMENT, "machines read", "GET", "machines/", "agent_name", "of-a-model"),
        (DEPLOYMENT, "machines read", "GET", "machines/", "storage", "root:10"),
        (DEPLOYMENT, "machine update", "PUT", "machines/{ready[system_id]}/", "swap_size", "1"),
        (DEPLOYMENT, "machine update", "PUT", "machines/{ready[system_id]}/", "min_hwe_kernel", "hwe-22.04"),
        (OTHER, "subnet update", "PUT", "subnets/{subnet[id]}/", "rdns_mode", "0"),
        (OTHER, "subnet update", "PUT", "subnets/{subnet[id]}/", "active_discovery", "1"),
        (OTHER, "subnet update", "PUT", "subnets/{subnet[id]}/", "disabled_boot_architectures", "pxe"),
        (OTHER, "vlan update", "PUT", "fabrics/{fabric[id]}/vlans/0/", "fabric", "boot"),
    )
]  # fmt: skip


def sent(api: Any, method: str, path: str, given: Mapping[str, Any]) -> Any:
    """As the command line sends it: what GET and DELETE say is in the URL."""
    pairs = [(name, each) for name, value in given.items() for each in (value if isinstance(value, list) else [value])]
    if method in ("GET", "DELETE"):
        place, _, query = path.partition("?")
        return api.request(
            method, place, query_string=[*(part.split("=") for part in query.split("&") if part), *pairs]
        )
    if not pairs:
        return api.request(method, path)
    form = MIMEMultipart("form-data", boundary="the-boundary")
    for name, value in pairs:
        part = MIMEText(value, "plain", "utf-8")
        part.add_header("Content-Disposition", "form-data", name=name)
        form.attach(part)
    body = form.as_bytes().partition(b"\n\n")[2].replace(b"\n", b"\r\n")
    return api.request(method, path, data=body, content_type="multipart/form-data; boundary=the-boundary")


def dashed(name: str) -> str:
    """A name of the description as the command line has it."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name.removesuffix("Handler")).replace("_", "-").lower()


def check_of(region: Region, command: tuple[str, Mapping[str, Any], str, Mapping[str, Any]]) -> Check:
    """The call of a command: by the description alone."""
    words, given, reads, shows = command
    resource, action, *ids = words.split()
    (part, known) = next(
        (part, known)
        for part in region.described
        if dashed(part["name"]) == resource
        for known in part["actions"]
        if dashed(known["name"]) == action
    )
    assert len(ids) == len(part["params"])
    path = part["path"].removeprefix("/MAAS/api/2.0/")
    for name, text in zip(part["params"], ids, strict=True):
        path = path.replace("{" + name + "}", text)
    return Check(words, known["method"], path + (f"?op={known['op']}" if known["op"] else ""), given, reads, shows)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_command_works(region: Region, command: tuple[str, Mapping[str, Any], str, Mapping[str, Any]]) -> None:
    run(region, check_of(region, command), sent, OK)


@pytest.mark.parametrize("check", LATER, ids=lambda check: check.name)
def test_command_of_what_is_not_here_is_refused_in_words(region: Region, check: Check) -> None:
    run(region, check, sent, OK)
