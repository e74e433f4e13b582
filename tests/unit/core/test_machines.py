# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from rackyard_core.machine_list import FIELDS
from rackyard_core.machine_options import machine_options
from rackyard_core.machines import (
    POWER_OPTIONS,
    MachineWish,
    Power,
    form_values,
    machine_view,
    plan_absent,
    plan_present,
    power_view,
)
from rackyard_core.power.registry import DRIVERS

MAC, OTHER, FOUND = "52:54:00:20:01:01", "52:54:00:20:01:02", "52:54:00:20:01:03"
IPMI = Power("ipmi", "10.30.0.11", None, "admin", "sesame")


def view(**changes: Any) -> dict[str, Any]:
    base = {
        "hostname": "m1",
        "architecture": "amd64/generic",
        "description": "",
        "mac_addresses": [MAC, FOUND],
        "power": {"type": "ipmi", "address": "10.30.0.11", "port": None, "user": "admin"},
    }
    return {**base, **changes}


def test_wish_normalises_macs_and_architecture() -> None:
    wish = MachineWish.from_options(
        {"hostname": "m1", "mac_addresses": ["52-54-00-20-01-01".upper(), MAC], "architecture": "arm64"}
    )
    assert wish.mac_addresses == (MAC,)
    assert wish.architecture == "arm64/generic"


def test_unknown_machine_is_created_with_its_power() -> None:
    plan = plan_present({}, MachineWish("m1", (MAC,), power=IPMI))
    assert [str(action) for action in plan.actions] == ["create machine m1"]
    assert form_values(plan.actions[0].values) == {
        "hostname": "m1",
        "architecture": "amd64/generic",
        "description": "",
        "mac_addresses": [MAC],
        "power_type": "ipmi",
        "power_parameters_power_address": "10.30.0.11",
        "power_parameters_power_user": "admin",
        "power_parameters_power_pass": "sesame",
    }


def test_power_options_have_the_names_of_the_api() -> None:
    power = Power(
        "ipmi", "10.30.0.11", boot_type="efi", off_mode="soft", privilege_level="OPERATOR", cipher_suite_id="3"
    )
    assert form_values({"power": power}) == {
        "power_type": "ipmi",
        "power_parameters_power_address": "10.30.0.11",
        "power_parameters_power_boot_type": "efi",
        "power_parameters_power_off_mode": "soft",
        "power_parameters_privilege_level": "OPERATOR",
        "power_parameters_cipher_suite_id": "3",
    }


def test_every_option_is_one_that_racks_honour() -> None:
    declared = {one.name: one.choices for driver in DRIVERS.values() for one in driver.parameters}
    offered = machine_options()["power"]["options"]
    for name, field_name in POWER_OPTIONS.items():
        assert set(offered[name].get("choices", ())) <= set(declared[field_name]), name


def test_option_is_set_once_and_the_others_stay() -> None:
    parameters = {"power_address": "10.30.0.11", "power_boot_type": "efi", "power_off_mode": "soft"}
    known = view(power=power_view({"power_type": "ipmi"}, parameters))
    assert not plan_present(known, MachineWish("m1", power=Power("ipmi", boot_type="efi"))).changed
    changed = plan_present(known, MachineWish("m1", power=Power("ipmi", boot_type="legacy")))
    assert changed.after["power"]["boot_type"] == "legacy"
    assert changed.after["power"]["off_mode"] == "soft"


def test_other_type_begins_without_the_former_options() -> None:
    known = view(power=power_view({"power_type": "ipmi"}, {"power_address": "10.30.0.11", "power_boot_type": "efi"}))
    assert plan_present(known, MachineWish("m1", power=Power("manual"))).after["power"] == {"type": "manual"}


def test_machine_as_wished_is_left_alone() -> None:
    assert not plan_present(view(), MachineWish("m1", (MAC,), "amd64/generic", None, IPMI)).changed


def test_nothing_wished_is_nothing_changed() -> None:
    assert not plan_present(view(), MachineWish("m1")).changed


def test_interfaces_found_by_commissioning_stay() -> None:
    plan = plan_present(view(), MachineWish("m1", (MAC, OTHER)))
    assert plan.after["mac_addresses"] == [MAC, OTHER, FOUND]


def test_other_boot_interface_is_a_change() -> None:
    plan = plan_present(view(), MachineWish("m1", (FOUND,)))
    assert plan.after["mac_addresses"] == [FOUND, MAC]
    assert plan.changed


def test_order_of_further_macs_does_not_matter() -> None:
    assert not plan_present(view(mac_addresses=[MAC, OTHER, FOUND]), MachineWish("m1", (MAC, FOUND, OTHER))).changed


def test_password_goes_along_with_any_power_change() -> None:
    plan = plan_present(view(), MachineWish("m1", power=Power("ipmi", "10.30.0.99", None, "admin", "sesame")))
    values = form_values(plan.actions[0].values)
    assert values["power_parameters_power_address"] == "10.30.0.99"
    assert values["power_parameters_power_pass"] == "sesame"


def test_password_alone_is_no_change_on_create_and_one_always() -> None:
    wish = MachineWish("m1", power=IPMI)
    assert not plan_present(view(), wish, "on_create").changed
    assert plan_present(view(), wish, "always").changed


def test_always_without_a_password_converges() -> None:
    wish = MachineWish("m1", power=Power("ipmi", "10.30.0.11", None, "admin", None))
    assert not plan_present(view(), wish, "always").changed


def test_no_plan_shows_the_password() -> None:
    for before in ({}, view()):
        plan = plan_present(before, MachineWish("m1", (MAC,), power=IPMI), "always")
        assert "sesame" not in repr(plan)
        assert "sesame" not in str(plan.result())
        assert plan.before != plan.after


def test_absent_deletes_once() -> None:
    assert [str(action) for action in plan_absent(view(), "m1").actions] == ["delete machine m1"]
    assert not plan_absent({}, "m1").changed


class Noting(dict[str, Any]):
    """A machine object that notes what is asked of it."""

    def __init__(self, **values: Any) -> None:
        super().__init__(values)
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.asked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def test_list_of_machines_is_read_with_every_field_that_a_plan_needs() -> None:
    noting = Noting(
        hostname="m1",
        architecture="amd64/generic",
        description="",
        power_type="ipmi",
        boot_interface={"mac_address": MAC},
        interface_set=[{"mac_address": MAC}],
        domain={"name": "rackyard.internal"},
        zone={"name": "default"},
        pool={"name": "default"},
    )
    machine_view(noting, {})
    assert noting.asked <= set(FIELDS.split(","))


def test_view_puts_the_boot_interface_first() -> None:
    machine = {
        "hostname": "m1",
        "architecture": "amd64/generic",
        "description": "",
        "power_type": "ipmi",
        "boot_interface": {"mac_address": OTHER},
        "interface_set": [{"mac_address": MAC}, {"mac_address": OTHER}],
        "domain": {"name": "rackyard.internal"},
        "zone": {"name": "default"},
        "pool": {"name": "default"},
    }
    shown = machine_view(machine, {"power_address": "10.30.0.11", "power_port": "6230", "power_user": ""})
    assert shown["mac_addresses"] == [OTHER, MAC]
    assert shown["power"] == {"type": "ipmi", "address": "10.30.0.11", "port": 6230, "user": None}
