# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/modules.md: each operation of the API with the module that does it, or why none does.

`PYTHONPATH=src:plugins/module_utils python tests/modules_page.py` writes the page; a test holds it to the API.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from rackyard.region import api
from rackyard.region.api import openapi
from rackyard_core.resources import RESOURCES, Resource

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs/modules.md"

# What is made, changed and removed by POST, PUT and DELETE without an operation, by the URL of all of it.
DECLARED = {
    "/account/prefs/sshkeys/": "ssh_key",
    "/boot-resources/": "boot_resource",
    "/devices/": "device",
    "/dhcp-snippets/": "dhcp_snippet",
    "/dnsresourcerecords/": "dns_record",
    "/dnsresources/": "dns_record",
    "/domains/": "dns_domain",
    "/fabrics/": "fabric",
    "/fabrics/{fabric}/vlans/": "vlan",
    "/ipranges/": "ip_range",
    "/machines/": "machine",
    "/nodes/{system_id}/interfaces/": "machine_interface",
    "/notifications/": "notification",
    "/package-repositories/": "package_repository",
    "/rackcontrollers/": "rack_controller",
    "/regioncontrollers/": "region_controller",
    "/resourcepool/": "resource_pool",
    "/resourcepools/": "resource_pool",
    "/scripts/": "script",
    "/spaces/": "space",
    "/static-routes/": "static_route",
    "/subnets/": "subnet",
    "/tags/": "tag",
    "/usergroups/": "user_group",
    "/users/": "user",
    "/vlans/": "vlan",
    "/zones/": "zone",
}
# Operations, as they match whole; the first that matches counts, before DECLARED.
OPERATIONS = {
    r"POST /account/ (create|delete)_authorisation_token": "api_key",
    r"GET /boot-resources/{image_id}/": "boot_resource",
    r"POST /domains/{domain}/ set_default": "dns_domain",
    r"GET /fabrics/{fabric}/vlans/({vid}/)?": "resource_info",
    r"(POST|DELETE|GET) /files/({filename}/)?( get)?": "file",
    r"POST /machines/{system_id}/ set_(owner_data|workload_annotations)": "machine",
    r"POST /devices/{system_id}/ set_(owner_data|workload_annotations)": "device",
    r"POST /machines/{system_id}/ abort": "machine_abort",
    r"POST /machines/{system_id}/ commission": "machine_commission",
    r"POST /machines/{system_id}/ override_failed_testing": "machine_mark",
    r"POST /machines/{system_id}/ test": "machine_test",
    r"(GET|POST) /machines/ (accept|accept_all|enlistments)": "machine_enlistment",
    r"POST /machines/{system_id}/ (lock|mark_broken|mark_fixed|unlock)": "machine_mark",
    r"(POST|GET) /machines/{system_id}/ (power_on|power_off|query_power_state)": "machine_power",
    r"POST /account/prefs/sshkeys/ import": "ssh_key",
    r"POST /ipaddresses/ (reserve|change|release)": "ip_address",
    r"GET /(machines|rackcontrollers)/({system_id}/)? drift": "drift_info",
    r"GET /machines/({system_id}/)? power_parameters": "machines",
    r"GET /machines/({system_id}/)?( boot_timeline)?": "machine_info",
    r"POST /maas/ set_config": "settings",
    r"GET /nodes/{system_id}/(interfaces|blockdevices|results)/({\w+}/)?": "resource_info",
    r"GET /subnets/({address}/{prefix}|{subnet})/ \w+": "resource_info",
    r"POST /nodes/{system_id}/interfaces/ create_(physical|bond|bridge|vlan)": "machine_interface",
    r"POST /nodes/{system_id}/interfaces/{interface}/ (link_subnet|unlink_subnet|set_default_gateway)":
        "machine_interface",
    r"POST /tags/{name}/ update_nodes": "tag",
    r"POST /usergroups/{group}/ (add_member|remove_member|grant|revoke)": "user_group",
    r"POST /users/{username}/ (change_password|grant|revoke)": "user",
}  # fmt: skip
# Why no module does it, as OPERATIONS.
REASONS = {
    r"POST /account/ update_token_name": "a key is found by its name; make another one and end the old one",
    r"(PUT|DELETE) /fabrics/{fabric}/vlans/{vid}/": "the same as by the id, which `vlan` uses",
    r"(GET|PUT|DELETE) /subnets/{address}/{prefix}/": "the same as by the id, which `subnet` uses",
    r"PUT /boot-resources/{image_id}/upload/{upload_id}/": "a part of an upload, which `boot_resource` sends",
    r"GET /(boot-sources|license-keys|pods|vm-hosts)/|GET /boot-resources/ is_importing":
        "nothing is there, which clients of MAAS ask for",
    r"POST /domains/ set_serial": "once, when zones come from elsewhere; they count on by themselves",
    r"GET /(devices|nodes|rackcontrollers|regioncontrollers)/({system_id}/)? (details|power_parameters)":
        "clients of MAAS ask for it; nothing has it but machines, which have their modules",
    r"GET /rackcontrollers/{system_id}/ query_power_state": "`resource_info` shows whether a rack is alive",
    r"GET /controllers/( page)?": "the site's own status; playbook `status` shows it, a monitor asks for it",
    r"POST /(devices|machines|nodes|rackcontrollers|regioncontrollers)/ set_zone":
        "for many by their system_id; the modules have option `zone`",
    r"GET /(devices|machines|nodes|rackcontrollers|regioncontrollers)/ is_registered":
        "asked without a key by what would register itself",
    r"POST /dhcp-snippets/{snippet_id}/ revert": "what was before is in the playbook's history; declare that",
    r"GET /machines/{system_id}/ details": "raw output of lshw and lldpd; `machine_info` shows what was read of it",
    r"GET /machines/ list_allocated": "`machine_info` shows the owner of each",
    r"POST /machines/{system_id}/ clear_default_gateways":
        "what a person does once: a playbook would do it again after somebody has undone it",
    r"(GET|DELETE) /nodes/({system_id}/)?( details)?": "machines, devices and controllers as one; each has its module",
    r"POST /nodes/{system_id}/interfaces/{interface}/ (add_tag|remove_tag|disconnect)":
        "`machine_interface` has tags and links as wishes",
    r"GET /files/ get_by_key": "for whoever has no key; `ansible.builtin.uri` reads the address that `file` tells",
    r"GET /nodes/{system_id}/results/{boot_id}/ download":
        "the same as one file, for people; `resource_info` reads the words",
    r"POST /notifications/{notification_id}/ dismiss": "each says for himself that he has read it",
    r"GET /rackcontrollers/{system_id}/ list_boot_images": "all racks have what `resource_info` lists of the regions",
    r"GET /scripts/{script} download": "`resource_info` has the texts, in base64",
    r"POST /scripts/{script} revert": "what was before is in the playbook's history; declare that",
    r"POST /scripts/{script} (add_tag|remove_tag)": "`script` has tags as wishes",
    r"GET /tags/{name}/ (machines|devices|nodes|rack_controllers|region_controllers)":
        "`machine_info` shows the tags of each, `tag` the machines",
    r"POST /tags/{name}/ rebuild": "definitions are followed by themselves",
    r"GET /users/ whoami": "asked by a program that was given a key",
    r"GET /version/": "asked by clients before anything else",
}  # fmt: skip
_HEAD = """# Modules and the API

Written by `tests/modules_page.py`. Each operation of a region's API (`openapi.json`), and the module of
`rackyard.metal` that does it, or why none does.
What lists read, `resource_info` reads; the object alone has nothing that its list has not.

| operation | module |
|---|---|
"""


def operations() -> Iterator[str]:
    """METHOD URL OP of all that the region does, those of one URL together."""
    for path, described in openapi.document(api.resources(), api.PREFIX, "")["paths"].items():
        for method in ("get", "post", "put", "delete"):
            for op in sorted(described.get(method, {}).get("x-ops", ())):
                yield f"{method.upper()} {path} {op}".rstrip()


def answers(operation: str) -> list[tuple[str, str]]:
    """What speaks for the operation, the first counts: the rule, and the module or the reason."""
    found = [
        (rule, said)
        for rules in (OPERATIONS, REASONS)
        for rule, said in rules.items()
        if re.fullmatch(rule.replace("{", r"\{").replace("}", r"\}"), operation)
    ]
    method, path, op = (*operation.split(), "")[:3]
    listed = re.sub(r"{\w+}/?$", "", path)
    if method == "GET":
        return found + [("", "resource_info") for known in RESOURCES.values() if _is_of(known, listed, op)]
    return [*found, (listed, DECLARED[listed])] if listed in DECLARED and not op else found


def page() -> str:
    """The page as it has to be."""
    rows = [f"| `{operation}` | {_shown(answers(operation)[0][1])} |\n" for operation in operations()]
    return _HEAD + "".join(rows)


def _is_of(known: Resource, listed: str, op: str) -> bool:
    plural = {"/resourcepool/": "/resourcepools/", "/vlans/": "/fabrics/"}.get(listed, listed)
    return f"/{known.path}" == plural and (known.op or "") == op


def _shown(said: str) -> str:
    return f"`{said}`" if re.fullmatch(r"[a-z_]+", said) else f"none: {said}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
