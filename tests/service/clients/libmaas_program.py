# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator's program does with python-libmaas: run by the Python of a virtual environment that has it, and by
nothing of ours. Arguments: URL and API key. It prints what it has seen as JSON."""

from __future__ import annotations

import base64
import io
import json
import sys
from typing import Any

from maas.client import connect, login
from maas.client.bones.helpers import RemoteError
from maas.client.enum import InterfaceType, LinkMode

url, key = sys.argv[1:]
client = connect(url, apikey=key)
seen: dict[str, Any] = {"before": [machine.hostname for machine in client.machines.list()]}

fabric = client.fabrics.create(name="lab", description="of a client")
vlan = fabric.vlans.get_default()
subnet = client.subnets.create("10.20.0.0/24", vlan, name="pxe-a", gateway_ip="10.20.0.1")
seen["fabrics"] = [known.name for known in client.fabrics.list()]
seen["vlans"] = [[known.vid, known.name, known.mtu] for known in client.fabrics.get(fabric.id).vlans]
seen["subnets"] = [[known.name, known.cidr, known.vlan.id == vlan.id] for known in client.subnets.list()]
subnet.name = "pxe-b"
subnet.save()
seen["subnet"] = client.subnets.get(subnet.id).name

zone = client.zones.create("east", description="of a client")
pool = client.resource_pools.create("web")
seen["zones"] = [[known.name, known.description] for known in client.zones.list()]
seen["pools"] = [[known.id, known.name] for known in client.resource_pools.list()]

domain = client.domains.create("lab.example.org", ttl=60)
seen["domains"] = [[known.id, known.name] for known in client.domains.list()]
domain.name = "lab.example.net"
domain.save()
seen["domain"] = client.domains.get(domain.id).name
domain.delete()

space = client.spaces.create(name="dmz", description="of a client")
tagged = fabric.vlans.create(20, name="web", space=space)
seen["tagged"] = [tagged.vid, tagged.space.name]
seen["spaces"] = [[known.name, [on.vid for on in known.vlans]] for known in client.spaces.list()]
seen["space"] = client.spaces.get(space.id).name
client.spaces.get(space.id).delete()
seen["defaults"] = [client.fabrics.get_default().id == fabric.id, client.spaces.get_default().name]
seen["undefined"] = [[on.vid for on in known.vlans] for known in client.spaces.list()]

store = client.subnets.create("10.99.0.0/16", vlan, name="store")
route = client.static_routes.create(store, subnet, "10.20.0.254", 5)
seen["routes"] = [[known.source.name, known.destination.name] for known in client.static_routes.list()]
route = client.static_routes.get(route.id)
seen["route"] = [route.gateway_ip, route.metric]
route.delete()
seen["no routes"] = len(client.static_routes.list())

power = {"power_address": "172.16.0.11", "power_user": "maas", "power_pass": "s3cret-pass"}
made = client.machines.create("amd64/generic", ["52:54:00:20:01:01"], "ipmi", power, hostname="m1")
machine = client.machines.get(made.system_id)
seen["machine"] = [machine.hostname, machine.fqdn, machine.architecture, machine.status_name, machine.power_type]
seen["interfaces"] = [nic.mac_address for nic in machine.interfaces]
seen["power"] = machine.get_power_parameters()["power_address"]
seen["in"] = [machine.zone.name, machine.pool.name]
machine.zone = zone
machine.pool = pool
machine.hostname = "m2"
machine.save()
seen["after"] = [known.hostname for known in client.machines.list()]
seen["found"] = [known.hostname for known in client.machines.list(hostnames=["m2", "m3"])]
seen["whoami"] = client.users.whoami().username
moved = client.machines.get(made.system_id)
seen["then in"] = [moved.zone.name, moved.pool.name]
person = client.users.create("ann", "correct horse", email="ann@example.org", is_admin=True)
seen["person"] = [person.username, person.email, person.is_admin]
theirs = login(url, username="ann", password="correct horse")
seen["login"] = [theirs.users.whoami().username, [known.username for known in theirs.users.list()]]
seen["again"] = login(url, username="ann", password="correct horse").users.whoami().username
seen["still"] = theirs.users.whoami().username
try:
    login(url, username="ann", password="wrong horse")
except RemoteError as error:
    seen["wrong"] = str(error).rpartition(" -> ")[2]
public = client.ssh_keys.create("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMo+9BHWzjF8JkD2crhjL3OxxtO+V1aaQQGGjqyamTs8 ann")
seen["ssh_keys"] = [[known.id == public.id, known.key == public.key] for known in client.ssh_keys.list()]
seen["ssh_key"] = [client.ssh_keys.get(public.id).key == public.key, len(theirs.ssh_keys.list())]

tag = client.tags.create("gpu", comment="has an accelerator", definition="", kernel_opts="iommu=pt")
seen["tag"] = [tag.name, tag.comment, tag.definition, tag.kernel_opts]
seen["tags"] = [known.name for known in client.tags.list()]
machine.tags.add(tag)
seen["has tags"] = [known.name for known in client.machines.get(machine.system_id).tags]
machine.tags.remove(tag)
seen["bare"] = [known.name for known in client.machines.get(machine.system_id).tags]
client.tags.get("gpu").delete()
seen["tags_left"] = len(client.tags.list())

known = client.machines.list(hostnames=["m00001"])[0]
known.lock(comment="in use")
seen["locked"] = [known.locked, client.machines.get(known.system_id).locked]
known.unlock()
seen["unlocked"] = known.locked
known.mark_broken(comment="fan 3 is loud")
seen["broken"] = [known.status_name, known.status_message]
known.mark_fixed()
seen["fixed"] = known.status_name
known.owner_data["team"] = "storage"
known.save()
seen["owner_data"] = client.machines.get(known.system_id).owner_data

nic = machine.interfaces[0]
kept = nic.links.create(LinkMode.STATIC, subnet=subnet, ip_address="10.20.0.50")
seen["link"] = [kept.mode.value, kept.ip_address, kept.subnet.name]
chosen = nic.links.create(LinkMode.AUTO, subnet=subnet)
seen["chosen"] = chosen.ip_address
kept.delete()
nic.name = "front0"
nic.tags = ["fast"]
nic.save()
second = machine.interfaces.create(name="back0", mac_address="52:54:00:20:01:02", vlan=subnet.vlan)
bond = machine.interfaces.create(InterfaceType.BOND, name="bond0", parents=[second], bond_mode="802.3ad")
machine.interfaces.create(InterfaceType.BRIDGE, name="br0", parent=bond)
shown = {each.name: each for each in client.machines.get(machine.system_id).interfaces}
seen["nics"] = sorted([each.name, each.type.value, [up.name for up in each.parents]] for each in shown.values())
seen["front0"] = [shown["front0"].tags, [each.ip_address for each in shown["front0"].links]]
shown["br0"].delete()
shown["front0"].disconnect()
seen["disconnected"] = len(client.machines.get(machine.system_id).interfaces.by_name["front0"].links)
lab = client.domains.create("lab.example.org")
made = client.devices.create(["52:54:00:30:00:01"], hostname="sw1", domain=lab.id, zone=zone)
switch = client.devices.get(made.system_id)
seen["device"] = [switch.fqdn, switch.zone.name, switch.node_type.name, [nic.name for nic in switch.interfaces]]
client._origin.Interfaces.create(switch, name="mgmt0", mac_address="52:54:00:30:00:02")
seen["device's"] = [[nic.name, nic.mac_address] for nic in client.devices.get(made.system_id).interfaces]
client.devices.get(made.system_id).interfaces.by_name["mgmt0"].delete()
switch.hostname = "sw2"
switch.save()
client.devices.create(["52:54:00:30:00:03"])
seen["devices"] = [known.fqdn for known in client.devices.list(hostnames=["sw2"])]
seen["device has"] = [nic.mac_address for nic in client.devices.get(made.system_id).interfaces]
for known in client.devices.list():
    known.delete()
seen["devices left"] = len(client.devices.list())
lab.delete()

# The objects of the library only list files; what it is made of has the rest.
calls, content = client._origin.session, bytes(range(256))
calls.Files.create(filename="state", file=content)
seen["files"] = [known.filename for known in client.files.list()]
read = calls.File.read(filename="state")
seen["file"] = [calls.Files.get(filename="state") == content, base64.b64decode(read["content"]) == content]
seen["by key"] = calls.Files.get_by_key(key=read["anon_resource_uri"].partition("&key=")[2]) == content
calls.File.delete(filename="state")
seen["files left"] = len(client.files.list())
content = bytes(range(256)) * 40_000  # more than two chunks of libmaas
progress: list[float] = []
image = client.boot_resources.create(
    "custom/web", "amd64/generic", io.BytesIO(content), title="Web", progress_callback=progress.append
)
seen["image"] = [image.name, image.architecture, image.type, image.subarches, len(progress), progress[-1]]
(upload,) = image.sets.values()
(file,) = upload.files.values()
seen["image file"] = [upload.label, upload.complete, file.filetype, file.size, file.complete]
progress.clear()
again = client.boot_resources.create("custom/web", "amd64/generic", io.BytesIO(content))
seen["image again"] = [again.id == image.id, len(progress)]
seen["images"] = [known.name for known in client.boot_resources.list()]
client.boot_resources.get(image.id).delete()
seen["images left"] = len(client.boot_resources.list())

repositories = calls.PackageRepositories
vendor = repositories.create(name="vendor", url="https://packages.example.org/debian", components=["main", "tools"])
calls.PackageRepository.update(id=vendor["id"], enabled=False)
seen["repositories"] = [[known["name"], known["components"], known["enabled"]] for known in repositories.read()]
calls.PackageRepository.delete(id=vendor["id"])
mac = client.machines.get(machine.system_id).interfaces[0].mac_address
seen["registered"] = [calls.Machines.is_registered(mac_address=each) for each in (mac, "52:54:00:99:99:99")]
seen["allocated"] = calls.Machines.list_allocated()
seen["power types"] = [known["name"] for known in calls.RackControllers.describe_power_types()]
vip = calls.IPAddresses.reserve(subnet="pxe-b", hostname="vip")
same = [known["ip"] for known in calls.IPAddresses.read(ip=vip["ip"])] == [vip["ip"]]
calls.IPAddresses.release(ip=vip["ip"])
seen["address"] = [vip["alloc_type_name"], vip["subnet"]["name"], same, calls.IPAddresses.read()]
calls.Nodes.set_zone(nodes=[machine.system_id], zone="default")
seen["back in"] = client.machines.get(machine.system_id).zone.name

machine.delete()
zone.delete()
pool.delete()
seen["groups left"] = [client.zones.get("default").name, client.resource_pools.get(0).name]
seen["left"] = len(client.machines.list())
print(json.dumps(seen))
