# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the things that are no machines a list shows, by the names that all of MAAS's lists of nodes take: one of
the values of each, and all that is given."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rackyard.region.api import machine_filters
from rackyard.region.api.dispatch import Call
from rackyard.region.api.params import Params
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.services.machines import filters
from rackyard.region.services.machines.devices import Wanted

FILTER: Takes = dict.fromkeys(("id", "hostname", "mac_address", "domain", "zone", "pool"), Kind.TEXTS)


def of_machines(params: Params) -> MachineFilter:
    """The same of machines. Raises Invalid for a value that none can have."""
    return MachineFilter(
        system_ids=params.texts("id"),
        hostnames=params.texts("hostname"),
        macs=machine_filters.macs(params, "mac_address"),
        domains=params.texts("domain") or None,
        zones=params.texts("zone") or None,
        pools=params.texts("pool") or None,
    )


def of_devices(params: Params) -> Wanted:
    """The same of devices."""
    wanted = of_machines(params)
    return Wanted(
        system_ids=wanted.system_ids,
        hostnames=wanted.hostnames,
        macs=wanted.macs,
        domains=wanted.domains,
        zones=wanted.zones,
        pools=wanted.pools,
    )


def controllers(call: Call, shown: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those racks or regions that match; none is in a resource pool. Raises Invalid for a name that nothing has."""
    wanted = filters.named(call.ctx, of_machines(call.params))
    return [each for each in shown if _matches(each, wanted)]


def _matches(shown: dict[str, Any], wanted: MachineFilter) -> bool:
    macs = {nic["mac_address"] for nic in shown["interface_set"]}
    return wanted.pools is None and all(
        values is None or not has.isdisjoint(values)
        for values, has in (
            (wanted.system_ids, {shown["system_id"]}),
            (wanted.hostnames, {shown["hostname"]}),
            (wanted.macs, macs),
            (wanted.domains, {str(shown["domain"]["id"])}),
            (wanted.zones, {shown["zone"]["name"]}),
        )
    )
