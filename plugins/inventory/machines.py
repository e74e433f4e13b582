# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts of an inventory from what the region knows."""

from __future__ import annotations

DOCUMENTATION = r"""
name: machines
short_description: Machines of a region, or its controllers, as hosts
version_added: 0.1.0
author:
  - The Rackyard developers (@rackyard)
description:
  - Gives a host for each machine that the region knows, with its hardware, status, tags, pool, zone and addresses as variables.
  - With O(mode=controllers) the hosts are the regions and racks themselves, in groups C(regions) and C(racks), which is what C(site.yml) wants.
  - Its file is called C(rackyard.yml), or ends in C(.rackyard.yml); C(yaml) is as good as C(yml).
extends_documentation_fragment:
  - constructed
  - inventory_cache
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [rackyard.metal.machines]
  mode:
    description: What the hosts are.
    type: str
    choices: [machines, controllers]
    default: machines
  region_url:
    description: Address of the region, with the C(/MAAS) at its end.
    type: str
    required: true
    env:
      - name: RACKYARD_URL
  api_key:
    description:
      - API key in its text form C(consumer:token:secret). One of an account that may only look is enough.
      - When it is neither here nor in its variable, it is taken from the file that the environment variable E(RACKYARD_API_KEY_FILE) names.
    type: str
    env:
      - name: RACKYARD_API_KEY
  ca_path:
    description: PEM file of a CA to trust besides the system's. An empty file is as good as none.
    type: path
    env:
      - name: RACKYARD_CA_PATH
  validate_certs:
    description: Whether the certificate of an C(https) region must be valid.
    type: bool
    default: true
    env:
      - name: RACKYARD_VALIDATE_CERTS
  request_timeout_s:
    description: Seconds that the region may take for one answer.
    type: float
    default: 60.0
    env:
      - name: RACKYARD_REQUEST_TIMEOUT_S
  filters:
    description:
      - Which machines, by the filters of the region's C(machines/), such as C(pool), C(zone), C(tags), C(status), C(hostname) and their C(not_) forms. A list
        stands for any of its values, in C(tags) for all of them.
      - The region filters, so that a part of a large site is read quickly. A name that nothing has is an error.
    type: dict
    default: {}
  hardware:
    description: Whether to read hardware. Without it a large site takes a fraction of the time.
    type: bool
    default: true
  hostnames:
    description: What a host is called, the first of these that no other host has.
    type: list
    elements: str
    choices: [hostname, fqdn, system_id]
    default: [hostname, fqdn]
  ansible_host_subnets:
    description:
      - Subnets, by name or CIDR, of which C(ansible_host) is an address, in this order. A host that has none there has no C(ansible_host).
      - Without this option it is the first address of the host, if it has one.
    type: list
    elements: str
    default: []
notes:
  - All variables begin with C(rackyard_), such as C(rackyard_status), C(rackyard_pool), C(rackyard_tags); C(rackyard_hardware) has what
    M(rackyard.metal.machine_info) returns as C(hardware), with the switch port that each interface hears.
  - Controllers have C(rackyard_version), C(rackyard_alive), C(rackyard_services) (state by name), C(rackyard_zone), C(rackyard_tags), C(rackyard_addresses),
    C(rackyard_architecture), C(rackyard_osystem), C(rackyard_distro_series), C(rackyard_hardware_uuid) and C(rackyard_hardware), without disks. A host that is
    region and rack has the tags and the services of both.
  - Of a large site, an expression that reads the same values of many hosts, such as C(rackyard_hardware.memory_mib >= 262144), is evaluated once for all of
    them. A variable alone takes no time either. One that gives each host something of its own, such as C(rackyard_fqdn.split('.')[0]), takes about three
    seconds for 10,000 hosts, and one with a lookup no less.
seealso:
  - module: rackyard.metal.machine_info
"""

EXAMPLES = r"""
# All machines, in groups by status, pool, and each of their tags.
plugin: rackyard.metal.machines
region_url: http://region1.example.org:5240/MAAS
keyed_groups:
  - key: rackyard_status | lower | replace(' ', '_')
    prefix: status
  - key: rackyard_pool
    prefix: pool
  - key: rackyard_tags
    prefix: tag
---
# Ready machines of one pool, by their addresses in the network "admin", with the switch that their first interface hears.
plugin: rackyard.metal.machines
filters:
  pool: web
  status: [ready]
ansible_host_subnets: [admin]
compose:
  switch: rackyard_hardware.interfaces[0].lldp.chassis_name | default('')
groups:
  large: rackyard_hardware.memory_mib >= 262144
---
# Regions and racks, for site.yml, and groups of them by release and by each of their tags.
plugin: rackyard.metal.machines
mode: controllers
keyed_groups:
  - key: rackyard_distro_series
    prefix: debian
  - key: rackyard_tags
    prefix: tag
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ..module_utils.rackyard_core import inventory as known
from ..module_utils.rackyard_core.client import RegionClient, RegionError
from ..module_utils.rackyard_core.inventory import Host
from ..module_utils.rackyard_core.region_options import region_client
from ..plugin_utils.expressions import Expressions

PREFIX = "rackyard_"
FILES = ("rackyard.yml", "rackyard.yaml")


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Reads, or takes from the cache, what the region knows, and says it to Ansible."""

    NAME = "rackyard.metal.machines"

    @cached_property
    def templar(self) -> Expressions:
        """Evaluates for Constructable what a host is not sure to have in common with another."""
        return Expressions(super().templar)

    def verify_file(self, path: str) -> bool:
        """Whether the file may be ours, by its name."""
        return bool(super().verify_file(path)) and (path.endswith(FILES))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Add hosts. Raises AnsibleParserError with the region's words."""
        super().parse(inventory, loader, path, cache)
        self._read_config_data(path)
        try:
            hosts, networks = self._found(path, cache)
        except RegionError as error:
            # Ansible prints what an error was raised from, which would be the same words.
            raise AnsibleParserError(f"{path}: {error}") from None
        for name, host in _called(hosts, self.get_option("hostnames")):
            self._add(name, host, networks)

    def _found(self, path: str, cache: bool) -> tuple[list[Host], Sequence[str]]:
        """Hosts and the networks of their addresses, which a cache has as well."""
        key, wanted = self.get_cache_key(path), self.get_option("cache")
        self.load_cache_plugin()
        if wanted and cache:
            try:
                kept = self._cache[key]
                return [Host.from_dict(each) for each in kept["hosts"]], kept["networks"]
            except KeyError:
                pass
        hosts, networks = self._read()
        if wanted:
            self._cache[key] = {"hosts": [host.as_dict() for host in hosts], "networks": list(networks)}
        return hosts, networks

    def _read(self) -> tuple[list[Host], Sequence[str]]:
        names = ("region_url", "api_key", "ca_path", "validate_certs", "request_timeout_s")
        client = region_client({name: self._text(self.get_option(name)) for name in names})
        networks = known.networks_of(client, self.get_option("ansible_host_subnets"))
        return self._hosts(client), networks

    def _hosts(self, client: RegionClient) -> list[Host]:
        with_hardware = self.get_option("hardware")
        if self.get_option("mode") == "controllers":
            return known.controllers(client, with_hardware=with_hardware)
        return known.machines(client, self.get_option("filters"), with_hardware=with_hardware)

    def _text(self, value: Any) -> Any:
        """An address or a key may come from a lookup."""
        return self.templar.template(value) if isinstance(value, str) else value

    def _add(self, name: str, host: Host, networks: Sequence[str]) -> None:
        variables = {f"{PREFIX}{key}": value for key, value in host.variables.items()}
        address = known.address_in(host.addresses, networks)
        if address:
            variables["ansible_host"] = address
        self.inventory.add_host(name)
        for group in host.groups:
            self.inventory.add_host(name, self.inventory.add_group(group))
        self._set(name, variables)
        self._construct(name, variables)

    def _set(self, name: str, variables: Mapping[str, Any]) -> None:
        """Variables of a host. They are JSON that no other host shares, so that Ansible need not look at each part and copy it."""
        host = self.inventory.get_host(name)
        if host.vars.keys().isdisjoint(variables):
            host.vars.update(variables)
            return
        for key, value in variables.items():
            self.inventory.set_variable(name, key, value)

    def _construct(self, name: str, variables: Mapping[str, Any]) -> None:
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, name, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, name, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, name, strict=strict)


def _called(hosts: Iterable[Host], wanted: Sequence[str]) -> list[tuple[str, Host]]:
    """Hosts with a name of their own each."""
    taken: dict[str, Host] = {}
    for host in hosts:
        names = [host.names[kind] for kind in wanted]
        free = next((name for name in names if name not in taken), None)
        if free is None:
            raise AnsibleParserError(
                f"Two hosts are called {names[-1]}; add system_id, which no two have, to the option hostnames"
            )
        taken[free] = host
    return list(taken.items())
