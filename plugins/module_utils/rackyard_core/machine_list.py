# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many machines in one go: what is there is read once, everything is decided before anything is done, then done."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from . import machine_marks
from .client import RegionClient, RegionError, RegionRefused
from .machine_lookup import machine_path
from .machines import MachineWish, act, machine_view, plan_for
from .plan import Plan
from .power import fields

# What a plan is made from; the rest of a machine, its hardware above all, stays where it is.
FIELDS = (
    "system_id,hostname,status_name,architecture,description,commissioning_suite,power_type,boot_interface,"
    "interface_set,domain,zone,pool,tag_names,owner_data,workload_annotations"
)
# Requests under way at once: a region process has 32 threads, and others want some of them.
CONNECTIONS = 8
# Machines that get or lose a tag in one request.
_TAGGED_AT_ONCE = 500
_SHOWN = 10


@dataclass(frozen=True)
class Order:
    """One machine of the list, as an operator declares it."""

    wish: MachineWish
    state: str = "present"
    update_password: str = "on_create"


@dataclass(frozen=True)
class Decision:
    """What is there, and what makes it as ordered."""

    order: Order
    machine: Mapping[str, Any] | None
    plan: Plan

    @property
    def hostname(self) -> str:
        """Name of the machine."""
        return self.order.wish.hostname

    @property
    def removes(self) -> bool:
        """Whether the machine goes away, and what belongs to it becomes free."""
        return bool(self.plan.changed and not self.plan.after)

    def result(self, machine: Mapping[str, Any] | None) -> dict[str, Any]:
        """What the module says about the machine; ``machine`` is the region's object afterwards, if it is known."""
        known = machine or {}
        return {
            "hostname": self.hostname,
            "system_id": known.get("system_id", ""),
            "status_name": known.get("status_name", ""),
            "changed": self.plan.changed,
            "actions": [str(action) for action in self.plan.actions],
        }


class BadOrders(ValueError):
    """Some entries of the list cannot be meant; nothing was done. The message names each with what is wrong."""

    def __init__(self, faults: Sequence[str], total: int) -> None:
        super().__init__(
            f"{len(faults)} of {total} entries cannot be used, and nothing was done: {_listed(faults)}. Correct them."
        )


@dataclass
class Outcome:
    """What came of each machine, by name."""

    done: dict[str, Mapping[str, Any] | None] = field(default_factory=dict)
    failed: dict[str, RegionError] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)


class SomeFailed(RegionError):
    """The region refused some machines, or went away meanwhile; ``details`` has what was done and what was not."""

    def __init__(self, decisions: Sequence[Decision], outcome: Outcome) -> None:
        self._decisions, self._outcome = decisions, outcome
        first = next(iter(outcome.failed.values()))
        faults = [f"{name}: {str(error).rstrip('.')}" for name, error in sorted(outcome.failed.items())]
        untried = f", {len(outcome.untried)} were not tried" if outcome.untried else ""
        super().__init__(
            f"{len(faults)} of {len(decisions)} machines failed, {len(outcome.done)} are as declared{untried}: "
            f"{_listed(faults)}. Run it again when that is mended; what is done stays done",
            first.status,
        )

    def details(self) -> dict[str, Any]:
        """Keys of the module's result."""
        done = results(self._decisions, self._outcome.done)
        return {
            **super().details(),
            **done,
            "failures": [
                {"hostname": name, "msg": str(error), "status": error.status}
                for name, error in sorted(self._outcome.failed.items())
            ],
            "untried": sorted(self._outcome.untried),
        }


def orders_from(entries: Sequence[Mapping[str, Any]], update_password: str) -> list[Order]:
    """From the entries of option ``machines``. Raises BadOrders: malformed entries, two of one name or of one MAC."""
    orders: list[Order] = []
    faults: list[str] = []
    for entry in entries:
        try:
            wish = MachineWish.from_options(entry)
        except ValueError as reason:
            faults.append(f"{entry['hostname']}: {reason}")
            continue
        orders.append(Order(wish, entry.get("state") or "present", entry.get("update_password") or update_password))
    names = Counter(order.wish.hostname for order in orders)
    faults += [f"{name}: declared {count} times" for name, count in sorted(names.items()) if count > 1]
    faults += _shared(orders, lambda wish: wish.mac_addresses or (), "MAC address")
    faults += _shared(orders, _bmcs, "BMC")
    if faults:
        raise BadOrders(faults, len(entries))
    return orders


def _bmcs(wish: MachineWish) -> Iterable[str]:
    """Two machines behind one BMC would switch each other off."""
    power = wish.power
    if power is None or not power.address or not fields.is_exclusive(power.type):
        return []
    port = power.port or fields.usual_port(power.type)
    return [f"{power.address} port {port}" if port else power.address]


def _shared(orders: Iterable[Order], values: Callable[[MachineWish], Iterable[str]], what: str) -> list[str]:
    """Faults for values that more than one of the machines to be claims."""
    owners: dict[str, set[str]] = {}
    for order in orders:
        for value in values(order.wish) if order.state == "present" else ():
            owners.setdefault(value, set()).add(order.wish.hostname)
    shared = {value: sorted(names) for value, names in owners.items() if len(names) > 1}
    return [f"{', '.join(names)}: {what} {value} is declared for each of them" for value, names in shared.items()]


def decide(client: RegionClient, orders: Sequence[Order]) -> list[Decision]:
    """Read what is there and plan each machine, in the order of the list. Raises BadOrders: a MAC is another's."""
    # A region of the release before does not know the field.
    fields_read = FIELDS + (",expect" if any(order.wish.expect is not None for order in orders) else "")
    found = client.matching("machines/", "hostname", [order.wish.hostname for order in orders], fields=fields_read)
    there = {str(machine["hostname"]): machine for machine in found}
    parameters = _power_parameters(client, [one for one in found if fields.has_bmc(one["power_type"])])
    decisions = []
    for order in orders:
        machine = there.get(order.wish.hostname)
        view = machine_view(machine, parameters.get(machine["system_id"], {}) if machine else {})
        decisions.append(Decision(order, machine, plan_for(view, order.wish, order.state, order.update_password)))
    faults = _taken_macs(client, decisions)
    if faults:
        raise BadOrders(faults, len(orders))
    return decisions


def require_tags(client: RegionClient, orders: Sequence[Order]) -> None:
    """Raise RegionRefused for a tag that is not there. Not in check mode: another task may make it first."""
    present = [order.wish for order in orders if order.state == "present"]
    machine_marks.require_tags(client, [tag for wish in present for tag in wish.tags or ()])


def _power_parameters(client: RegionClient, machines: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Power settings by system_id."""
    ids = [str(machine["system_id"]) for machine in machines]
    if not ids:
        return {}
    try:
        return client.mapping("machines/", "id", ids, op="power_parameters")
    except RegionRefused as refusal:
        if refusal.status != 400:
            raise
    # A region of the release before tells them one by one only.
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        told = pool.map(lambda machine: client.get(machine_path(machine), op="power_parameters"), machines)
        return dict(zip(ids, told, strict=True))


def _taken_macs(client: RegionClient, decisions: Sequence[Decision]) -> list[str]:
    """Faults for MAC addresses that a machine outside the list, or one that keeps it, has."""
    leaving = {decision.hostname for decision in decisions if decision.removes}
    wanted: dict[str, str] = {}
    for decision in decisions:
        had = decision.plan.before.get("mac_addresses", ())
        new = (mac for mac in decision.plan.after.get("mac_addresses", ()) if mac not in had)
        wanted.update(dict.fromkeys(new, decision.hostname))
    faults = []
    for owner in client.matching("machines/", "mac_address", list(wanted), fields="hostname,interface_set"):
        for mac in {nic["mac_address"] for nic in owner["interface_set"]} & wanted.keys():
            if owner["hostname"] not in leaving | {wanted[mac]}:
                faults.append(f"{wanted[mac]}: MAC address {mac} belongs to machine {owner['hostname']}")
    return sorted(faults)


def carry_out_all(client: RegionClient, decisions: Sequence[Decision]) -> Outcome:
    """Do what was decided, some at once; machines that go away first, because others may get their addresses, and tags
    last, each for all of its machines.

    A refusal concerns one machine, and the others are gone on with. When the region cannot be reached or the key is not
    accepted, nothing more is tried.
    """
    outcome = Outcome(done={one.hostname: one.machine for one in decisions if not one.plan.changed})
    changing = [one for one in decisions if one.plan.changed]
    lost = threading.Event()

    def change(decision: Decision) -> None:
        if lost.is_set():
            outcome.untried.append(decision.hostname)
            return
        own = [action for action in decision.plan.actions if action.verb not in machine_marks.TAGGING]
        try:
            outcome.done[decision.hostname] = act(client, decision.machine, own)
        except RegionError as error:
            outcome.failed[decision.hostname] = error
            if not isinstance(error, RegionRefused):
                lost.set()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        for removes in (True, False):
            # list(): an error of ours must not be lost with the iterator
            list(pool.map(change, [one for one in changing if one.removes is removes]))
    _tag_all(client, [one for one in changing if one.hostname in outcome.done], outcome)
    return outcome


def _tag_all(client: RegionClient, decisions: Sequence[Decision], outcome: Outcome) -> None:
    """Give and take their tags. One request after the other: two at once would wait for each other's machines."""
    lost = next((error for error in outcome.failed.values() if not isinstance(error, RegionRefused)), None)
    for (verb, tag), names in _taggings(decisions).items():
        parts = [names[at : at + _TAGGED_AT_ONCE] for at in range(0, len(names), _TAGGED_AT_ONCE)]
        while parts:
            part = [name for name in parts.pop(0) if name in outcome.done]
            error = lost or _retag(client, verb, tag, [outcome.done[name] or {} for name in part])
            if isinstance(error, RegionRefused) and len(part) > 1:
                parts[:0] = [[name] for name in part]  # to know which it means
            elif error is not None:
                lost = None if isinstance(error, RegionRefused) else error
                outcome.failed |= dict.fromkeys(part, error)
                for name in part:
                    del outcome.done[name]


def _taggings(decisions: Sequence[Decision]) -> dict[tuple[str, str], list[str]]:
    """Names of the machines that get or lose each tag."""
    found: dict[tuple[str, str], list[str]] = {}
    for decision in decisions:
        for action in decision.plan.actions:
            if action.verb in machine_marks.TAGGING:
                found.setdefault((action.verb, action.values["tag"]), []).append(decision.hostname)
    return found


def _retag(client: RegionClient, verb: str, tag: str, machines: Sequence[Mapping[str, Any]]) -> RegionError | None:
    """What came in the way, if anything did."""
    try:
        if machines:
            machine_marks.retag(client, tag, verb, [machine["system_id"] for machine in machines])
    except RegionError as error:
        return error
    return None


def results(decisions: Sequence[Decision], machines: Mapping[str, Mapping[str, Any] | None]) -> dict[str, Any]:
    """Result of the module for the machines that are in ``machines``: what is known of each afterwards."""
    told = [one for one in decisions if one.hostname in machines]
    changed = [one for one in told if one.plan.changed]
    return {
        "changed": bool(changed),
        "machines": [one.result(machines[one.hostname]) for one in told],
        "actions": [str(action) for one in changed for action in one.plan.actions],
        "diff": [
            {
                "before_header": f"machine {one.hostname}",
                "after_header": f"machine {one.hostname}",
                "before": dict(one.plan.before),
                "after": dict(one.plan.after),
            }
            for one in changed
        ],
    }


def _listed(faults: Sequence[str]) -> str:
    more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
    return "; ".join(faults[:_SHOWN]) + more
