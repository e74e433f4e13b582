# SPDX-License-Identifier: GPL-3.0-or-later
"""`op=drift`: what machines and racks differ in from what is declared of them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rackyard.region.api import controllers, machine_filters, machines
from rackyard.region.api.dispatch import Call
from rackyard.region.api.shapes import moment
from rackyard.region.services.machines import drift
from rackyard.region.services.machines.drift import Drift
from rackyard.region.services.racks import drift as rack_drift


@machines.collection.read("drift", takes=machine_filters.FILTER)
def show_drift_of_machines(call: Call) -> list[dict[str, Any]]:
    """Ours: in what the machines that match, as in a list, differ from what is declared of them (`expect`)."""
    return [_shape(each) for each in drift.find_all(call.ctx, machine_filters.read(call.params))]


@machines.one.read("drift")
def show_drift_of_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Ours: in what the machine, as its last commissioning found it, differs from what is declared of it (`expect`)."""
    return _shape(drift.read(call.ctx, system_id))


@controllers.collection.read("drift")
def show_drift_of_racks(call: Call) -> list[dict[str, Any]]:
    """Ours: which daemons of which racks do not serve the configuration that the region wants of them."""
    return [{**asdict(each), "last_seen_at": moment(each.last_seen_at)} for each in rack_drift.find_all(call.ctx)]


def _shape(found: Drift) -> dict[str, Any]:
    told = None if found.differences is None else [asdict(each) for each in found.differences]
    return {
        "system_id": found.system_id,
        "hostname": found.hostname,
        "state": found.state,
        "found_at": moment(found.found_at),
        "differences": told,
    }
