# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients do that cannot be run here, call by call: a check is one call as that client sends it, and what the
client then reads. Each check makes what it needs, under names of its own, so that all share one region."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.serving import make_server

from rackyard.region.api import not_yet
from rackyard.region.context import Context
from tests.service.conftest import Api, run_sql

# What is refused because it belongs to a part of MAAS that is not built yet, and what never will be.
SCRIPTS, DEPLOYMENT = "enlistment, scripts and tests", "deployment"
OTHER, NEVER = "parameters refused by name", "not here by design"
WORKS = "works"
DOCS = Path(__file__).resolve().parents[3] / "docs/clients.md"
TYPES: Mapping[str, type] = {"str": str, "int": int, "bool": bool, "list": list, "dict": dict}
_BMC = {
    "power_type": "ipmi",
    "power_parameters_power_address": "{bmc}",
    "power_parameters_power_user": "maas",
    "power_parameters_power_pass": "s3cret-pass",
}
MACHINE = {"commission": "false", "hostname": "m{n}", "mac_addresses": "{mac}", "architecture": "amd64/generic", **_BMC}
# What a check can have of its own: where it is made, and with what.
_MADE: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "zone": ("zones/", {"name": "zone{n}", "description": "a"}),
    "pool": ("resourcepools/", {"name": "pool{n}", "description": "a"}),
    "domain": ("domains/", {"name": "own{n}.example.org"}),
    "tag": ("tags/", {"name": "tag{n}", "comment": "a"}),
    "space": ("spaces/", {"name": "space{n}"}),
    "fabric": ("fabrics/", {"name": "fabric{n}"}),
    "vlan": ("fabrics/{fabric[id]}/vlans/", {"vid": "30", "name": "vlan{n}"}),
    "subnet": (
        "subnets/",
        {"cidr": "{net}.0/24", "name": "subnet{n}", "vlan": "{fabric[vlans][0][id]}", "gateway_ip": "{net}.1"},
    ),
    "far": ("subnets/", {"cidr": "{far_net}.0/24", "vlan": "{fabric[vlans][0][id]}"}),
    "range": ("ipranges/", {"type": "reserved", "start_ip": "{subnet_net}.10", "end_ip": "{subnet_net}.20"}),
    "route": (
        "static-routes/",
        {"source": "{subnet[cidr]}", "destination": "{far[cidr]}", "gateway_ip": "{net}.254"},
    ),
    "machine": ("machines/", MACHINE),
    "nic": (
        "nodes/{ready[system_id]}/interfaces/?op=create_physical",
        {"mac_address": "{new_mac}", "name": "spare0", "vlan": "{fabric[vlans][0][id]}"},
    ),
    "commissioning": ("machines/{ready[system_id]}/?op=commission", {}),
    "locked": ("machines/{ready[system_id]}/?op=lock", {}),
    "broken": ("machines/{ready[system_id]}/?op=mark_broken", {"comment": "loud"}),
    "linked": (
        "nodes/{ready[system_id]}/interfaces/{ready[interface_set][0][id]}/?op=link_subnet",
        {"mode": "static", "subnet": "{subnet[id]}", "ip_address": "{net}.50"},
    ),
    "tagged": (
        "nodes/{ready[system_id]}/interfaces/{ready[interface_set][0][id]}/?op=add_tag",
        {"tag": "uplink"},
    ),
    "device": ("devices/", {"hostname": "device{n}", "mac_addresses": "{mac}"}),
    "user": ("users/", {"username": "user{n}", "email": "user{n}@example.org", "password": "correct horse"}),
    "token": ("account/?op=create_authorisation_token", {"name": "token{n}"}),
    "key": ("account/prefs/sshkeys/", {"key": "ssh-ed25519 {public} a"}),
    "file": ("files/", {"filename": "file{n}", "file": "content"}),
    "notice": ("notifications/", {"message": "notice {n}", "admins": "true"}),
    "repository": ("package-repositories/", {"name": "repo{n}", "url": "https://packages.example.org/debian"}),
    "snippet": ("dhcp-snippets/", {"name": "snippet{n}", "value": "option time-offset 0;", "subnet": "{subnet[id]}"}),
    "name": ("dnsresources/", {"fqdn": "www.{domain[name]}", "ip_addresses": "{net}.60"}),
    "record": ("dnsresourcerecords/", {"fqdn": "txt.{domain[name]}", "rrtype": "TXT", "rrdata": "a"}),
    "address": ("ipaddresses/?op=reserve", {"subnet": "{subnet[id]}"}),
}


def documented(client: str) -> dict[str, int]:
    """How many checks of a client docs/clients.md has, by what becomes of them."""
    rows = [line.strip("| ").split(" | ") for line in DOCS.read_text("utf-8").splitlines() if line.startswith("| ")]
    (row,) = [row for row in rows if row[0] == client]
    return {kind: int(number) for kind, number in zip(rows[0][2:], row[2:], strict=True) if number != "0"}


class Region:
    """A region with one rack, and a caller who is an administrator."""

    def __init__(self, api: Api, ctx: Context, app: Flask, key: str, rack_id: str) -> None:
        self.api = api
        self.ctx = ctx
        self.key = key
        self.rack_id = rack_id
        self._app = app
        self._numbers = count(1)
        self.described: list[dict[str, Any]] = [
            {**(each["auth"] or each["anon"]), "name": each["name"]} for each in api.get("describe/").json["resources"]
        ]

    def number(self) -> int:
        """One that nobody has had."""
        return next(self._numbers)

    def execute(self, statement: str, *values: object) -> list[tuple]:
        """SQL: what a commissioning has found."""
        return run_sql(self.ctx.config.dsn, statement, values)

    def listening(self) -> AbstractContextManager[str]:
        """Its URL, for programs."""
        return listening(self._app)


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """The URL of an application that listens."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.port}/MAAS/"
    server.shutdown()
    thread.join()


class Things(dict[str, Any]):
    """What the names in braces of one check stand for; made when it is named."""

    def __init__(self, region: Region) -> None:
        super().__init__()
        number = region.number()
        low, high = number % 250, number // 250
        self._region = region
        self |= {
            "n": number, "net": f"10.{128 + high}.{low}", "far_net": f"10.{160 + high}.{low}",
            "new_net": f"10.{192 + high}.{low}", "bmc": f"172.16.{high}.{low + 2}",
            "mac": f"52:54:00:00:{high:02x}:{low:02x}", "new_mac": f"52:54:01:00:{high:02x}:{low:02x}",
            "public": f"AAAAC3NzaC1lZDI1NTE5AAAAI{number:A>43}".replace("0", "B"), "rack": region.rack_id,
        }  # fmt: skip

    def __missing__(self, name: str) -> Any:
        self[name] = getattr(self, f"_{name}", lambda: self._posted(name))()
        return self[name]

    def fill(self, given: Any) -> Any:
        """Texts, lists and dictionaries with what the names in them stand for."""
        if isinstance(given, str):
            return given.format_map(self)
        if isinstance(given, Mapping):
            return {self.fill(key): self.fill(value) for key, value in given.items()}
        return [self.fill(value) for value in given] if isinstance(given, list) else given

    def _posted(self, name: str) -> Any:
        path, given = _MADE[name]
        sent = self.fill(given)
        answer = self._region.api.post(self.fill(path), data=sent)
        assert answer.status_code in (200, 201), f"{name}: {answer.text}"
        return answer.json if answer.is_json else sent

    def _subnet_net(self) -> str:
        """The network of a subnet that is there."""
        return self["subnet"]["cidr"].removesuffix(".0/24")

    def _carrier(self) -> Any:
        """A machine that has a tag."""
        system_id = self["machine"]["system_id"]
        added = self._region.api.post(f"tags/{self['tag']['name']}/?op=update_nodes", data={"add": system_id})
        assert added.json["added"] == 1, added.text
        return self._region.api.get(f"machines/{system_id}/").json

    def _ready(self) -> Any:
        """A machine as commissioning leaves it, with one disk."""
        system_id = self["machine"]["system_id"]
        self._region.execute(
            "WITH done AS (UPDATE machine SET status = 4, commissioned_at = now(), cpu_count = 4, memory_mib = 8192 "
            "WHERE system_id = %s RETURNING id) "
            "INSERT INTO block_device (machine_id, name, model, serial, size_bytes, block_size_bytes) "
            "SELECT id, 'sda', 'Example', 'S1', 1000000000, 512 FROM done",
            system_id,
        )
        return self._region.api.get(f"machines/{system_id}/").json

    def _stranger(self) -> Any:
        """A machine that has enlisted, and that nobody has accepted."""
        self._region.execute(
            "INSERT INTO enlistment (boot_id, mac, address, commission, outcome, consumer_key, token_key, "
            "token_secret_sha256, token_secret, requested_at, ends_at, ended_at, machine_id) "
            "SELECT md5(system_id), %s::macaddr, '10.0.0.1', false, 'done', system_id, system_id, "
            "sha256(system_id::bytea), '', now(), now(), now(), id FROM machine WHERE system_id = %s",
            self["mac"],
            self["machine"]["system_id"],
        )
        return self["machine"]

    def _untrusted(self) -> Any:
        """A machine that has failed a test."""
        system_id = self["ready"]["system_id"]
        self._region.execute("UPDATE machine SET status = 22 WHERE system_id = %s", system_id)
        return self["ready"]


@dataclass(frozen=True)
class Check:
    """One call of a client. `path` is below the API, with its `op`; of the answer, `reads` is what the client needs, as
    `name:type` (`?` may be null, `a.b` is in an object, `a[].b` in each of a list that is not empty), and `shows` the
    values that it must find. `later` names the part of MAAS that it belongs to when this region refuses it."""

    name: str
    method: str
    path: str
    given: Mapping[str, Any] = field(default_factory=dict)
    reads: str = ""
    shows: Mapping[str, Any] = field(default_factory=dict)
    later: str = ""


Send = Callable[[Api, str, str, Mapping[str, Any]], Any]


def run(region: Region, check: Check, send: Send, accepted: Mapping[str, tuple[int, ...]]) -> None:
    """Send a check's call, and read its answer as the client does; `accepted` are its status codes, by method."""
    things = Things(region)
    path, given = things.fill(check.path), things.fill(check.given)
    answer = send(region.api, check.method, path, given)
    if check.later:
        _refused(region, check, path, given, answer)
        return
    assert answer.status_code in accepted[check.method], answer.text
    for field_read in check.reads.split():
        _read(answer.json, field_read)
    for name, value in things.fill(check.shows).items():
        assert _form(list(_values(answer.json, name))) == _form(value), f"{name} of {answer.text}"
    if check.method == "DELETE":
        assert region.api.get(path).status_code == 404


def _refused(region: Region, check: Check, path: str, given: Mapping[str, Any], answer: Any) -> None:
    """In words, and described nowhere: neither the operation nor, if it is only that, the parameter."""
    assert answer.status_code == 400, answer.text
    place, _, query = path.partition("?")
    op = dict(part.split("=", 1) for part in query.split("&") if part).get("op")
    actions = [
        action
        for part in region.described
        if re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", part["path"]), f"/MAAS/api/2.0/{place}")
        for action in part["actions"]
        if (action["method"], action["op"]) == (check.method, op)
    ]
    if check.later == NEVER:
        assert answer.text in {*not_yet.NEVER.values(), *not_yet.NEVER_OPS.values()}
    elif actions:
        assert set(answer.json) <= set(given), "what is refused is a parameter"
        assert all(
            re.search("not supported by this region yet|does not support", str(words)) for words in answer.json.values()
        )
        named = {
            name for action in actions for name in action["doc"].rpartition("Parameters: ")[2].rstrip(".").split(", ")
        }
        assert not named & set(answer.json)
        return
    else:
        assert "not supported by this region yet" in answer.text
    assert not actions


def _read(answer: Any, field_read: str) -> None:
    path, _, kind = field_read.partition(":")
    for value in _values(answer, path):
        if value is not None or not kind.endswith("?"):
            assert type(value) is TYPES[kind.rstrip("?")], f"{path} is {value!r}"


def _values(answer: Any, path: str) -> Iterator[Any]:
    """All that a path leads to."""
    first, _, rest = path.partition(".")
    name = first.removesuffix("[]")
    value = answer[name] if name else answer
    if first.endswith("[]"):
        assert value, f"{path}: nothing is in {name or 'the answer'}"
    for each in value if first.endswith("[]") else [value]:
        if rest:
            yield from _values(each, rest)
        else:
            yield each


def _form(value: Any) -> Any:
    """A value as text, for comparison with what was sent as such; of a list with one value that."""
    if isinstance(value, list):
        return _form(value[0]) if len(value) == 1 else [_form(each) for each in value]
    return str(value).lower() if isinstance(value, bool | int) else value
