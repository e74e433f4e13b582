# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab as the tests see it: real hosts over ssh, the region's API, packet captures, the host's own traces."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from rackyard_core.client import RegionClient

ROOT = Path(__file__).resolve().parents[2]
STATE = Path("/var/lib/rackyard-lab")
REGION_URL = "http://10.10.0.11:5240/MAAS"


@dataclass
class Capture:
    """A running tcpdump on one lab bridge, writing every frame's head to a file."""

    path: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """End the capture so that the file is complete."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=10)

    def frames(self, expression: str) -> list[str]:
        """One line for each captured frame that matches a pcap filter expression."""
        command = ["tcpdump", "-nn", "-e", "-r", str(self.path), expression]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


@dataclass
class Lab:
    """Handles on the lab; holds no state of its own besides the running captures."""

    work: Path
    captures: dict[str, Capture] = field(default_factory=dict)
    traces_before: dict[str, set[str]] = field(default_factory=dict)

    def run(self, *words: str, timeout_s: float = 1800, check: bool = True) -> str:
        """What ``./run WORDS`` prints; its output is kept in the work folder too."""
        return self._command([str(ROOT / "run"), *words], "run-" + "-".join(words), timeout_s, check)

    def playbook(self, name: str, *words: str, inventory: str = "inventory/lab", check: bool = True) -> str:
        """What ``ansible-playbook playbooks/NAME.yml WORDS`` prints."""
        command = ["ansible-playbook", "-i", str(ROOT / inventory), str(ROOT / "playbooks" / f"{name}.yml"), *words]
        return self._command(command, f"playbook-{name}", 1800, check)

    def _command(self, command: list[str], log_name: str, timeout_s: float, check: bool) -> str:
        log = self.work / (re.sub(r"[^a-z0-9_-]+", "_", log_name.lower()) + ".log")
        done = subprocess.run(
            command,
            cwd=ROOT,
            timeout=timeout_s,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        log.write_text(done.stdout)
        if check and done.returncode != 0:
            pytest.fail(f"{' '.join(command)} ended with {done.returncode}; last lines:\n{done.stdout[-6000:]}")
        return done.stdout

    def ssh(self, host: str, command: str, check: bool = True, stdin: str | None = None) -> str:
        """Standard output of a shell command run as root on a lab host."""
        done = subprocess.run(
            ["ssh", "-F", str(STATE / "ssh" / "config"), host, command],
            timeout=120,
            capture_output=True,
            text=True,
            check=False,
            input=stdin,
        )
        if check and done.returncode != 0:
            pytest.fail(f"{host}: {command}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout + ("" if check else done.stderr)

    def region(self) -> RegionClient:
        """A client of the region's API with the administrator's key."""
        return RegionClient(REGION_URL, self.ssh("region1", "cat /etc/rackyard/admin.apikey").strip())

    def machine(self, hostname: str) -> dict[str, Any]:
        """The machine object of the API."""
        (machine,) = self.region().get("machines/", hostname=hostname)
        return dict(machine)

    def capture(self, bridge: str) -> None:
        """Start to record a bridge's traffic (first 200 bytes of each frame)."""
        path = self.work / f"{bridge}.pcap"
        command = ["tcpdump", "-i", bridge, "-s", "200", "-B", "16384", "-U", "-w", str(path), "--immediate-mode"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.captures[bridge] = Capture(path, process)


def host_traces() -> dict[str, set[str]]:
    """Everything on this machine that a lab could leave behind."""

    def lines(*command: str) -> set[str]:
        return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines())

    processes = {
        line
        for line in lines("ps", "-eo", "args")
        if re.search(r"qemu-system|ipmi_sim|systemd-nspawn|lldpd|lab-relay|tcpdump|rackyard-lab", line)
    }
    return {
        "links": {re.sub(r"^\d+: ", "", line).split(":")[0] for line in lines("ip", "-o", "link", "show")},
        "namespaces": lines("ip", "netns", "list"),
        # iproute2 mounts its own folder with the first namespace of a machine, and keeps it.
        "mounts": {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()} - {"/run/netns"},
        "nftables": lines("nft", "list", "tables"),
        "processes": processes,
        "forwarding": lines("sysctl", "net.ipv4.ip_forward"),
    }


def recap(output: str) -> dict[str, dict[str, int]]:
    """The numbers of Ansible's closing recap by host."""
    rows = re.findall(r"^(\S+)\s+: (ok=.*)$", output, flags=re.MULTILINE)
    return {host: {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", rest)} for host, rest in rows}


def given(name: str) -> dict[str, Any]:
    """What the lab gave a machine."""
    definitions = yaml.safe_load((ROOT / "inventory/lab/group_vars/all/lab.yml").read_text())
    (machine,) = [item for item in definitions["lab_machines_pxe_a"] if item["name"] == name]
    machine["bmc"]["address"] = machine["bmc"]["address"].split("/")[0]
    return dict(machine)


def bmc_password(name: str) -> str:
    """The password that the lab made for a machine's BMC."""
    return (STATE / "bmc" / f"{name}.password").read_text().strip()


def boot_files() -> Path:
    """The folder of the default image that the demo built last: kernel, initramfs and the signed boot loaders."""
    cache = Path(os.environ.get("RACKYARD_CACHE") or "/var/cache/rackyard") / "images"
    manifests = {path: json.loads(path.read_text()) for path in cache.glob("????????????????/manifest.json")}
    ours = [path for path, manifest in manifests.items() if manifest["suite"] == "bookworm"]
    return max(ours, key=lambda path: path.stat().st_mtime).parent


def eventually(true: Callable[[], object], within_s: float, every_s: float = 0.5) -> bool:
    """Whether that comes true in time."""
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(every_s)
    return True


def ask_dns(name: str, server: str) -> str:
    """A shell command that prints TTL and address of a name, in plain sockets: a rack needs no DNS library."""
    return (
        "python3 - <<'PY'\n"
        "import socket, struct\n"
        f"labels = '{name}'.split('.')\n"
        "question = b''.join(bytes([len(l)]) + l.encode() for l in labels) + b'\\0' + struct.pack('!HH', 1, 1)\n"
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)\n"
        "s.sendto(struct.pack('!6H', 7, 0x0100, 1, 0, 0, 0) + question, ('" + server + "', 53))\n"
        "answer = s.recv(512)\n"
        "record = answer[12 + len(question):]\n"
        "print(struct.unpack('!I', record[6:10])[0], socket.inet_ntoa(record[12:16]))\n"
        "PY"
    )


def fetch(url: str) -> str:
    """A shell command that prints status and text of an HTTP(S) answer, certificate unchecked, without curl."""
    return (
        "python3 - <<'PY'\n"
        "import ssl, urllib.request, urllib.error\n"
        "try:\n"
        f"    r = urllib.request.urlopen('{url}', timeout=20, context=ssl._create_unverified_context())\n"
        "except urllib.error.HTTPError as error:\n"
        "    r = error\n"
        "print(r.status, r.read().decode())\n"
        "PY"
    )


def stored(lab: Lab, name: str, value: Any) -> None:
    """Keep a measured value beside the logs, for people."""
    (lab.work / f"{name}.json").write_text(json.dumps(value, indent=2))
