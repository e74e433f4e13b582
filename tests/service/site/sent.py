# SPDX-License-Identifier: GPL-3.0-or-later
"""What the rights' matrix sends with requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from tests.service.site.conftest import TEXT_RECORD

NOTHING: Mapping[str, object] = MappingProxyType({})

# The least that an operation has to be told for it to do something, where that is anything: without it, it may refuse
# before it has looked at who asks, or at what the request is about. A name in braces is a part of `things`.
_GRANT = {"role": "operator", "pool": "p"}
_DISK_IMAGE = {"name": "o/other", "architecture": "amd64", "sha256": "1" * 64, "size": "1"}
_ZONE = {"nodes": "{system_id}", "zone": "z"}
SENT: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("/users/", "POST"): {"username": "new", "password": "correct horse"},
    ("/users/<username>/", "POST change_password"): {"password": "correct horse"},
    ("/users/<username>/", "POST grant"): _GRANT,
    ("/users/<username>/", "POST revoke"): _GRANT,
    ("/users/<username>/", "PUT"): {"is_superuser": "true"},
    ("/usergroups/", "POST"): {"name": "g2"},
    ("/usergroups/<group>/", "POST add_member"): {"username": "{username}"},
    ("/usergroups/<group>/", "POST grant"): _GRANT,
    ("/usergroups/<group>/", "POST remove_member"): {"username": "{username}"},
    ("/usergroups/<group>/", "POST revoke"): _GRANT,
    ("/account/", "POST delete_authorisation_token"): {"token_key": "x"},
    ("/account/", "POST update_token_name"): {"token": "x", "name": "y"},
    ("/account/prefs/sshkeys/", "POST"): {"key": f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{'B' * 43}"},
    ("/files/", "POST"): {"filename": "f2", "file": "x"},
    ("/notifications/", "POST"): {"message": "x", "users": "true"},
    # What would be asked of others' servers is refused before.
    ("/account/prefs/sshkeys/", "POST import"): {"keysource": "gh:"},
    ("/boot-resources/", "POST"): _DISK_IMAGE,
    ("/machines/", "POST"): {"commission": "false", "mac_addresses": "52:54:00:00:00:02"},
    ("/machines/", "POST accept"): {"machines": "{system_id}"},
    ("/machines/", "POST set_zone"): _ZONE,
    ("/devices/", "POST"): {"mac_addresses": "52:54:00:00:00:21"},
    ("/nodes/", "POST set_zone"): _ZONE,
    ("/nodes/<system_id>/interfaces/", "POST create_bond"): {"name": "bond0", "parents": "{interface}"},
    ("/nodes/<system_id>/interfaces/", "POST create_bridge"): {"name": "br0", "parent": "{interface}"},
    ("/nodes/<system_id>/interfaces/", "POST create_vlan"): {"parent": "{interface}", "vlan": "1"},
    ("/nodes/<system_id>/interfaces/", "POST create_physical"): {"mac_address": "52:54:00:00:00:03"},
    ("/nodes/<system_id>/interfaces/<interface>/", "POST add_tag"): {"tag": "x"},
    ("/nodes/<system_id>/interfaces/<interface>/", "POST link_subnet"): {"mode": "dhcp", "subnet": "s"},
    ("/nodes/<system_id>/interfaces/<interface>/", "POST set_default_gateway"): {"link_id": "1"},
    ("/nodes/<system_id>/interfaces/<interface>/", "POST unlink_subnet"): {"id": "1"},
    ("/nodes/<system_id>/interfaces/<interface>/", "POST remove_tag"): {"tag": "x"},
    ("/tags/", "POST"): {"name": "t2"},
    ("/tags/<name>/", "POST update_nodes"): {"add": "{system_id}"},
    ("/fabrics/<fabric>/vlans/", "POST"): {"vid": "5"},
    ("/subnets/", "POST"): {"cidr": "203.0.113.0/24"},
    ("/ipaddresses/", "POST reserve"): {"subnet": "s"},
    ("/ipaddresses/", "POST change"): {"ip": "198.51.100.60", "hostname": "x"},
    ("/ipaddresses/", "POST release"): {"ip": "198.51.100.60"},
    ("/static-routes/", "POST"): {"source": "t", "destination": "s", "gateway_ip": "192.0.2.2"},
    ("/ipranges/", "POST"): {"type": "reserved", "start_ip": "198.51.100.30", "end_ip": "198.51.100.31"},
    ("/maas/", "GET get_config"): {"name": "keep_boots"},
    ("/maas/", "POST set_config"): {"name": "keep_boots", "value": "7"},
    ("/zones/", "POST"): {"name": "z2"},
    ("/resourcepools/", "POST"): {"name": "p2"},
    ("/domains/", "POST"): {"name": "e.org"},
    ("/domains/", "POST set_serial"): {"serial": "7"},
    ("/dnsresources/", "POST"): {"fqdn": "b.d.org", "ip_addresses": "198.51.100.40"},
    ("/dnsresourcerecords/", "POST"): {**TEXT_RECORD, "rrdata": "y"},
    ("/dhcp-snippets/", "POST"): {"name": "n2", "value": "option time-offset 0;"},
    ("/dhcp-snippets/<int:snippet_id>/", "POST revert"): {"to": "-1"},
    ("/machines/<system_id>/", "POST commission"): {"testing_scripts": "none"},
    ("/machines/<system_id>/", "POST test"): {"testing_scripts": "none"},
    ("/scripts/", "POST"): {"name": "s2", "script": "#!/bin/sh\n"},
    ("/scripts/<script>", "POST add_tag"): {"tag": "t"},
    ("/scripts/<script>", "POST remove_tag"): {"tag": "t"},
    ("/scripts/<script>", "POST revert"): {"to": "-0"},
    ("/package-repositories/", "POST"): {"name": "r2", "url": "http://d.org"},
    **{
        (f"/{collection}/", "GET is_registered"): {"mac_address": "52:54:00:00:00:01"}
        for collection in ("devices", "machines", "nodes", "rackcontrollers", "regioncontrollers")
    },
    **{
        (f"/{collection}/", "POST set_zone"): _ZONE
        for collection in ("devices", "rackcontrollers", "regioncontrollers")
    },
}
# The same operation may be for others when it is asked for more.
MORE: tuple[tuple[str, str, Mapping[str, str], str], ...] = (
    ("/machines/", "POST", {**SENT["/machines/", "POST"], "pool": "elsewhere"}, "elsewhere"),
    ("/machines/<system_id>/", "PUT", {"power_type": "manual"}, "operator"),
    ("/machines/<system_id>/", "PUT", {"pool": "elsewhere"}, ""),
    ("/machines/<system_id>/", "PUT", {"zone": "z"}, "operator owner"),
    ("/tags/<name>/", "POST update_nodes", {"remove": "{system_id}"}, "operator owner"),
)


def told(
    path: str, operation: str, parts: Mapping[str, object] = NOTHING, given: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The parameters of a request: `given`, or else what SENT says, about these things."""
    values = SENT.get((path, operation), {}) if given is None else given
    about = partial(re.sub, r"{([a-z_]+)}", lambda part: str(parts.get(part[1], 1)))
    return {name: about(text) for name, text in values.items()}


def sent_with(
    path: str, operation: str, parts: Mapping[str, object] = NOTHING, given: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """The body of a request, as the test client takes it; those of a question are in its URL."""
    values = told(path, operation, parts, given)
    return {"data": values} if values and not operation.startswith("GET") else {}
