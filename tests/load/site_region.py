# SPDX-License-Identifier: GPL-3.0-or-later
"""A region's processes as on a host: nginx, and behind it gunicorn as the units of role region_service start it."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import front
import psycopg2
from authority import Authority
from cryptography.fernet import Fernet

from rackyard.region.config import load

KINDS = ("polls", "rpc")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What processes of one kind take: `rss_mib` resident memory, `peak_mib` the most that it was, `cpu_s` processor
    time since they started."""

    processes: int
    threads: int
    rss_mib: float
    cpu_s: float
    peak_mib: float


class Region:
    """nginx and, for each port, the process for calls and the one for long polls. `folder` is the region's own."""

    def __init__(self, toml: Path, folder: Path) -> None:
        config = load(toml)
        self._toml = toml
        self._sockets = folder / "run"
        self._sockets.mkdir()
        self._log = folder / "gunicorn.log"
        self._ports = config.rpc_ports
        self._running: dict[tuple[str, int], subprocess.Popen[bytes]] = {}
        plain_port = free_ports(len(self._ports) + 1)[-1]
        self._nginx = front.region_nginx(
            folder / "nginx", ports=self._ports, plain_port=plain_port, sockets=self._sockets,
            tls=config.ca_cert.parent, images=config.images,
        )  # fmt: skip
        self._nginx_pid = folder / "nginx" / "pid"

    def start(self) -> None:
        """nginx and the processes behind it, until each of them answers."""
        self.start_processes()
        self._nginx.start()

    def start_processes(self) -> None:
        """The processes behind nginx, until each of them answers."""
        for kind in KINDS:
            for port in self._ports:
                self._running[kind, port] = self._started(kind, port)
        for (kind, port), process in self._running.items():
            bind = self._sockets / f"{kind}-{port}.sock"
            front.wait_for(lambda b=bind, p=process: front.answers(b) or p.poll() is not None, f"{kind}: {self._log}")
            if process.poll() is not None:
                raise SystemExit(f"{kind} does not start: {self._log.read_text(encoding='utf-8')}")

    def kill_processes(self) -> None:
        """All processes behind nginx at once, without a goodbye to anybody."""
        for process in self._running.values():
            for pid in (*_children(process.pid), process.pid):
                os.kill(pid, signal.SIGKILL)
            process.wait()
        self._running.clear()

    def stop(self) -> None:
        """Everything that was started."""
        self._nginx.stop()
        self.kill_processes()

    def usage(self) -> dict[str, Usage]:
        """By kind of process."""
        masters = {kind: [p.pid for (of, _port), p in self._running.items() if of == kind] for kind in KINDS}
        masters["nginx"] = [int(self._nginx_pid.read_text(encoding="ascii"))]
        return {kind: usage(pids) for kind, pids in masters.items()}

    def words(self) -> list[str]:
        """What gunicorn and nginx logged of errors."""
        lines = [*self._log.read_text(encoding="utf-8").splitlines(), *self._nginx.errors().splitlines()]
        return [line for line in lines if any(word in line for word in ("ERROR", "CRITICAL", "[error]", "[alert]"))]

    def _started(self, kind: str, port: int) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as stream:
            return subprocess.Popen(
                command(kind, port, self._sockets), env=front.environment(self._toml), stdout=stream, stderr=stream,
                cwd="/",
            )  # fmt: skip


def configured(dsn: str, folder: Path, ports: int) -> tuple[Path, Authority]:
    """The configuration file of a region of its own on so many free ports, and the authority that signs for it."""
    (folder / "secrets.key").write_bytes(Fernet.generate_key())
    (folder / "images").mkdir()
    inputs = {
        "region_service_name": "load", "region_service_url": "http://127.0.0.1:5240/MAAS",
        "region_service_addresses": ["127.0.0.1"], "region_service_database": dsn,
        "region_service_domain": "rackyard.internal",
        "region_service_rpc_ports": free_ports(ports),
    }  # fmt: skip
    text = front.render("region_service", "etc/rackyard/region.toml", ["region"], inputs)
    for place in ("/etc/rackyard/tls", "/etc/rackyard", "/var/lib/rackyard"):
        text = text.replace(place, str(folder))
    toml = folder / "region.toml"
    toml.write_text(text, encoding="utf-8")
    authority = Authority()
    authority.install(load(toml))
    return toml, authority


def command(kind: str, port: int, sockets: Path) -> list[str]:
    """The command of a unit of role region_service for a port, with this Python's gunicorn and other sockets."""
    return unit_command(f"rackyard-region-{kind}@.service", sockets, str(port))


def unit_command(name: str, sockets: Path, instance: str = "") -> list[str]:
    """The same for any of its units."""
    unit = front.render("region_service", f"etc/systemd/system/{name}", ["region"], {})
    lines = unit.replace("\\\n", " ").splitlines()
    (start,) = (line.removeprefix("ExecStart=") for line in lines if line.startswith("ExecStart="))
    words = shlex.split(start.replace("%i", instance).replace("/run/rackyard/web", str(sockets)))
    return [*front.gunicorn(), *words[1:]]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, below those that the kernel gives to whoever connects somewhere (ip(7))."""
    found: list[int] = []
    for port in range(15250, 32768):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == count:
            return found
    raise SystemExit("no port is free between 15250 and 32767")


def postmaster(dsn: str) -> tuple[int, int]:
    """The process id of the server of that database, on this host, and how many connections it has."""
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_backend_pid(), count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
            backend, count = cursor.fetchone()
        return int(_stat(backend)[1]), int(count)
    finally:
        connection.close()


def busy_s() -> float:
    """Seconds of processor time that this machine has spent on anything, since it was started (proc(5), stat)."""
    line = Path("/proc/stat").read_text(encoding="ascii").partition("\n")[0]
    user, nice, system, _idle, _iowait, *rest = line.split()[1:]
    return sum(map(int, (user, nice, system, *rest[:2]))) / _TICKS


def usage(parents: Iterable[int]) -> Usage:
    """Of these processes and their children. Processor time of children that have ended counts too."""
    count, threads, rss_kib, peak_kib, ticks = 0, 0, 0, 0, 0
    for pid in [each for parent in parents for each in (parent, *_children(parent))]:
        try:
            status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
            times = _stat(pid)[11:15]
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended, and its parent has its time
        fields = dict(line.split(":", 1) for line in status)
        count += 1
        threads += int(fields["Threads"])
        # A process that has ended has none any more.
        rss_kib += int(fields.get("VmRSS", "0 kB").split()[0])
        peak_kib += int(fields.get("VmHWM", "0 kB").split()[0])
        ticks += sum(map(int, times))
    return Usage(count, threads, rss_kib / 1024, ticks / _TICKS, peak_kib / 1024)


def _stat(pid: int) -> list[str]:
    """Of proc(5), stat: what follows the program's name in parentheses, beginning with field 3."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in tasks for child in each.read_text(encoding="ascii").split()]
