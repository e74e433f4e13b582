# SPDX-License-Identifier: GPL-3.0-or-later
"""Racks that one region holds: how soon a job that was committed is at its rack, and what the region's processes take.

Starts nginx and gunicorn as the roles have a region start them, with two RPC ports, and simulates racks, each with a
certificate and an address of its own, that keep their long polls, heartbeats and results of jobs going. Then in turn:
  calm     jobs are committed for racks drawn at random; each is timed from just before its commit to its rack
  change   a region comes to the site: until every rack has the document that names it
  outage   the processes behind nginx are killed and started anew: until every rack has got a job again
Prints a line for each, and what the processes took. Fails when a call fails in calm, when one job of a hundred needs
more than 100 ms there, when polls hold threads, and when a rack misses the change or does not come back.

Times mean something on an idle machine only, which has to carry the racks too: a line says what others took of it.

Usage (`./run bench racks` brings the database): racks.py DSN
    [--racks N] [--seconds S] [--rate JOBS] [--machines N] [--outage S]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2
import site_region
from authority import Authority
from site_region import Region, Usage

from rackyard.region.config import load
from rackyard.region.context import Context
from rackyard.region.db.machines import state
from rackyard.region.db.migrations import migrate
from rackyard.region.services.power import queue
from rackyard.region.services.power.rack_choice import Choice

LIMIT_P99_S = 0.100
# Threads of a process that polls: gevent's hub and what gunicorn and the notifier start, whatever the number of racks.
MOST_THREADS = 8
PORTS = 2
BEGIN_S = 15.0
# Of one processor, what other programs may take before times are not worth much.
IDLE_SHARE = 0.2
COME_BACK_S = 60.0
# A job that is not at its rack so long after the last one was committed has not come.
LATEST_S = 10.0
SIMULATION = Path(__file__).with_name("simulated_racks.py")

# A rack's address, a VLAN of its own with DHCP, and so many machines behind it. %(machines)s is per rack.
FILL = """
INSERT INTO rack_interface (rack_id, name, address)
SELECT id, 'eth0', set_masklen('10.1.0.1'::inet + 256 * (id - 1), 24) FROM rack;
INSERT INTO fabric (name) SELECT 'fabric' || id FROM rack;
INSERT INTO vlan (fabric_id, vid, name, dhcp_on, primary_rack_id)
SELECT fabric.id, 0, 'untagged', true, rack.id FROM fabric JOIN rack ON fabric.name = 'fabric' || rack.id;
INSERT INTO subnet (name, vlan_id, cidr)
SELECT 'subnet' || primary_rack_id, id, network(set_masklen('10.1.0.0'::inet + 256 * (primary_rack_id - 1), 24))
FROM vlan;
INSERT INTO ip_range (subnet_id, type, start_ip, end_ip)
SELECT id, 'dynamic', host(cidr)::inet + 100, host(cidr)::inet + 200 FROM subnet;
INSERT INTO bmc (type, address, parameters)
SELECT 'ipmi', host('172.16.0.0'::inet + n), '{"power_user": "admin"}'
FROM rack, LATERAL generate_series((rack.id - 1) * %(machines)s + 1, rack.id * %(machines)s) AS n;
INSERT INTO machine (system_id, hostname, power_type, bmc_id, power_state)
SELECT 'm' || translate(lpad(id::text, 5, '0'), '0123456789', 'abcdefghkm'), 'm' || id, type, id, 'off'
FROM bmc ORDER BY id;
INSERT INTO machine_interface (machine_id, name, mac, is_boot)
SELECT id, 'eth0', ('5254' || lpad(to_hex(id), 8, '0'))::macaddr, true FROM machine;
ANALYZE;
"""

ENROL = """
INSERT INTO rack (system_id, hostname, cert_sha256, alive, last_seen_at) VALUES (%s, %s, %s, true, now())"""
CHANGE = """
INSERT INTO region_process (name, pid, address, port, heartbeat_at) VALUES ('other', 1, '10.0.0.2', 5250, now());
SELECT pg_notify('rackyard_desired', '')"""


@dataclass(frozen=True)
class Seen:
    """What the simulated racks told, in order; `pid` is their process."""

    pid: int
    lines: list[dict[str, Any]] = field(default_factory=list)

    def since(self, at: float) -> list[dict[str, Any]]:
        """Lines from that second of the monotonic clock on."""
        return [line for line in list(self.lines) if line["at"] >= at]

    def arrivals(self) -> dict[int, float]:
        """When each job was at its rack."""
        return {line["job"]: line["at"] for line in list(self.lines) if "job" in line}


def main() -> int:
    """Start, measure, stop."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn", help="an empty database")
    parser.add_argument("--racks", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long jobs are committed in calm")
    parser.add_argument("--rate", type=float, default=10.0, help="jobs a second in calm")
    parser.add_argument("--machines", type=int, default=20, help="of each rack")
    parser.add_argument("--outage", type=float, default=5.0, help="seconds that the processes are away")
    arguments = parser.parse_args()
    if not 1 <= arguments.racks <= 10_000:
        parser.error("--racks must be 1 to 10000")
    with tempfile.TemporaryDirectory(prefix="rackyard-load-") as folder:
        toml, authority = site_region.configured(arguments.dsn, Path(folder), PORTS)
        ctx = Context.from_config(load(toml))
        migrate(ctx.db)
        plan = planned(ctx, authority, arguments, Path(folder))
        region = Region(toml, Path(folder))
        try:
            region.start()
            with simulated(plan) as seen:
                faults = measure(ctx, region, seen, arguments)
        finally:
            region.stop()
            ctx.close()
    for fault in faults:
        print(f"FAILED {fault}")
    return 1 if faults else 0


def planned(ctx: Context, authority: Authority, arguments: argparse.Namespace, folder: Path) -> Path:
    """The site in the database, and the plan for the simulation."""
    racks = []
    connection = psycopg2.connect(arguments.dsn)
    with connection, connection.cursor() as cursor:
        for number in range(arguments.racks):
            system_id, identity = ctx.random.system_id(), folder / f"rack{number}"
            certificate, key = authority.client(system_id)
            identity.mkdir()
            for name, content in (("ca.crt", authority.pem), ("rack.crt", certificate), ("rack.key", key)):
                (identity / name).write_bytes(content)
            digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate.decode())).digest()
            cursor.execute(ENROL, (system_id, f"rack{number}", digest))
            address = f"127.{1 + number // 256}.{number % 256}.1"
            racks.append({"system_id": system_id, "identity": str(identity), "address": address})
        cursor.execute(FILL, {"machines": arguments.machines})
    connection.close()
    urls = [f"https://localhost:{port}" for port in ctx.config.rpc_ports]
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"urls": urls, "spread_s": BEGIN_S, "racks": racks}), encoding="utf-8")
    return plan


@contextmanager
def simulated(plan: Path) -> Iterator[Seen]:
    """The racks, while the block runs."""
    racks = subprocess.Popen([sys.executable, str(SIMULATION), str(plan)], stdout=subprocess.PIPE, text=True)
    seen = Seen(racks.pid)

    def follow() -> None:
        assert racks.stdout is not None
        for line in racks.stdout:
            seen.lines.append(json.loads(line))

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        yield seen
        if racks.poll() is not None:
            raise SystemExit(f"the simulated racks have ended with {racks.returncode}")
    finally:
        racks.terminate()
        racks.wait(10)
        follower.join(10)


def measure(ctx: Context, region: Region, seen: Seen, arguments: argparse.Namespace) -> list[str]:
    """Calm, change, outage; what is not as it should be."""
    if not wait_until(lambda: documents(seen.since(0)) >= arguments.racks, COME_BACK_S):
        failed = failures(seen.since(0)).most_common(5)
        return [f"{arguments.racks - documents(seen.since(0))} racks have no document; calls that failed: {failed}"]
    time.sleep(2)
    faults = calm(ctx, region, seen, arguments)
    faults += change(ctx, seen, arguments)
    return faults + outage(ctx, region, seen, arguments)


def calm(ctx: Context, region: Region, seen: Seen, arguments: argparse.Namespace) -> list[str]:
    """Jobs, and what the processes take meanwhile."""
    server, connections = site_region.postmaster(arguments.dsn)

    def usage() -> dict[str, Usage]:
        beside = {"PostgreSQL": site_region.usage([server]), "simulation": site_region.usage([seen.pid])}
        return {**region.usage(), **beside}

    began, before, busy_s = time.monotonic(), usage(), site_region.busy_s()
    commits = commit_jobs(ctx, drawn(arguments), arguments.machines, 1 / arguments.rate)
    wait_until(lambda: commits.keys() <= seen.arrivals().keys(), LATEST_S)
    after, others_s, seconds = usage(), site_region.busy_s() - busy_s, time.monotonic() - began
    faults = judge_jobs("calm", commits, seen, LIMIT_P99_S) + judge_usage(before, after, seconds)
    others_s -= sum(after[kind].cpu_s - before[kind].cpu_s for kind in after)
    print(f"other programs: {others_s:.1f} s of processor; this machine has {os.cpu_count()}")
    if others_s > IDLE_SHARE * seconds:
        print("NOTE other programs are busy here: the times say little, what the processes took says more")
    print(f"connections to the database: {connections}")
    failed = failures(seen.since(began))
    print(f"calm: {failed.total()} calls failed")
    faults += [f"calm: {count} calls failed: {why}" for why, count in failed.items()]
    return faults + [f"calm: logged: {line}" for line in region.words()[:5]]


def drawn(arguments: argparse.Namespace) -> Sequence[int]:
    """Machines for the jobs of the calm part, by number."""
    count = int(arguments.rate * arguments.seconds)
    return [random.randint(1, arguments.racks * arguments.machines) for _each in range(count)]


def commit_jobs(ctx: Context, machines: Sequence[int], per_rack: int, pause_s: float) -> dict[int, float]:
    """One job after the other, for these machines' racks; when each was about to be committed."""
    commits = {}
    due = time.monotonic()
    for number in machines:
        time.sleep(max(0.0, due - time.monotonic()))
        due += pause_s
        with ctx.db.transaction() as tx:
            machine = state.lock_by_id(tx, number)
            assert machine is not None
            rack = Choice(1 + (number - 1) // per_rack, f"rack{(number - 1) // per_rack}", "it alone has this machine")
            job = queue.enqueue(ctx, tx, machine, rack, "power_query", epoch=machine.epoch)
            commits[job] = time.monotonic()
    return commits


def judge_jobs(part: str, commits: dict[int, float], seen: Seen, limit_s: float) -> list[str]:
    """How soon jobs were at their racks; all of them should be."""
    arrivals = seen.arrivals()
    took = sorted(arrivals[job] - at for job, at in commits.items() if job in arrivals)
    faults = [] if len(took) == len(commits) else [f"{part}: {len(commits) - len(took)} jobs reached no rack"]
    if not took:
        return faults
    p50, p99, most = (round(1e3 * each) for each in (quantile(took, 0.5), quantile(took, 0.99), took[-1]))
    print(f"{part}: {len(took)} jobs, commit to rack p50 {p50} ms, p99 {p99} ms, max {most} ms")
    late = (
        f"{part}: one job of a hundred was {p99} ms or more on its way to the rack; {limit_s * 1e3:.0f} ms are allowed"
    )
    return faults + ([late] if p99 > limit_s * 1e3 else [])


def judge_usage(before: dict[str, Usage], after: dict[str, Usage], seconds: float) -> list[str]:
    """What the processes take; long polls must hold no thread."""
    for kind, now in after.items():
        cpu_s = now.cpu_s - before[kind].cpu_s
        print(
            f"{kind}: {now.processes} processes, {now.threads} threads, {now.rss_mib:.0f} MiB resident, "
            f"{cpu_s:.1f} s of processor in {seconds:.0f} s"
        )
    polls = after["polls"]
    most = MOST_THREADS * polls.processes
    return [f"{polls.threads} threads in the processes for polls; more than {most}"] if polls.threads > most else []


def change(ctx: Context, seen: Seen, arguments: argparse.Namespace) -> list[str]:
    """A change that every rack's document shows, with jobs meanwhile."""
    with ctx.db.transaction() as tx:
        tx.script(CHANGE)
        at = time.monotonic()
    commits = commit_jobs(ctx, drawn(arguments)[:40], arguments.machines, 1 / arguments.rate)
    reached = wait_until(lambda: documents(seen.since(at)) >= arguments.racks, COME_BACK_S)
    times = sorted(line["at"] - at for line in seen.since(at) if "desired" in line)
    p50, most = (quantile(times, part) if times else 0.0 for part in (0.5, 1))
    print(f"change: {len(times)} of {arguments.racks} racks have the new document, p50 {p50:.2f} s, max {most:.2f} s")
    wait_until(lambda: commits.keys() <= seen.arrivals().keys(), LATEST_S)
    faults = judge_jobs("change", commits, seen, COME_BACK_S)
    return faults + ([] if reached else [f"change: {arguments.racks - len(times)} racks did not get their document"])


def outage(ctx: Context, region: Region, seen: Seen, arguments: argparse.Namespace) -> list[str]:
    """All processes behind nginx die, and are there again: one job for each rack shows that it is."""
    region.kill_processes()
    machines = [1 + number * arguments.machines for number in range(arguments.racks)]
    commits = commit_jobs(ctx, machines, arguments.machines, 0.0)
    time.sleep(arguments.outage)
    region.start_processes()
    up = time.monotonic()
    back = wait_until(lambda: commits.keys() <= seen.arrivals().keys(), COME_BACK_S)
    arrivals = seen.arrivals()
    times = sorted(arrivals[job] - up for job in commits.keys() & arrivals.keys())
    p50, most = (quantile(times, part) if times else 0.0 for part in (0.5, 1))
    peak = max(Counter(int(at) for at in times).values(), default=0)
    print(
        f"outage: {len(times)} of {len(commits)} racks are back, p50 {p50:.1f} s, max {most:.1f} s after the processes"
    )
    print(f"outage: at most {peak} came back in one second")
    failed = failures(seen.since(up))
    print(f"outage: {failed.total()} calls failed after the processes were there: {dict(failed)}")
    return [] if back else [f"outage: {len(commits) - len(times)} racks are not back after {COME_BACK_S:.0f} s"]


def failures(lines: Sequence[dict[str, Any]]) -> Counter[str]:
    """Failed calls by their words."""
    return Counter(f"{line['failed'].partition('/')[0]}: {line['why']}" for line in lines if "failed" in line)


def documents(lines: Sequence[dict[str, Any]]) -> int:
    """How many documents racks got."""
    return sum("desired" in line for line in lines)


def quantile(ordered: Sequence[float], part: float) -> float:
    """The value below which that part of them lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came about in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


if __name__ == "__main__":
    sys.exit(main())
