# SPDX-License-Identifier: GPL-3.0-or-later
"""How long lists of machines take over the API: some fields of 1,000 machines, and everything of 1,000 and of 10,000.

Fills the database of a DSN (an empty one; it is migrated first) by SQL, starts the region's HTTP process as its unit
does, and asks it over its socket. Prints the median of the rounds (until the whole answer is there; what a client makes
of it is not counted), the size of the answer, and by how much the lists of everything had its memory grow at most. With
--ironic, a folder that has OpenStack Ironic's programs (a virtual environment with `pip install ironic
psycopg2-binary`), the same question goes to Ironic on the same PostgreSQL server, and two lines have the ratio: of both
asked turn and turn about, where each finds the processors' caches full of the other's work, and of both asked some
times in a row, as by people and by pages that ask again. Ironic runs alone, without a queue or sign-on, with fake
hardware.

Usage (`./run bench api` brings the database): lists.py DSN [--machines N] [--many N] [--rounds N] [--ironic FOLDER]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import front
import psycopg2
import site_region
from psycopg2.extensions import make_dsn, parse_dsn

from rackyard.region.config import load
from rackyard.region.context import Context
from rackyard.region.db.migrations import migrate
from rackyard.region.services.site import accounts
from rackyard.region.services.site.authorisation import COMMAND_LINE

FIELDS = "system_id,hostname,status_name,power_state,zone"
IRONIC_FIELDS = "uuid,name,power_state,provision_state,maintenance"
API = "/MAAS/api/2.0"
# What a row is, where one is asked some times before the other.
IN_A_ROW = 10
# As commissioning leaves machines: two NICs, four disks, 16 memory modules. %(first)s to %(last)s.
FILL = """
INSERT INTO bmc (type, address, parameters)
SELECT 'ipmi', host(inet '10.64.0.0' + n), '{"power_user": "admin"}' FROM generate_series(%(first)s, %(last)s) AS n;
INSERT INTO machine (system_id, hostname, status, power_type, bmc_id, hardware, owner_id)
SELECT 'a' || translate(lpad(n::text, 5, '0'), '0123456789', 'abcdefghkm'), 'm' || lpad(n::text, 5, '0'), 4, 'ipmi',
       bmc.id, jsonb_build_object('system_vendor', 'Example', 'system_serial', md5(n::text), 'memory_modules',
           (SELECT jsonb_agg(jsonb_build_object('slot', 'DIMM ' || slot, 'serial', md5(n || '-' || slot),
                   'vendor', 'Example', 'size_mib', 32768)) FROM generate_series(1, 16) AS slot)),
       (SELECT min(id) FROM account)
FROM generate_series(%(first)s, %(last)s) AS n JOIN bmc ON bmc.address = host(inet '10.64.0.0' + n);
INSERT INTO machine_interface (machine_id, name, mac, is_boot, vendor, lldp, discovered)
SELECT id, 'eth' || nic, ('5254' || lpad(to_hex(id * 2 + nic), 8, '0'))::macaddr, nic = 0, 'Example',
       jsonb_build_object('port', 'Ethernet' || id, 'system', 'switch-' || id), true
FROM machine, generate_series(0, 1) AS nic WHERE hostname >= 'm' || lpad(%(first)s::text, 5, '0');
INSERT INTO block_device (machine_id, name, model, serial, size_bytes, rotary)
SELECT id, 'sd' || chr(96 + disk), 'Example', md5(id || '-' || disk), 1000000000000, false
FROM machine, generate_series(1, 4) AS disk WHERE hostname >= 'm' || lpad(%(first)s::text, 5, '0');
ANALYZE;
"""
IRONIC = """[DEFAULT]
auth_strategy = noauth
rpc_transport = none
host = bench
my_ip = 127.0.0.1
enabled_hardware_types = fake-hardware
enabled_boot_interfaces = fake
enabled_deploy_interfaces = fake
enabled_management_interfaces = fake
enabled_power_interfaces = fake
enabled_inspect_interfaces = no-inspect
enabled_console_interfaces = no-console
enabled_vendor_interfaces = no-vendor
enabled_network_interfaces = noop
default_network_interface = noop
state_path = {folder}
log_file = {folder}/ironic.log
debug = false
[api]
host_ip = 127.0.0.1
port = {port}
max_limit = 10000
[conductor]
sync_power_state_interval = 0
cache_clean_up_interval = 0
automated_clean = false
[deploy]
iso_master_path =
http_root = {folder}/http
[pxe]
instance_master_path =
tftp_root = {folder}/tftp
[dhcp]
dhcp_provider = none
[oslo_concurrency]
lock_path = {folder}/lock
[database]
connection = {url}
"""


@dataclass(frozen=True)
class Question:
    """GET of a list, which is under `key` of the answer if there is one."""

    connect: Callable[[], http.client.HTTPConnection]
    url: str
    header: dict[str, str]
    key: str = ""

    def ask(self) -> bytes:
        """The whole answer, on a connection of its own."""
        connection = self.connect()
        connection.request("GET", self.url, headers=self.header)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(f"GET {self.url} is answered {answer.status}: {body[:500]!r}")
        return body

    def count(self, body: bytes) -> int:
        """How many objects an answer has."""
        found = json.loads(body)
        return len(found[self.key] if self.key else found)


class OverSocket(http.client.HTTPConnection):
    """A connection to a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost")
        self._path = str(path)

    def connect(self) -> None:
        """As http.client calls it."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def main() -> int:
    """Fill, start, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn", help="an empty database")
    parser.add_argument("--machines", type=int, default=1000)
    parser.add_argument("--many", type=int, default=10_000, help="machines of the long list")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--ironic", type=Path, help="a virtual environment with Ironic")
    arguments = parser.parse_args()
    if not 0 < arguments.machines <= arguments.many <= 99_999:
        parser.error("--machines must be at least 1, --many not less than that, and at most 99999")
    with tempfile.TemporaryDirectory(prefix="rackyard-load-") as name:
        folder = Path(name)
        toml, _authority = site_region.configured(arguments.dsn, folder, 1)
        ctx = Context.from_config(load(toml))
        migrate(ctx.db)
        header = signed(accounts.create_admin(ctx, COMMAND_LINE, "bench", ""))
        fill(arguments.dsn, 1, arguments.machines)
        with region(toml, folder) as (path, pid):
            few = Question(lambda: OverSocket(path), f"{API}/machines/?fields={FIELDS}", header)
            if arguments.ironic:
                with ironic(arguments.ironic, arguments.dsn, folder, arguments.machines) as theirs:
                    compare(few, theirs, arguments.rounds)
            else:
                compare(few, None, arguments.rounds)
            everything = Question(lambda: OverSocket(path), f"{API}/machines/", header)
            grow(everything, pid, arguments.dsn, arguments.machines, arguments.many)
    return 0


def grow(everything: Question, pid: int, dsn: str, machines: int, many: int) -> None:
    """Everything of all machines, which are few, and then of many: seconds and memory."""
    before = site_region.usage([pid]).rss_mib
    growth = []
    # So often that each of the workers is asked.
    for first, last, rounds in ((0, machines, 15), (machines + 1, many, 5)):
        if first:
            fill(dsn, first, last)
        body = everything.ask()
        report("everything", [timed(everything) for _round in range(rounds)], len(body), everything.count(body))
        growth.append(site_region.usage([pid]).peak_mib - before)
    print(
        f"memory: {before:.0f} MiB before these lists, at most {growth[0]:.1f} MiB more for {machines} machines, "
        f"{growth[1]:.1f} MiB more for {many}"
    )


def fill(dsn: str, first: int, last: int) -> None:
    """Machines by number."""
    connection = psycopg2.connect(dsn)
    with connection, connection.cursor() as cursor:
        cursor.execute(FILL, {"first": first, "last": last})
    connection.close()


def signed(key: str) -> dict[str, str]:
    """The header that an API key makes (RFC 5849 section 3.4.4)."""
    consumer, token, secret = key.split(":")
    return {
        "Authorization": 'OAuth oauth_version="1.0", oauth_signature_method="PLAINTEXT", '
        f'oauth_consumer_key="{consumer}", '
        f'oauth_token="{token}", oauth_signature="&{secret}", oauth_timestamp="{int(time.time())}", oauth_nonce="n"'
    }


@contextmanager
def region(toml: Path, folder: Path) -> Iterator[tuple[Path, int]]:
    """The region's HTTP process: its socket and its process id."""
    sockets = folder / "run"
    sockets.mkdir()
    path = sockets / "region.sock"
    with (folder / "gunicorn.log").open("wb") as log:
        command = site_region.unit_command("rackyard-region.service", sockets)
        process = subprocess.Popen(command, env=front.environment(toml), stdout=log, stderr=log, cwd="/")
    try:
        front.wait_for(lambda: front.answers(path) or process.poll() is not None, "the region")
        yield path, process.pid
    finally:
        process.terminate()
        process.wait(20)


def timed(question: Question) -> float:
    """Seconds until the whole answer is there."""
    began = time.perf_counter()
    question.ask()
    return time.perf_counter() - began


def compare(ours: Question, theirs: Question | None, rounds: int) -> None:
    """Both, turn and turn about and then in rows; ours alone without another."""
    asked = {"five fields": ours} | ({"Ironic": theirs} if theirs else {})
    answers = {name: question.ask() for name, question in asked.items()}
    for words, row in (("", 1), (f", {IN_A_ROW} in a row", IN_A_ROW)):
        times: dict[str, list[float]] = {name: [] for name in asked}
        for _turn in range(-(-rounds // row)):
            for name, question in asked.items():
                times[name] += [timed(question) for _each in range(row)]
        for name, question in asked.items():
            report(name + words, times[name], len(answers[name]), question.count(answers[name]))
        if theirs:
            ratio = statistics.median(times["Ironic"]) / statistics.median(times["five fields"])
            print(f"ratio of the medians{words}, Ironic to Rackyard: {ratio:.1f}", flush=True)


def report(name: str, seconds: list[float], size: int, count: int) -> None:
    """One line."""
    print(
        f"{name}: {count} objects, {size / 1000:.0f} kB: p50 {1000 * statistics.median(seconds):.1f} ms, "
        f"slowest of {len(seconds)} {1000 * max(seconds):.1f} ms",
        flush=True,
    )


@contextmanager
def ironic(programs: Path, dsn: str, folder: Path, count: int) -> Iterator[Question]:
    """Ironic with so many nodes, in a database of its own on the same server."""
    connection = psycopg2.connect(dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("CREATE DATABASE ironic")
    connection.close()
    port, place = site_region.free_ports(1)[0], folder / "ironic"
    place.mkdir()
    config = place / "ironic.conf"
    config.write_text(IRONIC.format(folder=place, port=port, url=_url(dsn)), encoding="utf-8")
    options = ["--config-file", str(config)]
    subprocess.run([programs / "bin/ironic-dbsync", *options, "create_schema"], check=True, capture_output=True)
    with (place / "stdout.log").open("wb") as log:
        process = subprocess.Popen([programs / "bin/ironic", *options], stdout=log, stderr=log, start_new_session=True)
    try:
        header = {"X-OpenStack-Ironic-API-Version": "latest", "Content-Type": "application/json"}
        front.wait_for(lambda: _listens(port), "Ironic", 60)
        for number in range(count):
            _add_node(port, header, number)
        url = f"/v1/nodes?limit={count}&fields={IRONIC_FIELDS}"
        yield Question(lambda: http.client.HTTPConnection("127.0.0.1", port), url, header, "nodes")
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _add_node(port: int, header: dict[str, str], number: int) -> None:
    node = {
        "driver": "fake-hardware",
        "name": f"m{number:05}",
        "properties": {"cpus": 8, "memory_mb": 32768, "local_gb": 1000, "cpu_arch": "x86_64"},
    }
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/v1/nodes", json.dumps(node), header)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 201:
        raise SystemExit(f"Ironic answers {answer.status}: {body[:500]!r}")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _url(dsn: str) -> str:
    """The DSN as SQLAlchemy has it, with what pg_virtualenv gives by the environment; of the database ironic."""
    given = parse_dsn(make_dsn(dsn, dbname="ironic"))
    host, port = (
        given.get("host") or os.environ.get("PGHOST", ""),
        given.get("port") or os.environ.get("PGPORT", "5432"),
    )
    user = given.get("user") or os.environ.get("PGUSER", "postgres")
    password = given.get("password") or os.environ.get("PGPASSWORD", "")
    return f"postgresql+psycopg2://{user}:{password}@/ironic?host={host}&port={port}"


if __name__ == "__main__":
    raise SystemExit(main())
