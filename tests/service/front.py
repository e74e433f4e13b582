# SPDX-License-Identifier: GPL-3.0-or-later
"""The real nginx with the templates of role http, on free ports of the loopback, and gunicorn as the units start it."""

from __future__ import annotations

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

ROOT = Path(__file__).parents[2]
ROLES = ROOT / "roles"
NGINX = "/usr/sbin/nginx"


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Below those that outgoing connections get: one of them would take it before the test does, or in a restart."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket(socket.AF_INET, kind) as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


@cache
def gunicorn() -> list[str]:
    """gunicorn of this Python, else Debian's."""
    probe = subprocess.run(
        [sys.executable, "-c", "import argon2, gunicorn, flask, gevent, psycogreen, psycopg2"],
        capture_output=True,
        check=False,
    )
    if probe.returncode == 0:
        return [sys.executable, "-m", "gunicorn"]
    debian = shutil.which("gunicorn", path="/usr/bin")
    if debian is None:
        needs = "gunicorn python3-argon2 python3-flask python3-gevent python3-psycogreen python3-psycopg2"
        pytest.exit(f"gunicorn is missing; install it with: apt-get install {needs}", returncode=3)
    return [debian]


def trusted(value: Any) -> Any:
    """A default as a role has it: its texts may be templates."""
    if isinstance(value, str):
        return trust_as_template(value)
    return [trusted(entry) for entry in value] if isinstance(value, list) else value


def render(role: str, template: str, tiers: list[str], inputs: dict[str, Any]) -> str:
    """The template as Ansible renders it."""
    defaults = yaml.safe_load((ROLES / role / "defaults/main.yml").read_text(encoding="utf-8"))
    variables = {name: trusted(value) for name, value in defaults.items()} | {"rackyard_tiers": tiers}
    variables |= {"inventory_hostname": "host1.example.org", "__daemon_host": {"release": "12"}} | inputs
    text = (ROLES / role / "templates" / f"{template}.j2").read_text(encoding="utf-8")
    return str(Templar(loader=DataLoader(), variables=variables).template(trust_as_template(text)))


class Nginx:
    """One nginx process of its own, in a directory of its own."""

    def __init__(self, place: Path, servers: str, options: str = "") -> None:
        self._place = place
        place.mkdir(parents=True, exist_ok=True)
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"  {kind}_temp_path {place}/{kind};\n" for kind in kinds)
        (place / "servers.conf").write_text(servers, encoding="utf-8")
        user = "user root;\n" if os.geteuid() == 0 else ""  # the sockets are below pytest's private directory
        self._main = place / "main.conf"
        self._main.write_text(
            f"{user}daemon off;\nworker_processes 1;\npid {place}/pid;\nerror_log {place}/error.log;\n"
            f"events {{ worker_connections 8192; }}\n"
            f"http {{\n  access_log {place}/access.log;\n{options}{places}  include servers.conf;\n}}\n",
            encoding="utf-8",
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [NGINX, "-c", str(self._main), "-e", str(self._place / "error.log")]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        wait_for(lambda: (self._place / "pid").exists() or self._died(), "nginx")

    def reload(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)
        time.sleep(0.5)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=10)
            self._process = None

    def signal(self, number: int) -> None:
        """To the master and its worker, as to a host that is paused; nothing when it is stopped."""
        if self._process is None:
            return
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            os.kill(pid, number)

    def requests(self) -> list[str]:
        """What it was asked for, `GET /path`, where its configuration does not log that elsewhere."""
        log = self._place / "access.log"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        return [" ".join(line.split('"')[1].split(" ")[:2]) for line in lines]

    def errors(self) -> str:
        return (self._place / "error.log").read_text(encoding="utf-8")

    def _died(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"nginx does not start: {self._process.stderr.read()!r}")  # type: ignore[union-attr]
        return False


def region_nginx(
    place: Path, *, ports: Sequence[int], plain_port: int, sockets: Path, tls: Path, images: Path,
    gateways: Sequence[str] = (),
) -> Nginx:  # fmt: skip
    """nginx of a region, which believes these gateways. `tls` has region.crt, region.key and ca.crt."""
    inputs = {
        "http_rpc_ports": list(ports),
        "http_socket_dir": str(sockets),
        "http_tls_dir": str(tls),
        "http_images_dir": str(images),
        "http_gateways": list(gateways),
    }
    text = render("http", "etc/nginx/conf.d/rackyard-region.conf", ["region"], inputs)
    return Nginx(place, at_ports(text, {5240: plain_port}))


# Where a test is the machine, at an address that this host does not have.
ADDRESS_HEADER = "X-Test-Address"
_REAL_IP = f"  set_real_ip_from 127.0.0.1;\n  real_ip_header {ADDRESS_HEADER};\n"


def rack_nginx(
    place: Path, service_dir: Path, *, port: int, gateway: int, boot: int, address: str = "$server_addr"
) -> Nginx:
    """nginx of a rack; `service_dir` has what the agent writes. Whoever asks has the address in `ADDRESS_HEADER`, and
    reached the rack at `address`."""
    inputs = {"http_service_dir": str(service_dir), "http_cache_dir": str(place / "cache")}
    text = render("http", "etc/nginx/conf.d/rackyard-rack.conf", ["rack"], inputs)
    text = text.replace("X-Server-Addr $server_addr;", f"X-Server-Addr {address};")
    return Nginx(place, at_ports(text, {5248: port, 5246: gateway, 5249: boot}), _REAL_IP)


def at_ports(text: str, ports: Mapping[int, int]) -> str:
    """The configuration with other ports; all at once, for a free port may look like part of another usual one."""
    return re.sub(r"\b52\d\d\b", lambda found: str(ports.get(int(found[0]), found[0])), text)


def environment(toml: Path) -> dict[str, str]:
    paths = [str(ROOT / "src"), str(ROOT / "plugins/module_utils"), os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "RACKYARD_REGION_CONFIG": str(toml),
        "PYTHONPATH": ":".join(filter(None, paths)),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


KINDS = {
    "rpc": ("rpc_app", "--worker-class", "gthread", "--threads", "8"),
    "polls": ("polls_app", "--worker-class", "gevent", "--worker-connections", "2000"),
    "metadata": ("metadata_app", "--worker-class", "gthread", "--threads", "48"),
    "region": ("http_app", "--worker-class", "gthread", "--threads", "8"),
}


@contextmanager
def process(kind: str, bind: Path, toml: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of a region as its unit starts it."""
    app, *worker = KINDS[kind]
    command = [
        *gunicorn(),
        "--bind",
        f"unix:{bind}",
        *worker,
        "--graceful-timeout",
        "1",
        "--timeout",
        "60",
        f"rackyard.region.wsgi:{app}()",
    ]
    with log.open("ab") as stream:
        running = subprocess.Popen(command, env=environment(toml), stdout=stream, stderr=stream, cwd="/")
    try:
        yield running
    finally:
        # Its quick end: a worker that is told to end in peace first sleeps through its last second.
        running.send_signal(signal.SIGQUIT)
        try:
            running.wait(10)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def answers(bind: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(bind)) == 0


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds:.0f} s"
        time.sleep(0.05)
