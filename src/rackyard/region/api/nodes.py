# SPDX-License-Identifier: GPL-3.0-or-later
"""`nodes/`: machines and controllers alike; `nodes/<system_id>/…`: what belongs to one machine."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from flask import Response

from rackyard.region.api import (
    controllers,
    devices,
    machine_lists,
    machine_shapes,
    machines,
    node_filters,
    placing,
    result_files,
)
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT, event_time, moment
from rackyard.region.api.takes import Kind
from rackyard.region.db.machines.results import ScriptResult
from rackyard.region.ephemeral.script_metadata import TYPES
from rackyard.region.errors import NotFound
from rackyard.region.services.machines import devices as device_services
from rackyard.region.services.machines import groups, registry, results
from rackyard.region.services.machines import interfaces as machine_interfaces
from rackyard.region.services.machines.results import ResultSet
from rackyard.region.services.site import validation

collection = Resource("/nodes/", "Nodes", "Machines, devices, racks and regions.")
one = Resource("/nodes/<system_id>/", "Node", "A machine, a device, a rack or a region.")
interfaces = Resource("/nodes/<system_id>/interfaces/", "Interfaces", "The NICs of a machine or a device.")
block_devices = Resource("/nodes/<system_id>/blockdevices/", "BlockDevices", "The disks of a machine.")
script_results = Resource("/nodes/<system_id>/results/", "NodeScriptResults", "What scripts said on a machine.")

one_interface = Resource(
    "/nodes/<system_id>/interfaces/<interface>/", "Interface", "One NIC, by id or name.", interface="id"
)
one_block_device = Resource("/nodes/<system_id>/blockdevices/<int:disk_id>/", "BlockDevice", "One disk.", disk_id="id")
one_result = Resource(
    "/nodes/<system_id>/results/<int:boot_id>/", "NodeScriptResult", "What scripts said in one boot.", boot_id="id"
)


Shown = TypeVar("Shown")
_DOWNLOADS = {"output": "combined", "filetype": "txt"}


@collection.read(takes=node_filters.FILTER)
def list_nodes(call: Call) -> Response:
    """What has a system_id and matches what is given, each in its own shape: machines, devices, racks, regions. One of
    the values of each filter; only machines are in a resource pool."""
    known = [
        devices.shape(details) for details in device_services.find_all(call.ctx, node_filters.of_devices(call.params))
    ]
    also = [*known, *controllers.list_racks(call), *controllers.list_regions(call)]
    return machine_lists.answer(call, node_filters.of_machines(call.params), also=also)


@collection.create("set_zone", takes=placing.TAKES)
def set_zone(call: Call) -> None:
    """Put machines, devices, racks and regions (`nodes`, by system_id) in a zone: all of them or none."""
    placing.set_zone(call, *groups.KINDS)


@one.read()
def read_node(call: Call, system_id: str) -> dict[str, Any]:
    """Whatever has this system_id. Raises NotFound."""
    return _first_of(
        call, system_id,
        (machines.read_machine, devices.read_device, controllers.read_rack, controllers.read_region),
    )  # fmt: skip


@one.read("details")
def show_details(call: Call, system_id: str) -> Response:
    """What commissioning scripts said of a machine, as at machines/; of what is none both are null."""
    return _first_of(
        call, system_id,
        (machines.show_details, devices.show_details, controllers.show_details, controllers.show_details_of_region),
    )  # fmt: skip


@one.read("power_parameters")
def show_power_parameters(call: Call, system_id: str) -> dict[str, Any]:
    """The power settings of a machine, as at machines/; what is none has none."""
    return _first_of(
        call, system_id,
        # Machines last: who may not see those of machines is told so of what is not there, too.
        (
            devices.show_power_parameters, controllers.show_power_parameters,
            controllers.show_power_parameters_of_region, machines.show_power_parameters,
        ),
    )  # fmt: skip


@one.delete()
def delete_node(call: Call, system_id: str) -> None:
    """Forget a machine or a device. A rack is revoked at rackcontrollers/, and a region goes by itself."""
    try:
        machines.delete_machine(call, system_id)
    except NotFound:
        devices.delete_device(call, system_id)


@interfaces.read()
def list_interfaces(call: Call, system_id: str) -> list[dict[str, Any]]:
    """The NICs of a machine, boot interface first, or of a device."""
    try:
        details = registry.read(call.ctx, system_id)
    except NotFound:
        return devices.list_interfaces(call, system_id)
    return [machine_shapes.interface(system_id, nic, details) for nic in details.interfaces]


@one_interface.read()
def read_interface(call: Call, system_id: str, interface: str) -> dict[str, Any]:
    """One NIC of a machine or a device, by id or name. Raises NotFound."""
    try:
        details = registry.read(call.ctx, system_id)
    except NotFound:
        return devices.read_interface(call, system_id, interface)
    nic = machine_interfaces.find(details.machine.hostname, details.interfaces, interface)
    return machine_shapes.interface(system_id, nic, details)


@block_devices.read()
def list_block_devices(call: Call, system_id: str) -> list[dict[str, Any]]:
    """The machine's disks."""
    return [machine_shapes.block_device(system_id, disk) for disk in registry.read(call.ctx, system_id).disks]


@one_block_device.read()
def read_block_device(call: Call, system_id: str, disk_id: int) -> dict[str, Any]:
    """One disk of the machine, by id. Raises NotFound."""
    details = registry.read(call.ctx, system_id)
    for disk in details.disks:
        if disk.id == disk_id:
            return machine_shapes.block_device(system_id, disk)
    raise _missing(details.machine.hostname, "block device", str(disk_id), "blockdevices")


@script_results.read(takes={"include_output": Kind.FLAG})
def list_results(call: Call, system_id: str) -> list[dict[str, Any]]:
    """What each script said, newest boot first; with include_output also its words, in base64.

    `output_omitted` is ours: whether the words were left out because the answer would become too long (older boots)."""
    with_output = bool(call.params.flag("include_output"))
    sets = results.of_machine(call.ctx, system_id, with_output=with_output)
    return [_result_set(system_id, known, with_output) for known in sets]


@one_result.read(takes={"include_output": Kind.FLAG})
def read_result(call: Call, system_id: str, boot_id: int) -> dict[str, Any]:
    """What each script said in one boot. Raises NotFound."""
    with_output = bool(call.params.flag("include_output"))
    for known in results.of_machine(call.ctx, system_id, with_output=with_output):
        if known.boot_id == boot_id:
            return _result_set(system_id, known, with_output)
    raise _missing(system_id, "result", str(boot_id), "results")


@one_result.read("download", takes={"output": Kind.TEXT, "filetype": Kind.TEXT, "filters": Kind.WORDS})
def download_result(call: Call, system_id: str, boot_id: int) -> Response:
    """What scripts said in one boot as a file (`filetype`): `txt`, in which several have their name above, or `tar.xz`.
    `output` is `combined` (the default), `stdout`, `stderr`, `result` or `all`; `filters` are names of scripts."""
    known = results.of_boot(call.ctx, system_id, boot_id, call.params.words("filters") or ())
    output, filetype = (call.params.text(name) or otherwise for name, otherwise in _DOWNLOADS.items())
    return result_files.answer(known, output, filetype)


def _first_of(call: Call, system_id: str, kinds: Sequence[Callable[[Call, str], Shown]]) -> Shown:
    """The answer of the first that knows the system_id. Raises NotFound."""
    for show in kinds:
        try:
            return show(call, system_id)
        except NotFound:
            continue
    raise NotFound(f"Nothing has the system_id {validation.shown(system_id)}; list all with GET nodes/.")


def _missing(machine: str, kind: str, specifier: str, collection: str) -> NotFound:
    shown = validation.shown(specifier)
    return NotFound(f"Machine {machine} has no {kind} {shown}; list them with GET nodes/<system_id>/{collection}/.")


def _result_set(system_id: str, known: ResultSet, with_output: bool) -> dict[str, Any]:
    return {
        "id": known.boot_id,
        "system_id": system_id,
        "type": TYPES.get(known.purpose, 0),
        "type_name": known.purpose.capitalize(),
        "last_ping": None,
        "status": known.status,
        "status_name": results.STATUS_NAMES[known.status],
        "started": event_time(known.started_at),
        "ended": event_time(known.ended_at),
        "runtime": _runtime(known.runtime_s),
        "results": [_result(result, with_output) for result in known.results],
        "resource_uri": f"{ROOT}/nodes/{system_id}/results/{known.boot_id}/",
    }


def _result(known: ScriptResult, with_output: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": known.id,
        "name": known.name,
        "status": known.status,
        "status_name": results.STATUS_NAMES[known.status],
        "exit_status": known.exit_status,
        "started": event_time(known.started_at),
        "ended": event_time(known.ended_at),
        "started_at": moment(known.started_at),
        "ended_at": moment(known.ended_at),
        "runtime": _runtime(known.runtime_s),
        "parameters": known.parameters,
        "suppressed": False,
    }
    if with_output:
        texts = {"output": known.output, "stdout": known.stdout, "stderr": known.stderr, "result": known.result}
        shown |= {name: base64.b64encode(text or b"").decode() for name, text in texts.items()}
        shown["output_omitted"] = known.stdout is None
    return shown


def _runtime(seconds: float | None) -> str:
    """MAAS's h:mm:ss."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
