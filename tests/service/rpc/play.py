# SPDX-License-Identifier: GPL-3.0-or-later
"""A rack's agent and a machine's cloud-init, as plain calls to the real applications."""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from rackyard.region.context import Context
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site.authorisation import COMMAND_LINE

from .conftest import Answer, RackClient, Server, key, now_iso, secret_of
from .hardware import MAC, outputs

RACK_IP, MACHINE_IP, BMC = "10.20.0.2", "10.20.0.101", "10.30.0.11"
INTERFACES = (("mgmt0", "10.10.0.21/24"), ("pxe0", f"{RACK_IP}/24"), ("bmc0", "10.30.0.2/24"))


def declare_network(api: Any, rack_system_id: str) -> None:
    """Fabric, VLAN, subnet and range with DHCP on; a fabric brings its untagged VLAN."""
    fabric = _ok(api.post("fabrics/", data={"name": "pxe-a"}))
    vlan = next(each for each in _ok(api.get(f"fabrics/{fabric['id']}/vlans/")) if each["vid"] == 0)
    subnet = {"name": "pxe-a", "cidr": "10.20.0.0/24", "vlan": vlan["id"], "fabric": fabric["id"], "vid": 0}
    _ok(api.post("subnets/", data=subnet))
    dynamic = {"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.200"}
    _ok(api.post("ipranges/", data=dynamic))
    serving = {"dhcp_on": "true", "primary_rack": rack_system_id}
    _ok(api.put(f"fabrics/{fabric['id']}/vlans/0/", data=serving))


def register_machine(api: Any, hostname: str = "m1", mac: str = MAC, bmc: str = BMC) -> str:
    """A machine with a BMC; its system id."""
    machine = {
        "commission": "false", "hostname": hostname, "architecture": "amd64", "mac_addresses": mac,
        "power_type": "ipmi",
        "power_parameters_power_address": bmc, "power_parameters_power_user": "admin",
        "power_parameters_power_pass": "secret-of-bmc",
    }  # fmt: skip
    return str(_ok(api.post("machines/", data=machine))["system_id"])


def _ok(response: Any) -> Any:
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()


@dataclass
class AgentPlay:
    """What a rack's agent does for one machine."""

    rack: RackClient

    def job(self, wait_s: int = 5) -> dict[str, Any]:
        """The one job that waits."""
        answer = self.rack.get(f"jobs?wait={wait_s}")
        assert answer.status == 200, answer.body
        (job,) = answer.body["jobs"]
        return job

    def report(self, job: dict[str, Any], state: str = "on", **changes: Any) -> Answer:
        result = {
            "epoch": job["epoch"], "ok": True, "power_state": state, "warnings": [], "error": None, "error_kind": None,
            "took_seconds": 1.5, **changes,
        }  # fmt: skip
        return self.rack.post(f"jobs/{job['id']}/result", result)

    def refuse(self, job: dict[str, Any], kind: str, error: str) -> Answer:
        return self.report(job, "unknown", ok=False, error=error, error_kind=kind)

    def lease(self, ip: str = MACHINE_IP, mac: str = MAC, **changes: Any) -> Answer:
        lease = {"key": key(), "at": now_iso(), "action": "commit", "ip": ip, "mac": mac, "lease_s": 600, **changes}
        return self.rack.post("leases", {"leases": [lease]})

    def saw(self, kind: str, daemon: str, detail: str, **changes: Any) -> Answer:
        event = {
            "key": key(), "at": now_iso(), "type": kind, "ip": MACHINE_IP, "daemon": daemon, "detail": detail,
            **changes,
        }  # fmt: skip
        return self.rack.post("events", {"events": [event]})

    def boot_config(self, **changes: Any) -> Answer:
        question = {
            "mac": MAC, "arch": "amd64", "firmware": "ipxe", "client_ip": MACHINE_IP, "local_ip": RACK_IP, **changes,
        }  # fmt: skip
        return self.rack.post("boot-config", question)

    def boots(self) -> dict[str, Any]:
        """Steps 5 to 9 of a machine that boots; the boot configuration."""
        self.lease()
        self.saw("loader", "nginx", "/ipxe.cfg by HTTP")
        answer = self.boot_config()
        assert answer.status == 200, answer.body
        self.saw("boot-config", "boot", f"iPXE configuration for {MAC}", mac=MAC)
        self.saw("image", "nginx", "vmlinuz, 8.0 MiB in 0.1 s")
        self.saw("image", "nginx", "filesystem.squashfs, 214.6 MiB in 3.1 s")
        return dict(answer.body)


@dataclass
class MachinePlay:
    """cloud-init and the runner on a machine, through its rack's nginx and the region's."""

    client: FlaskClient
    ip: str = MACHINE_IP
    peer: str = RACK_IP
    header: str = ""
    base: str = "/MAAS/metadata/"

    def get(self, path: str) -> Any:
        return self.client.get(self.base + path, headers=self._headers())

    def post(self, path: str, **kwargs: Any) -> Any:
        return self.client.post(self.base + path, headers=self._headers(), **kwargs)

    def preseed(self, boot_id: str) -> Any:
        return self.get(f"latest/by-id/{boot_id}/?op=get_preseed")

    def read_preseed(self, boot_id: str) -> dict[str, Any]:
        """Fetch the preseed and take its credentials."""
        response = self.preseed(boot_id)
        text = response.get_data(as_text=True)
        assert response.status_code == 200, text
        document: dict[str, Any] = json.loads(text.removeprefix("#cloud-config\n"))
        source = document["datasource"]["MAAS"]
        self.header = (
            'OAuth oauth_nonce="1", oauth_timestamp="1700000000", oauth_version="1.0", '
            f'oauth_signature_method="PLAINTEXT", oauth_consumer_key="{source["consumer_key"]}", '
            f'oauth_token="{source["token_key"]}", oauth_signature="%26{source["token_secret"]}"'
        )
        return document

    def pull(self, boot_id: str) -> str:
        """Everything cloud-init fetches; the user data."""
        self.read_preseed(boot_id)
        self.read_preseed(boot_id)
        for item in ("instance-id", "instance-id", "local-hostname", "public-keys", "vendor-data"):
            assert self.get(f"/2012-03-01/meta-data/{item}").status_code == 200, item
        response = self.get("/2012-03-01/user-data")
        assert response.status_code == 200
        return str(response.get_data(as_text=True))

    def scripts(self) -> dict[str, int]:
        """Names and result ids from the archive of scripts."""
        archive = self.get("2012-03-01/maas-scripts").get_data()
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            member = tar.extractfile("index.json")
            assert member is not None
            index = json.loads(member.read())
        return {each["name"]: each["script_result_id"] for each in index["1.0"]["commissioning_scripts"]}

    def signal(self, status: str, files: dict[str, bytes] | None = None, **fields: Any) -> Any:
        data: dict[str, Any] = {
            "op": "signal",
            "status": status,
            **{name: str(value) for name, value in fields.items()},
        }
        data |= {name: (io.BytesIO(body), name) for name, body in (files or {}).items()}
        return self.post("2012-03-01/", data=data, content_type="multipart/form-data")

    def run_scripts(self, replaced: dict[str, bytes] | None = None) -> None:
        """Run every script and post what it prints."""
        printed = outputs() | (replaced or {})
        for name, result_id in self.scripts().items():
            identity = {"script_result_id": result_id, "name": name}
            assert self.signal("WORKING", **identity).status_code == 200
            out = printed.get(name, b"")
            files = {name: out, f"{name}.out": out, f"{name}.err": b""}
            response = self.signal("WORKING", files, **identity, exit_status=0, runtime="0.5")
            assert response.status_code == 200, response.get_data(as_text=True)

    def _headers(self) -> dict[str, str]:
        headers = {"X-Rackyard-Peer": self.peer, "X-Real-IP": self.ip}
        return headers | ({"Authorization": self.header} if self.header else {})


def poll(rack: RackClient, held: tuple[int, ...] = (), slots: int = 10, wait_s: int = 0) -> list[dict[str, Any]]:
    """What a rack gets that says which jobs it holds."""
    answer = rack.post("jobs", {"wait": wait_s, "slots": slots, "held": list(held)})
    assert answer.status == 200, answer.body
    jobs: list[dict[str, Any]] = answer.body["jobs"]
    return jobs


def another(server: Server, world: Context, folder: Path, hostname: str, *interfaces: tuple[str, str]) -> AgentPlay:
    """One more rack, enrolled, with these interfaces (name, address with prefix)."""
    client = RackClient(server, hostname, folder)
    assert client.enroll(secret_of(enrolment.mint_token(world, COMMAND_LINE))).status == 200
    client.register(*interfaces)
    return AgentPlay(client)


def boot_id_of(params: list[str]) -> str:
    """The boot id on a kernel line."""
    line = next(word for word in params if word.startswith("cloud-config-url="))
    found = re.search(r"by-id/([0-9a-f]{32})/", line)
    assert found is not None
    return found[1]
