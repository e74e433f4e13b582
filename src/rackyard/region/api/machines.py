# SPDX-License-Identifier: GPL-3.0-or-later
"""`machines/` and `machines/<system_id>/`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Response

from rackyard.region.api import bson, machine_filters, machine_lists, machine_shapes, placing
from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.params import Params, json_object, scalar_text
from rackyard.region.api.takes import Kind, Takes, fixed, hold
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.db.pool import Transaction
from rackyard.region.services.boots import timeline
from rackyard.region.services.machines import definitions, groups, power_settings, registry
from rackyard.region.services.machines.registry import Wish
from rackyard.region.services.operations import acceptance, commissioning, testing
from rackyard.region.services.power import orders
from rackyard.region.services.power.parameters import PowerWish
from rackyard.region.services.site import authorisation
from rackyard.region.services.site.scripts import Choice

# How long a caller waits for a BMC's own word.
QUERY_TIMEOUT_S = 30.0

collection = Resource("/machines/", "Machines", "All machines.")
one = Resource("/machines/<system_id>/", "Machine", "One machine.")


_WISH: Takes = {
    "hostname": Kind.TEXT,
    "description": Kind.TEXT,
    "architecture": Kind.TEXT,
    "mac_addresses": Kind.WORDS,
    "power_type": Kind.TEXT,
    "power_parameters": Kind.TEXT,
    "power_parameters_*": Kind.TEXT,
    "commissioning_suite": Kind.TEXT,
    "zone": Kind.TEXT,
    "pool": Kind.TEXT,
    "domain": Kind.TEXT,
    "expect": Kind.TEXT,
    **fixed("subarchitecture", "min_hwe_kernel", "swap_size", "cpu_count", "memory"),
    **fixed("disable_ipv4", "deployed", "is_dpu"),
}
# MAAS's skip_bmc_config, skip_networking and skip_storage are taken as they come: nothing of it is changed here.
_COMMISSION: Takes = {
    **fixed("enable_ssh"),
    "commissioning_scripts": Kind.WORDS,
    "testing_scripts": Kind.WORDS,
}
_COMMISSIONS_WITH = {"enable_ssh": False}
# What a new machine has of that which is fixed.
_NEW = {
    "subarchitecture": "generic",
    "cpu_count": 0,
    "memory": 0,
    "disable_ipv4": False,
    "deployed": False,
    "is_dpu": False,
}


@collection.read(takes={**machine_filters.FILTER, "fields": Kind.WORDS, "limit": Kind.INTEGER})
def list_machines(call: Call) -> Response:
    """Machines that match what is given, by hostname: one of the values of each filter, all `tags` and `subnets`,
    nothing of what begins with `not_`; at least so many CPUs (`cpu_count`), MHz (`cpu_speed`), MiB (`mem`), Mbit/s of
    an interface (`link_speed`). `free_text` is a part of a name or text, `description` of that one, `workloads` of an
    annotation (`name:text`, or the text alone; `name:=text` is all of it).

    Ours: `fields` (names parted by commas) leaves out all others; `limit` gives a page, and a Link header (RFC 8288)
    with `rel="next"` while there are more. `after` is the hostname that the page before ended with.
    """
    wanted = replace(machine_filters.read(call.params), limit=machine_lists.limit(call.params))
    return machine_lists.answer(call, wanted, machine_lists.fields(call.params))


@collection.read("power_parameters", takes=machine_filters.FILTER)
def show_all_power_parameters(call: Call) -> dict[str, dict[str, Any]]:
    """The power settings of machines by system_id, as for one machine."""
    found = power_settings.find_all(call.ctx, call.actor, machine_filters.read(call.params))
    return {system_id: dict(settings.values) for system_id, settings in found.items()}


@collection.create(takes={**_WISH, **_COMMISSION, "commission": Kind.FLAG})
def create_machine(call: Call) -> dict[str, Any]:
    """Register a machine and commission it, as MAAS does for administrators; `commission=false` only registers it.

    If commissioning cannot begin, the machine stays New; with `commission=true` it is not registered either."""

    def commission(tx: Transaction, system_id: str) -> None:
        commissioning.begin(call.ctx, tx, call.actor, system_id, _scripts(call.params))

    hold(call.params, {**_WISH, **_COMMISSION}, lambda: {**_NEW, **_COMMISSIONS_WITH})
    asked = call.params.flag("commission")
    details = registry.create(call.ctx, call.actor, _wish(call.params), also=commission if asked else None)
    if asked is None:
        commissioning.start_if_possible(call.ctx, call.actor, details.machine.system_id, _scripts(call.params))
        details = registry.read(call.ctx, details.machine.system_id)
    return machine_shapes.machine(details, call.ctx.config.domain)


@collection.read("list_allocated", takes={"id": Kind.TEXTS})
def list_allocated_machines(call: Call) -> Response:
    """The machines that are given out to whoever asks; of several `id`s those."""
    ids, given_out = call.params.texts("id") or None, [int(status) for status in authorisation.GIVEN_OUT]
    return machine_lists.answer(call, MachineFilter(system_ids=ids, owners=[call.actor.username], statuses=given_out))


@collection.create("set_zone", takes=placing.TAKES)
def set_zone(call: Call) -> None:
    """Put machines (`nodes`, by system_id) in a zone: all of them or none."""
    placing.set_zone(call, groups.MACHINE)


@one.read(takes={"fields": Kind.WORDS})
def show_machine(call: Call, system_id: str) -> dict[str, Any]:
    """One machine. Ours: `fields` (names parted by commas) leaves out all others; `expect`, what the machine is
    declared to be made of, is shown only so."""
    names = machine_lists.fields(call.params)
    details = registry.read(call.ctx, system_id, machine_shapes.parts_for(names))
    return machine_shapes.machine(details, call.ctx.config.domain, names)


def read_machine(call: Call, system_id: str) -> dict[str, Any]:
    """One machine, with all that it is shown with unasked."""
    return machine_shapes.machine(registry.read(call.ctx, system_id), call.ctx.config.domain)


@one.update(takes=_WISH)
def update_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Change what is given. Ours: `expect` is what the machine is declared to be made of, a JSON object
    (docs/drift.md); an empty one removes it."""
    hold(call.params, _WISH, lambda: {**_NEW, **read_machine(call, system_id)})
    wish = _wish(call.params)
    details = registry.update(call.ctx, call.actor, system_id, wish)
    if wish.power is not None:
        acceptance.power_was_given(call.ctx, call.actor, system_id)
        return read_machine(call, system_id)
    return machine_shapes.machine(details, call.ctx.config.domain)


@one.delete()
def delete_machine(call: Call, system_id: str) -> None:
    """Forget a machine."""
    registry.delete(call.ctx, call.actor, system_id)


@one.create("commission", takes=_COMMISSION)
def commission_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Find out what the machine is made of. `commissioning_scripts` and `testing_scripts` are names and tags of
    uploaded scripts that it runs besides, `none` none of them; docs/scripts.md tells which run unasked."""
    hold(call.params, _COMMISSION, lambda: _COMMISSIONS_WITH)
    commissioning.start(call.ctx, call.actor, system_id, _scripts(call.params))
    return read_machine(call, system_id)


@one.create("test", takes={**fixed("enable_ssh"), "testing_scripts": Kind.WORDS})
def test_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Boot the machine into memory and test it, by the tests with those names and tags (`testing_scripts`); unless some
    are named, by those that follow each commissioning and the region's own quick ones. It is then what it was before,
    or Failed testing."""
    hold(call.params, fixed("enable_ssh"), lambda: _COMMISSIONS_WITH)
    testing.start(call.ctx, call.actor, system_id, call.params.words("testing_scripts"))
    return read_machine(call, system_id)


@one.create("abort")
def abort_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Stop what is going on with the machine."""
    commissioning.abort(call.ctx, call.actor, system_id)
    return read_machine(call, system_id)


@one.create("power_on")
def power_on_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Ask a rack to switch the machine on; its power_state follows."""
    orders.request(call.ctx, call.actor, system_id, "on")
    return read_machine(call, system_id)


@one.create("power_off")
def power_off_machine(call: Call, system_id: str) -> dict[str, Any]:
    """Ask a rack to switch the machine off; its power_state follows."""
    orders.request(call.ctx, call.actor, system_id, "off")
    return read_machine(call, system_id)


@one.read("query_power_state")
def query_power_state(call: Call, system_id: str) -> dict[str, str]:
    """What the BMC itself says now."""
    return {"state": orders.query(call.ctx, call.actor, system_id, QUERY_TIMEOUT_S)}


@one.read("power_parameters")
def show_power_parameters(call: Call, system_id: str) -> dict[str, Any]:
    """The power settings without the password, which nobody needs to see again."""
    return dict(power_settings.read(call.ctx, call.actor, system_id).values)


@one.read("details")
def show_details(call: Call, system_id: str) -> Response:
    """What commissioning scripts said, in BSON as in MAAS: `lshw` in XML, null before lshw has described the machine.
    `lldp` is always null: what is heard of switches is at the machine's interfaces."""
    return bson.details(definitions.document_of(call.ctx, system_id))


@one.read("boot_timeline")
def show_boot_timeline(call: Call, system_id: str) -> dict[str, Any]:
    """The twelve steps of the machine's latest boot."""
    return timeline.read(call.ctx, system_id)


def _scripts(params: Params) -> Choice:
    return Choice(params.words("commissioning_scripts"), params.words("testing_scripts"))


def _wish(params: Params) -> Wish:
    return Wish(
        hostname=params.text("hostname"),
        description=params.text("description"),
        architecture=params.text("architecture"),
        macs=params.words("mac_addresses"),
        power=_power(params),
        commissioning_suite=params.text("commissioning_suite"),
        zone=params.text("zone"),
        pool=params.text("pool"),
        domain=params.text("domain"),
        expect=params.text("expect"),
    )


def _power(params: Params) -> PowerWish | None:
    given = params.prefixed("power_parameters_")
    given.pop("skip_check", None)  # MAAS: do not check the parameters; they are always checked here
    document = params.text("power_parameters")
    if document:
        values = json_object(document, "power_parameters")
        given = {**{name: scalar_text(value) for name, value in values.items()}, **given}
    kind = params.text("power_type")
    return None if kind is None and not given else PowerWish(kind, given)
