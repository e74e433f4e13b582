# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator's program does with python-libmaas: run by the Python of a virtual environment that has it, and by
nothing of ours. Arguments: URL and API key of a site that has one Ready machine and one fabric. It prints as JSON what
each of its checks, by the handlers and actions that it asks for, has come to: "passed", or what was seen instead."""

from __future__ import annotations

import base64
import importlib
import io
import json
from functools import partial
from typing import Any

from libmaas_checks import calls, check, client, it, outcomes, url
from maas.client import login
from maas.client.bones.helpers import RemoteError

for part in ("libmaas_networks", "libmaas_machines"):
    importlib.import_module(part)


@check("Users.create, read", ["ann", "ann@example.org", True])
def _() -> Any:
    person = client.users.create("ann", "correct horse", email="ann@example.org", is_admin=True)
    return [person.username, person.email, person.is_admin]


@check("login with a password", [["ann", ["admin", "ann"]], "ann", "ann"])
def _() -> Any:
    it.theirs = login(url, username="ann", password="correct horse")
    first = [it.theirs.users.whoami().username, [known.username for known in it.theirs.users.list()]]
    again = login(url, username="ann", password="correct horse").users.whoami().username
    return [first, again, it.theirs.users.whoami().username]


@check("login with a wrong password", "403 FORBIDDEN")
def _() -> Any:
    try:
        login(url, username="ann", password="wrong horse")
    except RemoteError as error:
        return str(error).rpartition(" -> ")[2]


@check("Account.create_authorisation_token, delete_authorisation_token", [1, 0])
def _() -> Any:
    made = client.account.create_credentials()
    count = [len([each for each in calls.Account.list_authorisation_tokens() if made.token_key in each["token"]])]
    client.account.delete_credentials(made)
    return [
        *count,
        len([each for each in calls.Account.list_authorisation_tokens() if made.token_key in each["token"]]),
    ]


@check("SSHKeys.create, read, SSHKey.read, delete", [[True], True, 0, 0])
def _() -> Any:
    public = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMo+9BHWzjF8JkD2crhjL3OxxtO+V1aaQQGGjqyamTs8 ann"
    made = client.ssh_keys.create(public)
    listed = [known.key == public for known in client.ssh_keys.list()]
    read, others = client.ssh_keys.get(made.id).key == public, len(it.theirs.ssh_keys.list())
    calls.SSHKey.delete(id=made.id)
    return [listed, read, others, len(client.ssh_keys.list())]


@check("Files.create, read, get, get_by_key, File.read, delete", [["state"], True, True, True, 0])
def _() -> Any:
    content = bytes(range(256))
    calls.Files.create(filename="state", file=content)
    listed = [known.filename for known in client.files.list()]
    read = calls.File.read(filename="state")
    same = [calls.Files.get(filename="state") == content, base64.b64decode(read["content"]) == content]
    by_key = calls.Files.get_by_key(key=read["anon_resource_uri"].partition("&key=")[2]) == content
    calls.File.delete(filename="state")
    return [listed, *same, by_key, len(client.files.list())]


@check("BootResources.create", [["custom/web", "amd64/generic", "Uploaded"], 3, ["uploaded", True, "root-tgz", True]])
def _() -> Any:
    it.content = bytes(range(256)) * 40_000  # more than two chunks of libmaas
    told: list[float] = []
    file = io.BytesIO(it.content)
    it.image = client.boot_resources.create(
        "custom/web", "amd64/generic", file, title="Web", progress_callback=told.append
    )
    (upload,) = it.image.sets.values()
    (kept,) = upload.files.values()
    shown = [it.image.name, it.image.architecture, it.image.type]
    return [shown, len(told), [upload.label, upload.complete, kept.filetype, kept.complete]]


@check("BootResources.create once more", [True, 0])
def _() -> Any:
    told: list[float] = []
    again = client.boot_resources.create(
        "custom/web", "amd64/generic", io.BytesIO(it.content), progress_callback=told.append
    )
    return [again.id == it.image.id, len(told)]


@check("BootResources.read, BootResource.delete", [True, False])
def _() -> Any:
    listed = "custom/web" in [known.name for known in client.boot_resources.list()]
    client.boot_resources.get(it.image.id).delete()
    return [listed, "custom/web" in [known.name for known in client.boot_resources.list()]]


@check("PackageRepositories.create, read, PackageRepository.update, delete", [["vendor", ["main", "tools"], False]])
def _() -> Any:
    vendor = calls.PackageRepositories.create(name="vendor", url="https://d.example.org", components=["main", "tools"])
    calls.PackageRepository.update(id=vendor["id"], enabled=False)
    shown = [[each["name"], each["components"], each["enabled"]] for each in calls.PackageRepositories.read()]
    calls.PackageRepository.delete(id=vendor["id"])
    return shown


check("Maas.get_config", "rackyard.internal")(lambda: client.maas.get_name())
check("Maas.set_config", "OK")(lambda: client.maas.set_config("keep_boots", "7"))
check("Machines.is_registered", [True, False])(
    lambda: [calls.Machines.is_registered(mac_address=f"52:54:00:20:01:{last}") for last in ("01", "99")]
)
check("Machines.list_allocated", [])(lambda: calls.Machines.list_allocated())
check("RackControllers.describe_power_types", {"ipmi", "manual", "proxmox", "redfish", "webhook"})(
    lambda: {known["name"] for known in calls.RackControllers.describe_power_types()}
)


@check("IPAddresses.reserve, read, release", ["User reserved", "pxe-b", True, []])
def _() -> Any:
    vip = calls.IPAddresses.reserve(subnet="pxe-b", hostname="vip")
    same = [known["ip"] for known in calls.IPAddresses.read(ip=vip["ip"])] == [vip["ip"]]
    calls.IPAddresses.release(ip=vip["ip"])
    return [vip["alloc_type_name"], vip["subnet"]["name"], same, calls.IPAddresses.read()]


@check("Nodes.set_zone", "default")
def _() -> Any:
    calls.Nodes.set_zone(nodes=[it.machine.system_id], zone="default")
    return client.machines.get(it.machine.system_id).zone.name


check("Pods.read, BootSources.read", [0, 0])(lambda: [len(client.pods.list()), len(client.boot_sources.list())])


@check("Machine.delete", ["m1"])
def _() -> Any:
    it.machine.delete()
    return [known.hostname for known in client.machines.list()]


@check("Zone.read, delete; ResourcePool.read, delete", ["default", "default", 1, 1])
def _() -> Any:
    it.zone.delete()
    it.pool.delete()
    names = [client.zones.get("default").name, client.resource_pools.get(0).name]
    return [*names, len(client.zones.list()), len(client.resource_pools.list())]


# What is not described the library cannot ask for.
LATER = {
    "Machines": "allocate release",
    "Machine": (
        "deploy release rescue_mode exit_rescue_mode get_curtin_config restore_default_configuration "
        "restore_networking_configuration restore_storage_configuration"
    ),
    "BlockDevices": "create",
    "BlockDevice": "update delete add_tag remove_tag set_boot_disk format unformat mount unmount",
}
for handler, actions in LATER.items():
    for action in actions.split():
        check(f"later: {handler}.{action}", False)(partial(hasattr, getattr(calls, handler), action))
for handler in ("Partitions", "Raids", "VolumeGroups", "Bcaches"):
    check(f"later: {handler}", False)(partial(hasattr, calls, handler))
for handler in ("Pods", "BootSources"):
    check(f"never: {handler}.create", False)(partial(hasattr, getattr(calls, handler), "create"))
print(json.dumps(outcomes))
