# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventory plugin machines: Ansible's own inventory of a real region's machines and controllers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleError
from ansible.inventory.data import InventoryData
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader
from ansible.template import Templar, trust_as_template
from ansible.vars.manager import VariableManager

from ansible_collections.rackyard.metal.plugins.modules import resource_pool, subnet, tag

Result = dict[str, Any]
Run = Callable[..., Result]
Write = Callable[..., str]
Read = Callable[..., InventoryManager]
PLUGIN = "rackyard.metal.machines"


@pytest.fixture
def write(run: Run, tmp_path: Path) -> Write:
    """A file with these options; the region and the key are in the environment, as with modules."""

    def file(**options: Any) -> str:
        path = tmp_path / "site.rackyard.yml"
        path.write_text(yaml.safe_dump({"plugin": PLUGIN, **options}), encoding="utf-8")
        return str(path)

    return file


@pytest.fixture
def read(write: Write) -> Read:
    """Ansible's inventory with these options."""
    return lambda **options: InventoryManager(DataLoader(), sources=[write(**options)])


@pytest.fixture
def refusal(write: Write) -> Callable[..., str]:
    """Why these options are refused. Ansible goes on with other plugins then, and with a warning."""

    def words(**options: Any) -> str:
        with pytest.raises(AnsibleError) as refused:
            inventory_loader.get(PLUGIN).parse(InventoryData(), DataLoader(), write(**options))
        assert refused.value.__cause__ is None, "Ansible prints the words of that one as well"
        return str(refused.value)

    return words


def names(inventory: InventoryManager, pattern: str = "all") -> list[str]:
    return sorted(str(host.name) for host in inventory.get_hosts(pattern))


def variables(inventory: InventoryManager, name: str) -> Result:
    found: Result = VariableManager(DataLoader(), inventory).get_vars(host=inventory.get_host(name))
    return {key: value for key, value in found.items() if key.startswith("rackyard_") or key == "ansible_host"}


@pytest.fixture
def site(run: Run, register: Callable[..., Result], execute: Callable[..., Any]) -> None:
    """Two machines, one of them with hardware, a tag, a pool and a lease."""
    run(resource_pool, name="web")
    run(subnet, name="boot", cidr="198.51.100.0/24", fabric="dc1")
    register(pool="web")
    second = {"hostname": "m2", "mac_addresses": ["52:54:00:20:01:02"], "power": {"type": "manual"}}
    assert register(**second, description="{{ 7 * 6 }}")["changed"]
    run(tag, name="gpu", machines=["m1"])
    execute("UPDATE machine SET cpu_count = 4, memory_mib = 8192 WHERE hostname = 'm1'")
    heard = '{"chassis_name": "sw1", "port_id": "Eth7"}'
    execute("UPDATE machine_interface SET lldp = %s WHERE mac = '52:54:00:20:01:01'", heard)
    execute("INSERT INTO lease (mac, ip, state, at) VALUES ('52:54:00:20:01:01', '198.51.100.7', 'commit', now())")


@pytest.mark.usefixtures("site")
def test_machines_with_what_is_known_of_them(read: Read) -> None:
    inventory = read()
    assert names(inventory) == ["m1", "m2"]
    known = variables(inventory, "m1")
    assert (known["rackyard_status"], known["rackyard_pool"], known["rackyard_zone"]) == ("New", "web", "default")
    assert (known["rackyard_tags"], known["rackyard_power_type"]) == (["gpu"], "ipmi")
    hardware = known["rackyard_hardware"]
    assert (hardware["cpu_count"], hardware["memory_mib"]) == (4, 8192)
    assert hardware["interfaces"][0]["lldp"] == {"chassis_name": "sw1", "port_id": "Eth7"}
    assert not any("sesame" in str(value) for value in known.values())


@pytest.mark.usefixtures("site")
def test_groups_variables_and_names_as_the_operator_wants_them(read: Read) -> None:
    inventory = read(
        hostnames=["fqdn"],
        keyed_groups=[{"key": "rackyard_pool", "prefix": "pool"}, {"key": "rackyard_tags", "prefix": "tag"}],
        groups={"large": "rackyard_hardware.memory_mib >= 8192"},
        compose={"switch_port": "rackyard_hardware.interfaces[0].lldp.port_id"},
        strict=False,
    )
    first = "m1.rackyard.internal"
    assert names(inventory, "pool_web") == names(inventory, "tag_gpu") == names(inventory, "large") == [first]
    assert names(inventory, "pool_default") == ["m2.rackyard.internal"]
    host = inventory.get_host(first)
    assert host is not None
    assert host.vars["switch_port"] == "Eth7"


@pytest.mark.usefixtures("site")
def test_text_of_the_region_is_no_template(read: Read) -> None:
    inventory = read(compose={"told": "rackyard_description", "shown": "rackyard_description | upper"}, strict=True)
    known = VariableManager(DataLoader(), inventory).get_vars(host=inventory.get_host("m2"))
    templar = Templar(loader=DataLoader(), variables=known)
    for name in ("rackyard_description", "told", "shown"):
        assert templar.template(trust_as_template("{{ " + name + " }}")) == "{{ 7 * 6 }}"


@pytest.mark.usefixtures("site")
def test_region_filters_and_refuses_what_hides_all(read: Read, refusal: Callable[..., str]) -> None:
    assert names(read(filters={"pool": "web"}, hardware=False)) == ["m1"]
    assert names(read(filters={"not_tags": ["gpu"]})) == ["m2"]
    assert "no resource pool 'wbe'" in refusal(filters={"pool": "wbe"})
    assert "is no filter of machines" in refusal(filters={"fields": "x"})


@pytest.mark.usefixtures("site")
def test_address_is_that_of_the_wanted_subnet(read: Read, refusal: Callable[..., str]) -> None:
    assert variables(read(), "m1")["ansible_host"] == "198.51.100.7"
    assert variables(read(ansible_host_subnets=["203.0.113.0/24", "boot"]), "m1")["ansible_host"] == "198.51.100.7"
    elsewhere = read(ansible_host_subnets=["203.0.113.0/24"])
    assert "ansible_host" not in variables(elsewhere, "m1")
    assert "There is no subnet bot from which ansible_host could be; the region has boot" in refusal(
        ansible_host_subnets=["bot"]
    )


@pytest.mark.usefixtures("site")
def test_cache_answers_until_it_is_told_not_to(read: Read, run: Run, tmp_path: Path) -> None:
    options = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    assert names(read(**options)) == ["m1", "m2"]
    run(tag, name="gpu", state="absent")
    assert variables(read(**options), "m1")["rackyard_tags"] == ["gpu"]
    inventory = read(**options)
    inventory.refresh_inventory()
    assert variables(read(cache=False), "m1")["rackyard_tags"] == []


def test_controllers_are_in_the_groups_of_site_yml(read: Read, run: Run, rack: str, execute: Any) -> None:
    run(tag, name="edge")
    host = {"osystem": "debian", "distro_series": "trixie", "memory_mib": 7800, "hardware": {"system_vendor": "Dell"}}
    execute("UPDATE rack SET host = %s", (json.dumps(host),))
    execute("INSERT INTO rack_tag (tag_id, rack_id) SELECT tag.id, rack.id FROM tag, rack")
    by = {"keyed_groups": [{"key": "rackyard_distro_series", "prefix": "debian"}]}
    inventory = read(mode="controllers", ansible_host_subnets=["10.20.0.0/24"], **by)
    assert names(inventory, "racks") == [rack]
    known = variables(inventory, rack)
    assert known["ansible_host"] == "10.20.0.2"
    assert (known["rackyard_alive"], known["rackyard_system_id"]) == (True, "abcdef")
    assert (known["rackyard_tags"], known["rackyard_zone"], known["rackyard_osystem"]) == (
        ["edge"],
        "default",
        "debian",
    )
    hardware = known["rackyard_hardware"]
    assert (hardware["memory_mib"], hardware["system_vendor"], hardware["storage_mb"]) == (7800, "Dell", None)
    assert names(inventory, "debian_trixie") == [rack]
    assert "rackyard_hardware" not in variables(read(mode="controllers", hardware=False), rack)


def test_key_that_the_region_does_not_know_is_said_in_its_words(refusal: Callable[..., str]) -> None:
    assert "does not know this API key" in refusal(api_key="a:b:c")
