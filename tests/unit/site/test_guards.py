# SPDX-License-Identifier: GPL-3.0-or-later
"""Every service function that an operator reaches, by API, page or command line, and that changes something asks for
a permission: found in the source, so that a new one cannot be forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rackyard.region.db.queries import all_queries

REGION = Path(__file__).resolve().parents[3] / "src/rackyard/region"
# Not an operator's way in: racks and machines show their own credentials there, or nobody asks.
NO_DOOR = {"db", "ephemeral", "metadata", "rpc", "services", "worker"}
SERVICES = "rackyard.region.services."
AUTHORISATION = f"{SERVICES}site.authorisation."
WRITING = re.compile(r"\b(INSERT INTO|(?<!FOR )(?<!DO )UPDATE|DELETE FROM)\b")

# What each of them asks for. Those that only show something secret are here as well.
PERMISSIONS = {
    "machines.device_links.link_subnet": {"EDIT_DEVICE"},
    "machines.device_links.unlink_subnet": {"EDIT_DEVICE"},
    "machines.devices.add_interface": {"EDIT_DEVICE"},
    "machines.devices.change_interface": {"EDIT_DEVICE"},
    "machines.devices.create": {"EDIT_DEVICE"},
    "machines.devices.delete": {"EDIT_DEVICE"},
    "machines.devices.delete_interface": {"EDIT_DEVICE"},
    "machines.devices.set_texts": {"EDIT_DEVICE"},
    "machines.devices.update": {"EDIT_DEVICE"},
    "machines.groups.create": {"MANAGE_GROUPS"},
    "machines.groups.delete": {"MANAGE_GROUPS"},
    "machines.groups.put_controller": {"EDIT_CONTROLLER"},
    "machines.groups.set_zone": {"EDIT_CONTROLLER", "EDIT_DEVICE", "EDIT_MACHINE"},
    "machines.groups.update": {"MANAGE_GROUPS"},
    "machines.interfaces.change_tags": {"EDIT_MACHINE"},
    "machines.interfaces.create_physical": {"EDIT_MACHINE"},
    "machines.interfaces.delete": {"EDIT_MACHINE"},
    "machines.interfaces.update": {"EDIT_MACHINE"},
    "machines.links.clear_default_gateways": {"EDIT_MACHINE"},
    "machines.links.disconnect": {"EDIT_MACHINE"},
    "machines.links.link_subnet": {"EDIT_MACHINE"},
    "machines.links.set_default_gateway": {"EDIT_MACHINE"},
    "machines.links.unlink_subnet": {"EDIT_MACHINE"},
    "machines.power_settings.find_all": {"SEE_POWER_PARAMETERS"},
    "machines.power_settings.read": {"SEE_POWER_PARAMETERS"},
    "machines.registry.create": {"REGISTER_MACHINE", "SET_POWER_PARAMETERS"},
    "machines.registry.delete": {"DELETE_MACHINE"},
    "machines.registry.update": {"EDIT_MACHINE", "REGISTER_MACHINE", "SET_POWER_PARAMETERS"},
    "machines.tags.create": {"MANAGE_TAGS"},
    "machines.tags.delete": {"MANAGE_TAGS"},
    "machines.tags.rebuild": {"MANAGE_TAGS"},
    "machines.tags.update": {"MANAGE_TAGS"},
    "machines.tags.update_nodes": {"EDIT_CONTROLLER", "EDIT_DEVICE", "TAG_MACHINE"},
    "machines.texts.change": {"EDIT_MACHINE"},
    "machines.virtual_interfaces.create_bond": {"EDIT_MACHINE"},
    "machines.virtual_interfaces.create_bridge": {"EDIT_MACHINE"},
    "machines.virtual_interfaces.create_vlan": {"EDIT_MACHINE"},
    "network.dhcp_snippets.create": {"MANAGE_DHCP_SNIPPETS"},
    "network.dhcp_snippets.delete": {"MANAGE_DHCP_SNIPPETS"},
    "network.dhcp_snippets.read": {"MANAGE_DHCP_SNIPPETS"},
    "network.dhcp_snippets.revert": {"MANAGE_DHCP_SNIPPETS"},
    "network.dhcp_snippets.update": {"MANAGE_DHCP_SNIPPETS"},
    "network.dns_records.create": {"MANAGE_NETWORK"},
    "network.dns_records.create_record": {"MANAGE_NETWORK"},
    "network.dns_records.delete": {"MANAGE_NETWORK"},
    "network.dns_records.delete_record": {"MANAGE_NETWORK"},
    "network.dns_records.update": {"MANAGE_NETWORK"},
    "network.dns_records.update_record": {"MANAGE_NETWORK"},
    "network.domains.create": {"MANAGE_NETWORK"},
    "network.domains.delete": {"MANAGE_NETWORK"},
    "network.domains.set_default": {"MANAGE_NETWORK"},
    "network.domains.set_serial": {"MANAGE_NETWORK"},
    "network.domains.update": {"MANAGE_NETWORK"},
    "network.fabrics.create_fabric": {"MANAGE_NETWORK"},
    "network.fabrics.create_vlan": {"MANAGE_NETWORK"},
    "network.fabrics.delete_fabric": {"MANAGE_NETWORK"},
    "network.fabrics.delete_vlan": {"MANAGE_NETWORK"},
    "network.fabrics.update_fabric": {"MANAGE_NETWORK"},
    "network.fabrics.update_vlan": {"MANAGE_NETWORK"},
    "network.ip_ranges.create": {"MANAGE_NETWORK"},
    "network.ip_ranges.delete": {"MANAGE_NETWORK"},
    "network.ip_ranges.update": {"MANAGE_NETWORK"},
    "network.reserved_addresses.change": {"MANAGE_ADDRESSES"},
    "network.reserved_addresses.find_all": {"MANAGE_ADDRESSES"},
    "network.reserved_addresses.release": {"MANAGE_ADDRESSES"},
    "network.reserved_addresses.reserve": {"MANAGE_ADDRESSES"},
    "network.spaces.create": {"MANAGE_NETWORK"},
    "network.spaces.delete": {"MANAGE_NETWORK"},
    "network.spaces.update": {"MANAGE_NETWORK"},
    "network.static_routes.create": {"MANAGE_NETWORK"},
    "network.static_routes.delete": {"MANAGE_NETWORK"},
    "network.static_routes.update": {"MANAGE_NETWORK"},
    "network.subnets.create": {"MANAGE_NETWORK"},
    "network.subnets.delete": {"MANAGE_NETWORK"},
    "network.subnets.update": {"MANAGE_NETWORK"},
    "operations.commissioning.abort": {"OPERATE_MACHINE"},
    "operations.testing.start": {"OPERATE_MACHINE"},
    "operations.testing.override": {"EDIT_MACHINE"},
    "operations.commissioning.begin": {"OPERATE_MACHINE"},
    "operations.commissioning.start": {"OPERATE_MACHINE"},
    "operations.commissioning.start_if_possible": {"OPERATE_MACHINE"},
    "operations.marks.lock": {"LOCK_MACHINE"},
    "operations.acceptance.accept": {"OPERATE_MACHINE"},
    "operations.acceptance.accept_all": {"OPERATE_MACHINE"},
    "operations.acceptance.power_was_given": {"EDIT_MACHINE", "OPERATE_MACHINE"},
    "operations.marks.mark_broken": {"EDIT_MACHINE"},
    "operations.marks.mark_fixed": {"EDIT_MACHINE"},
    "operations.marks.unlock": {"LOCK_MACHINE"},
    "power.orders.query": {"VIEW"},
    "power.orders.request": {"OPERATE_MACHINE"},
    "racks.draining.begin": {"MANAGE_RACKS"},
    "racks.draining.end": {"MANAGE_RACKS"},
    "racks.enrolment.mint_token": {"MANAGE_RACKS"},
    "racks.enrolment.revoke": {"MANAGE_RACKS"},
    "racks.enrolment.revoke_by_hostname": {"MANAGE_RACKS"},
    # Who asks is not known before that: what is written is when a key was used, and who tried to log in.
    "site.accounts.authenticate": set(),
    "site.logins.authenticate": set(),
    "site.accounts.create_admin": {"MANAGE_ACCOUNTS"},
    "site.accounts.create_key": {"MANAGE_KEYS"},
    "site.accounts.keys_of": {"MANAGE_KEYS"},
    "site.accounts.rename_key": {"MANAGE_KEYS"},
    "site.accounts.login_key": {"MANAGE_KEYS"},
    "site.accounts.revoke_key": {"MANAGE_KEYS"},
    "site.audit.query": {"SEE_AUDIT"},
    # What it writes is that somebody was refused.
    "site.audit.refused": set(),
    "site.events.query": {"SEE_AUDIT"},
    "site.files.delete_own": {"MANAGE_FILES"},
    "site.files.list_own": {"MANAGE_FILES"},
    "site.files.put_own": {"MANAGE_FILES"},
    "site.files.read_own": {"MANAGE_FILES"},
    "site.images.prune": {"MANAGE_IMAGES"},
    "site.images.register": {"MANAGE_IMAGES"},
    "site.images.remove": {"MANAGE_IMAGES"},
    "site.notifications.create": {"MANAGE_NOTIFICATIONS"},
    "site.notifications.delete": {"MANAGE_NOTIFICATIONS"},
    "site.notifications.dismiss": {"VIEW"},
    "site.notifications.update": {"MANAGE_NOTIFICATIONS"},
    "site.package_repositories.create": {"MANAGE_REPOSITORIES"},
    "site.package_repositories.delete": {"MANAGE_REPOSITORIES"},
    "site.package_repositories.update": {"MANAGE_REPOSITORIES"},
    "site.regions.forget": {"MANAGE_REGIONS"},
    "site.restoration.make_fit": {"RESTORE_SITE"},
    "site.sealed.reseal": {"MANAGE_SETTINGS"},
    "site.scripts.create": {"MANAGE_SCRIPTS"},
    "site.scripts.delete": {"MANAGE_SCRIPTS"},
    "site.scripts.revert": {"MANAGE_SCRIPTS"},
    "site.scripts.tag": {"MANAGE_SCRIPTS"},
    "site.scripts.update": {"MANAGE_SCRIPTS"},
    "site.settings.put": {"MANAGE_SETTINGS"},
    "site.ssh_keys.add_own": {"MANAGE_SSH_KEYS"},
    "site.ssh_keys.import_own": {"MANAGE_SSH_KEYS"},
    "site.ssh_keys.list_own": {"MANAGE_SSH_KEYS"},
    "site.ssh_keys.read_own": {"MANAGE_SSH_KEYS"},
    "site.ssh_keys.remove_own": {"MANAGE_SSH_KEYS"},
    "site.rights.create_group": {"MANAGE_RIGHTS"},
    "site.rights.delete_group": {"MANAGE_RIGHTS"},
    "site.rights.list_groups": {"SEE_ACCOUNTS"},
    "site.rights.read_group": {"SEE_ACCOUNTS"},
    "site.rights.set_members": {"MANAGE_RIGHTS"},
    "site.rights.set_of_account": {"MANAGE_RIGHTS"},
    "site.rights.set_of_group": {"MANAGE_RIGHTS"},
    "site.rights.standings": {"SEE_ACCOUNTS"},
    "site.rights.update_group": {"MANAGE_RIGHTS"},
    "site.uploads.create": {"MANAGE_IMAGES"},
    "site.uploads.receive": {"MANAGE_IMAGES"},
    "site.users.add": {"MANAGE_ACCOUNTS"},
    "site.users.change": {"MANAGE_ACCOUNTS"},
    "site.users.list_all": {"SEE_ACCOUNTS"},
    "site.users.read": {"SEE_ACCOUNTS"},
    "site.users.remove": {"MANAGE_ACCOUNTS"},
    "site.users.set_password": {"SET_PASSWORD"},
}

# Where somebody shows who they are, by a key or a password.
IDENTIFYING = {"site.accounts.authenticate", "site.logins.authenticate"}


class Module:
    """One source file: its functions, and what its imported names stand for."""

    def __init__(self, name: str, path: Path) -> None:
        self.tree = tree = ast.parse(path.read_text(encoding="utf-8"))
        defined = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        self.functions = {f"{name}.{node.name}": node for node in defined}
        self.names = {key.rpartition(".")[2]: key for key in self.functions}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                self.names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}

    def callees(self, function: ast.AST) -> Iterator[str]:
        """Full names of what is called in a function, as far as a name tells."""
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield self.names.get(node.func.id, node.func.id)
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in self.names:
                    yield f"{self.names[owner.id]}.{node.func.attr}"


@cache
def modules() -> dict[str, Module]:
    """Every module of the region by its full name."""
    found = {}
    for path in REGION.rglob("*.py"):
        parts = path.relative_to(REGION).with_suffix("").parts
        name = ".".join(("rackyard.region", *(part for part in parts if part != "__init__")))
        found[name] = Module(name, path)
    return found


def reached(name: str) -> dict[str, ast.FunctionDef]:
    """The function of that name and all that it calls, directly or not."""
    found: dict[str, ast.FunctionDef] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        module = modules().get(current.rpartition(".")[0])
        if module is not None and current in module.functions and current not in found:
            found[current] = module.functions[current]
            waiting += module.callees(found[current])
    return found


def writes(function: ast.AST) -> bool:
    """Whether a function itself runs a statement that changes something. `run` is for those; `one` may be as well."""
    calls = [node.func for node in ast.walk(function) if isinstance(node, ast.Call)]
    if any(ast.unparse(call) == "tx.run" for call in calls):
        return True
    texts = [node.value for node in ast.walk(function) if isinstance(node, ast.Constant)]
    # A name that is put together, such as f"network.picture.add_{kind}", is known by its beginning.
    begun = tuple(text for text in texts if isinstance(text, str) and text.count(".") == 2 and " " not in text)
    return any(name.startswith(begun) and WRITING.search(sql) for name, sql in all_queries().items())


def asked_for(functions: dict[str, ast.FunctionDef]) -> set[str]:
    """The permissions that are named where somebody is authorised in the end."""
    if f"{AUTHORISATION}authorise" not in functions:
        return set()
    bodies = [body for name, body in functions.items() if not name.startswith(AUTHORISATION)]
    named = [node for body in bodies for node in ast.walk(body) if isinstance(node, ast.Attribute)]
    return {node.attr for node in named if ast.unparse(node.value) == "Permission"}


def operators_functions() -> set[str]:
    """The service functions that are called where operators come in."""
    called: set[str] = set()
    for path in REGION.rglob("*.py"):
        if path.relative_to(REGION).parts[0] not in NO_DOOR:
            module = Module("door", path)
            called |= set(module.callees(module.tree))
    return {name for name in called if name.startswith(SERVICES)}


def test_every_change_that_an_operator_can_ask_for_needs_its_permission() -> None:
    found = {}
    for name in operators_functions():
        functions = reached(name)
        permissions = asked_for(functions)
        if permissions or any(writes(body) for body in functions.values()):
            found[name.removeprefix(SERVICES)] = permissions
    assert found == PERMISSIONS


def test_who_acts_is_told_to_a_service_and_never_made_up_by_one() -> None:
    """Only where operators come in it is known who they are; a service that needs to know takes an Actor."""
    for module in modules().values():
        for name, function in module.functions.items():
            if name.startswith(SERVICES) and not name.startswith(AUTHORISATION):
                makes = any("authorisation.Actor" in callee for callee in module.callees(function))
                uses_constant = any(ast.unparse(node) == "COMMAND_LINE" for node in ast.walk(function))
                assert (makes, uses_constant) == (name.removeprefix(SERVICES) in IDENTIFYING, False), name
