# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines in the region: find them, plan what makes them as wished, carry the plan out."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import machine_marks, macs
from .client import RegionClient
from .dns import bare
from .machine_lookup import find_machine, machine_path
from .plan import SECRET_AFTER, SECRET_BEFORE, Action, Plan, differing
from .power import fields, places
from .power.base import Parameter

# Settings of power types that the region takes and a rack honours, as the module and as the API name them.
POWER_OPTIONS = {
    "boot_type": "power_boot_type",
    "cipher_suite_id": "cipher_suite_id",
    "node_id": "node_id",
    "off_mode": "power_off_mode",
    "privilege_level": "privilege_level",
    "tls_fingerprint": "power_tls_fingerprint",
    "verify_ssl": "power_verify_ssl",
}
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class Power:
    """How a machine is powered. None means "leave it alone"."""

    type: str
    address: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    boot_type: str | None = None
    cipher_suite_id: str | None = None
    off_mode: str | None = None
    privilege_level: str | None = None
    node_id: str | None = None
    verify_ssl: str | None = None
    tls_fingerprint: str | None = None
    # By the names that the API has for the type.
    parameters: Mapping[str, str] | None = None
    secrets: Mapping[str, str] | None = field(default=None, repr=False)

    @property
    def has_secrets(self) -> bool:
        """Whether something is given that the region never tells."""
        return self.password is not None or bool(self.secrets)

    def settings(self) -> dict[str, Any]:
        """Everything but secrets, which cannot be compared."""
        options = {name: getattr(self, name) for name in POWER_OPTIONS}
        place = {"type": self.type, "address": self.address, "port": self.port, "user": self.user}
        return {**place, **options, **(self.parameters or {})}


@dataclass(frozen=True)
class MachineWish:
    """A machine as an operator declares it. None means "leave it alone"; the first MAC is the one it boots from."""

    hostname: str
    mac_addresses: tuple[str, ...] | None = None
    architecture: str | None = None
    description: str | None = None
    power: Power | None = None
    commissioning_suite: str | None = None
    domain: str | None = None
    zone: str | None = None
    pool: str | None = None
    # All that it shall have.
    tags: tuple[str, ...] | None = None
    # Those of machine_marks.TEXTS that are given, all that it shall have of each.
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    # What it is declared to be made of, which the region judges; an empty one removes it.
    expect: Mapping[str, Any] | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> MachineWish:
        """From the options of module ``machine``. Raises ValueError for a malformed name or address."""
        given = options.get("mac_addresses")
        architecture = options.get("architecture")
        power = options.get("power")
        return cls(
            hostname=_label(options["hostname"]),
            mac_addresses=None if given is None else tuple(dict.fromkeys(macs.normal(mac) for mac in given)),
            architecture=full_architecture(architecture) if architecture else None,
            description=options.get("description"),
            power=None if power is None else _power(power),
            commissioning_suite=options.get("commissioning_suite"),
            domain=None if options.get("domain") is None else bare(options["domain"]),
            zone=options.get("zone"),
            pool=options.get("pool"),
            tags=machine_marks.wished_tags(options.get("tags")),
            texts=machine_marks.wished_texts(options),
            expect=options.get("expect"),
        )


def _label(text: str) -> str:
    """A host name in lower case. With a domain the region would keep another one, which the next run misses."""
    label = text.strip().lower()
    if not _LABEL.fullmatch(label):
        raise ValueError(
            f"hostname: '{text}' cannot be a host name (RFC 1123); use 1 to 63 letters, digits and inner hyphens, "
            "without a domain"
        )
    return label


def _power(given: Mapping[str, Any]) -> Power:
    """Power settings with all places as the region writes them. Raises ValueError naming the option."""
    declared = {parameter.name: parameter for parameter in fields.declared(given["type"])}
    parameters = {name: str(value) for name, value in (given.get("parameters") or {}).items()}
    secrets = {name: str(value) for name, value in (given.get("secrets") or {}).items()}
    for name in [*parameters, *secrets]:
        group = "parameters" if name in parameters else "secrets"
        known = [each.name for each in declared.values() if each.secret == (group == "secrets") and _is_own(each)]
        if name not in known:
            words = f"use one of {', '.join(known)}" if known else "there are none"
            raise ValueError(f"power.{group}: power type {given['type']} has no {name} there; {words}")
    for name, text in parameters.items():
        if declared[name].kind == "uri" and text:
            parameters[name] = _placed(f"power.parameters.{name}", text, places.uri)
    address = given.get("address")
    if address:
        kind = fields.of_role(given["type"], "address")
        address = _placed("power.address", address, places.host if kind and kind.kind == "host" else _ip)
    return Power(**{**given, "address": address, "parameters": parameters or None, "secrets": secrets or None})


def _is_own(parameter: Parameter) -> bool:
    """Whether no option of ours is for it."""
    named = {*POWER_OPTIONS.values(), "power_address", "power_port", "power_user", "power_pass"}
    return parameter.name not in named


def _ip(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip()))
    except ValueError:
        raise ValueError("is no IP address; write one such as 192.0.2.141") from None


def _placed(option: str, text: str, normal: Callable[[str], str]) -> str:
    try:
        return normal(text)
    except ValueError as reason:
        raise ValueError(f"{option}: '{text}' {reason}") from None


def full_architecture(text: str) -> str:
    """The region's form, with the subarchitecture: ``amd64`` is ``amd64/generic``."""
    return text if "/" in text else f"{text}/generic"


def mac_addresses(machine: Mapping[str, Any]) -> list[str]:
    """The machine's MAC addresses, the one it boots from first."""
    boot = (machine.get("boot_interface") or {}).get("mac_address")
    others = sorted(nic["mac_address"] for nic in machine["interface_set"] if nic["mac_address"] != boot)
    return ([boot] if boot else []) + others


def power_view(machine: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The machine's power settings in the module's words, from the answer of ``op=power_parameters``."""
    port = parameters.get("power_port")
    own = [each.name for each in fields.declared(machine["power_type"]) if _is_own(each) and not each.secret]
    return {
        "type": machine["power_type"] or "",
        "address": parameters.get("power_address") or None,
        # A region does not keep the usual port: an operator who names it has what is there.
        "port": int(port) if port else fields.usual_port(machine["power_type"]),
        "user": parameters.get("power_user") or None,
        **{name: parameters[field_name] for name, field_name in POWER_OPTIONS.items() if field_name in parameters},
        **{name: parameters[name] for name in own if parameters.get(name)},
    }


def machine_view(machine: Mapping[str, Any] | None, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """What module ``machine`` can decide on; empty for a machine that is not there."""
    if machine is None:
        return {}
    return {
        "hostname": machine["hostname"],
        "architecture": machine["architecture"],
        "description": machine.get("description") or "",
        "commissioning_suite": machine.get("commissioning_suite") or "",
        "mac_addresses": mac_addresses(machine),
        "domain": machine["domain"]["name"],
        "zone": machine["zone"]["name"],
        "pool": machine["pool"]["name"],
        "power": power_view(machine, parameters),
        **machine_marks.view(machine),
        # Shown only when it is asked for.
        **({"expect": machine["expect"] or {}} if "expect" in machine else {}),
    }


def plan_absent(view: Mapping[str, Any], hostname: str) -> Plan:
    """Remove the machine if it is there."""
    return Plan(view, {}, (Action("delete", f"machine {hostname}"),) if view else ())


def plan_present(view: Mapping[str, Any], wish: MachineWish, update_password: str = "on_create") -> Plan:
    """Create or correct the machine. ``update_password=always`` sends the password each time, so it always changes."""
    plan = _plan_update(view, wish, update_password) if view else _plan_create(wish)
    return machine_marks.with_marks(plan, wish.hostname, wish.tags, wish.texts)


def _plan_create(wish: MachineWish) -> Plan:
    values: dict[str, Any] = {
        "hostname": wish.hostname,
        "architecture": wish.architecture or full_architecture("amd64"),
        "description": wish.description or "",
        "mac_addresses": list(wish.mac_addresses or ()),
    }
    chosen = {name: getattr(wish, name) for name in ("commissioning_suite", "domain", "zone", "pool", "expect")}
    values |= {name: value for name, value in chosen.items() if value}
    after = dict(values)
    if wish.power is not None:
        values["power"] = wish.power
        after["power"] = _with_secret(wish.power.settings(), wish.power)
    return Plan({}, after, (Action("create", f"machine {wish.hostname}", values),))


def _plan_update(view: Mapping[str, Any], wish: MachineWish, update_password: str) -> Plan:
    wished = ("architecture", "description", "commissioning_suite", "domain", "zone", "pool", "expect")
    values = differing(view, {name: getattr(wish, name) for name in wished})
    order = _merged_macs(view["mac_addresses"], wish.mac_addresses)
    if order != view["mac_addresses"]:
        values["mac_addresses"] = order
    before, after = dict(view), {**view, **values}
    power = wish.power
    if power is not None:
        changes = differing(view["power"], power.settings())
        send_password = power.has_secrets and (bool(changes) or update_password == "always")
        if changes or send_password:
            values["power"] = power
            # Another type begins without what the former one had.
            kept = view["power"] if power.type == view["power"]["type"] else {}
            after["power"] = {**kept, **_given(power.settings())}
        if send_password:
            before["power"] = {**view["power"], "password": SECRET_BEFORE}
            after["power"] = _with_secret(after["power"], power)
    actions = (Action("update", f"machine {wish.hostname}", values),) if values else ()
    return Plan(before, after, actions)


def _merged_macs(current: Sequence[str], wished: tuple[str, ...] | None) -> list[str]:
    """The wished order first; what commissioning has found besides stays."""
    if not wished:
        return list(current)
    if current and current[0] == wished[0] and set(wished) <= set(current):
        return list(current)
    return [*wished, *(mac for mac in current if mac not in wished)]


def _with_secret(settings: Mapping[str, Any], power: Power) -> dict[str, Any]:
    shown = _given(settings)
    return {**shown, "password": SECRET_AFTER} if power.has_secrets else shown


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


def form_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """The plan's values as the API's form fields."""
    form = {name: value for name, value in values.items() if name not in ("power", "expect")}
    if "expect" in values:
        form["expect"] = json.dumps(values["expect"])
    power = values.get("power")
    if power is not None:
        form["power_type"] = power.type
        parameters = {
            "power_address": power.address,
            "power_port": power.port,
            "power_user": power.user,
            "power_pass": power.password,
            **{field_name: getattr(power, name) for name, field_name in POWER_OPTIONS.items()},
            **(power.parameters or {}),
            **(power.secrets or {}),
        }
        form |= {f"power_parameters_{name}": value for name, value in parameters.items() if value is not None}
    return form


def observe(
    client: RegionClient, hostname: str, with_expect: bool = False
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The machine object, and what can be decided on; what it is declared to be made of only with ``with_expect``."""
    machine = find_machine(client, hostname)
    if machine is not None and with_expect:
        machine |= client.get(machine_path(machine), fields="expect")
    parameters = client.get(machine_path(machine), op="power_parameters") if machine else {}
    return machine, machine_view(machine, parameters)


def carry_out(client: RegionClient, machine: Mapping[str, Any] | None, plan: Plan) -> dict[str, Any] | None:
    """Do the plan's actions; the machine object afterwards, None when it is gone."""
    current = act(client, machine, plan.actions)
    marked = any(action.verb in machine_marks.VERBS for action in plan.actions)
    return client.get(machine_path(current)) if marked and current is not None else current


def act(client: RegionClient, machine: Mapping[str, Any] | None, actions: Sequence[Action]) -> dict[str, Any] | None:
    """Do these actions. The machine as the region told of it last, before its marks changed; None when it is gone."""
    current = dict(machine) if machine is not None else None
    for action in actions:
        if action.verb == "create":
            current = client.post("machines/", commission="false", **form_values(action.values))
        elif current is not None and action.verb == "update":
            current = client.put(machine_path(current), **form_values(action.values))
        elif current is not None and action.verb in machine_marks.VERBS:
            machine_marks.carry_out(client, current, action)
        elif current is not None:
            client.delete(machine_path(current))
            current = None
    return current


def plan_for(view: Mapping[str, Any], wish: MachineWish, state: str, update_password: str) -> Plan:
    """What makes the machine as wished; the wish of ``state=absent`` is its name only."""
    return plan_absent(view, wish.hostname) if state == "absent" else plan_present(view, wish, update_password)


def predicted(machine: Mapping[str, Any] | None, plan: Plan) -> dict[str, Any] | None:
    """The machine object as check mode foresees it: what is known now, with the planned values."""
    if not plan.after:
        return None
    otherwise = ("power", "mac_addresses", "tags", "domain", "zone", "pool")
    foreseen = {name: value for name, value in plan.after.items() if name not in otherwise}
    groups = {kind: {"name": plan.after[kind]} for kind in ("domain", "zone", "pool") if kind in plan.after}
    power, tags = plan.after.get("power") or {}, plan.after.get("tags", [])
    return {**(machine or {}), **foreseen, **groups, "power_type": power.get("type", ""), "tag_names": tags}
