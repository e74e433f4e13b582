# SPDX-License-Identifier: GPL-3.0-or-later
"""What a year of a large site costs: the worker's passes and the API's questions on a database that is full of history.

Fills the database of a DSN (an empty one; it is migrated first) by SQL alone: machines, racks, and per machine so many
events a day, boots a year with their steps and script results, and power jobs. Then prints, one line each, seconds of
every pass and question, and how long the first removal takes, batch by batch. Last, the passes again on what is left.
Fails when one of them takes longer than the limits below, or when history does not become what the settings keep.

Usage (`./run bench retention` brings the database): retention.py DSN
    [--machines N] [--days N] [--events-per-day X] [--boots N] [--polls N]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg2
from cryptography.fernet import Fernet

from rackyard.region.clock import Clock
from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard.region.crypto import SecretBox
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.db.migrations import migrate
from rackyard.region.db.notifier import Notifier
from rackyard.region.db.pool import Database
from rackyard.region.db.site.events import EventFilter
from rackyard.region.randomness import Randomness
from rackyard.region.services.boots import timeline
from rackyard.region.services.machines import lists, registry
from rackyard.region.services.site import events, retention, settings
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import deadlines, power

CHARACTERS = "abcdefghkmnpqrstwxyz"
RACKS = 10
# Seconds. The worker's next pass waits for the one before, a person for an answer, a machine for the locks of a batch.
LIMITS_S = {"pass": 5.0, "question": 1.0, "batch": 5.0}

# Fixed texts with parameters; %(machines)s and the like are numbers.
FILL = {
    "racks": """
INSERT INTO rack (system_id, hostname, alive, last_seen_at)
SELECT 'r' || translate(lpad(n::text, 5, '0'), '0123456789', 'abcdefghkm'), 'rack' || n, true, now() + interval '1 day'
FROM generate_series(1, %(racks)s) AS n""",
    "rack addresses": """
INSERT INTO rack_interface (rack_id, name, address) SELECT id, 'bmc0', '10.128.0.1/9'::inet + id FROM rack""",
    "BMCs": """
INSERT INTO bmc (type, address, parameters)
SELECT 'ipmi', host('10.128.1.0'::inet + n), '{"power_user": "admin"}' FROM generate_series(1, %(machines)s) AS n""",
    "machines": """
INSERT INTO machine (system_id, hostname, power_type, bmc_id, power_state)
SELECT 'm' || translate(lpad(id::text, 5, '0'), '0123456789', 'abcdefghkm'), 'm' || id, type, id, 'off'
FROM bmc ORDER BY id""",
    "interfaces": """
INSERT INTO machine_interface (machine_id, name, mac, is_boot)
SELECT id, 'eth0', ('5254' || lpad(to_hex(id), 8, '0'))::macaddr, true FROM machine""",
    "events": """
INSERT INTO event (machine_id, rack_id, level, type, description, created_at)
SELECT 1 + n %% %(machines)s, 1 + n %% %(racks)s, 20, 'NODE_CHANGED', 'one of very many things that happened',
       now() - (%(days)s * interval '1 day') * (1 - n::float / %(events)s)
FROM generate_series(1, %(events)s) AS n""",
    "operations": """
INSERT INTO operation (machine_id, kind, epoch, requested_at, patience_s, progress_at, deadline_at, ends_at, outcome,
                       ended_at)
SELECT machine.id, 'commission', n, at, 1200, at, at, at, 'done', at
FROM generate_series(1, %(boots)s) AS n CROSS JOIN machine,
     LATERAL (SELECT now() - (%(days)s * interval '1 day') * (1 - n::float / (%(boots)s + 1)) AS at) AS moment
ORDER BY n, machine.id""",
    "boots": """
INSERT INTO boot (boot_id, machine_id, operation_id, epoch, purpose, requested_at, ended_at, outcome, consumer_key,
                  token_key, token_secret_sha256, token_secret, rack_id)
SELECT md5(id::text), machine_id, id, epoch, 'commissioning', requested_at, ended_at, 'done', 'c', id::text,
       sha256(id::text::bytea), 'x', 1 + machine_id %% %(racks)s FROM operation ORDER BY operation.id""",
    "steps": """
INSERT INTO boot_step (boot_id, step, by_whom, at)
SELECT boot.id, step, 'somebody', boot.requested_at FROM boot, generate_series(1, 12) AS step""",
    "script results": """
INSERT INTO script_result (boot_id, machine_id, name, status, exit_status, started_at, ended_at, stdout)
SELECT boot.id, boot.machine_id, 'script-' || n, 2, 0, boot.requested_at, boot.requested_at,
       convert_to(repeat(md5((boot.id + n)::text), 60), 'UTF8') FROM boot, generate_series(1, 8) AS n""",
    "power jobs": """
INSERT INTO job (rack_id, machine_id, boot_id, epoch, kind, state, created_at, expires_at, finished_at)
SELECT boot.rack_id, boot.machine_id, boot.id, boot.epoch, kind, 'done', boot.requested_at, boot.requested_at,
       boot.requested_at FROM boot, unnest(ARRAY['power_on', 'power_off']) AS kind""",
    "polls": """
INSERT INTO job (rack_id, machine_id, epoch, kind, state, created_at, expires_at, finished_at)
SELECT 1 + n %% %(racks)s, 1 + n %% %(machines)s, 0, 'power_query', 'done', at, at, at
FROM generate_series(1, %(polls)s) AS n,
     LATERAL (SELECT now() - interval '8 hours' * (n::float / %(polls)s) AS at) AS moment""",
    "statistics": "ANALYZE",
}


# What must be gone after a removal, an hour later at the latest.
TOO_MUCH = {
    "events older than %(keep_events_days)s days": """
SELECT count(*) FROM event WHERE created_at < now() - make_interval(days => %(keep_events_days)s, hours => 1)""",
    "machines with more than %(keep_boots)s boots": """
SELECT count(*) FROM (SELECT FROM boot GROUP BY machine_id HAVING count(*) > %(keep_boots)s) AS machine""",
    "power orders older than %(keep_jobs_days)s days": """
SELECT count(*) FROM job WHERE finished_at < now() - make_interval(days => %(keep_jobs_days)s, hours => 1)""",
    "questions to BMCs older than two hours": """
SELECT count(*) FROM job WHERE kind = 'power_query' AND finished_at < now() - interval '2 hours'""",
}


def main() -> int:
    """Fill, measure, remove, measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn", help="an empty database")
    parser.add_argument("--machines", type=int, default=10_000)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--events-per-day", type=float, default=1.0, help="of each machine")
    parser.add_argument("--boots", type=int, default=12, help="of each machine")
    parser.add_argument("--polls", type=int, default=1_000_000, help="questions to BMCs that were never removed")
    arguments = parser.parse_args()
    if (
        arguments.days <= settings.KNOWN["keep_events_days"].default
        or arguments.boots <= settings.KNOWN["keep_boots"].default
    ):
        parser.error("there must be more days and more boots than are kept by default, or nothing is removed")
    ctx = context(arguments.dsn)
    timed("migrate", lambda: migrate(ctx.db))
    fill(arguments)
    faults = measure(ctx, "before")
    faults += remove(ctx)
    faults += measure(ctx, "after")
    faults += left(ctx)
    ctx.close()
    for fault in faults:
        print(f"FAILED {fault}")
    return 1 if faults else 0


def context(dsn: str) -> Context:
    """A region without files but for a key of its own."""
    folder = Path(tempfile.mkdtemp(prefix="rackyard-load-"))
    key = folder / "secrets.key"
    key.write_bytes(Fernet.generate_key())
    paths = {name: folder / name for name in ("tsig_key", "ca_cert", "ca_key", "tls_cert", "tls_key", "images")}
    config = Config(
        name="load", url="http://127.0.0.1:5240/MAAS", addresses=("127.0.0.1",), rpc_ports=(5250,), dsn=dsn,
        secrets_key=key, dns_server="127.0.0.1", domain="rackyard.internal", **paths,
    )  # fmt: skip
    return Context(config, Database(dsn), Notifier(dsn), SecretBox.from_file(key), Clock(), Randomness())


def fill(arguments: argparse.Namespace) -> None:
    """The history of a site, table by table."""
    numbers = {
        "machines": arguments.machines, "racks": RACKS, "days": arguments.days, "boots": arguments.boots,
        "events": int(arguments.machines * arguments.days * arguments.events_per_day), "polls": arguments.polls,
    }  # fmt: skip
    connection = psycopg2.connect(arguments.dsn)
    connection.autocommit = True
    with connection.cursor() as cursor:
        # Neither checked nor announced row by row; this needs a superuser.
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET session_replication_role = replica")
        for name, statement in FILL.items():
            timed(f"fill {name}", lambda statement=statement: cursor.execute(statement, numbers))
    connection.close()


def measure(ctx: Context, when: str) -> list[str]:
    """The worker's passes, and the questions that people and pages ask most; those that take too long."""
    system_id = "m" + "aaaak"
    (portion,) = lists.short(ctx, MachineFilter(hostnames=[f"m{99 if when == 'before' else 98}"]), ())
    (doomed,) = portion.found.columns["system_id"]

    def log(wanted: EventFilter) -> events.Page:
        return events.query(ctx, COMMAND_LINE, wanted)

    parts: list[tuple[str, str, Callable[[], Any]]] = [
        ("pass", "poll_power", lambda: power.poll_power(ctx)),
        ("pass", "note_overdue", lambda: deadlines.note_overdue(ctx)),
        ("pass", "fail_past_deadline", lambda: deadlines.fail_past_deadline(ctx)),
        ("question", "boot_timeline of a machine", lambda: timeline.read(ctx, system_id)),
        ("question", "events of a machine by hostname", lambda: log(EventFilter(hostnames=["m77"]))),
        ("question", "events of a rack by hostname", lambda: log(EventFilter(hostnames=["rack7"]))),
        ("question", "newest events", lambda: log(EventFilter())),
        ("question", "events after an id", lambda: log(EventFilter(after=1000))),
        ("pass", "status of history", lambda: retention.overview(ctx)),
        ("question", "delete a machine", lambda: registry.delete(ctx, COMMAND_LINE, doomed)),
    ]
    return [
        fault for kind, name, run in parts for fault in slow(kind, f"{when}: {name}", timed(f"{when}: {name}", run))
    ]


def slow(kind: str, name: str, seconds: float) -> list[str]:
    """What to say of it when it took longer than its kind may."""
    limit_s = LIMITS_S[kind]
    return [f"{name} took {seconds:.2f} s; a {kind} may take {limit_s:.0f} s"] if seconds > limit_s else []


def left(ctx: Context) -> list[str]:
    """What is there after the removal and should not be."""
    kept = {name: setting.default for name, setting in settings.KNOWN.items()}
    faults = []
    connection = psycopg2.connect(ctx.config.dsn)
    with connection.cursor() as cursor:
        for what, statement in TOO_MUCH.items():
            cursor.execute(statement, kept)
            (number,) = cursor.fetchone()
            faults += [f"{number} {what % kept} are left"] if number else []
    connection.close()
    return faults


def remove(ctx: Context) -> list[str]:
    """The first removal, pass by pass, and then one that finds nothing; which of its batches took too long."""
    longest: dict[str, float] = {}
    total, passes, began = 0, 0, time.monotonic()
    last = [began, ""]

    def seen(name: str) -> None:
        now = time.monotonic()
        if str(last[1]).startswith("site.retention."):
            longest[str(last[1])] = max(longest.get(str(last[1]), 0.0), now - float(last[0]))
        last[:] = [now, name]

    ctx.db.on_statement = seen
    unfinished = True
    while unfinished:
        started = time.monotonic()
        total, passes = total + sum(retention.tidy(ctx).values()), passes + 1
        # While it runs, more and more polls become an hour old: what counts is that a pass ends before its time.
        unfinished = time.monotonic() - started >= retention.PASS_S
    ctx.db.on_statement = None
    print(f"removed {total} rows in {passes} passes, {time.monotonic() - began:.1f} s")
    for name, seconds in sorted(longest.items()):
        print(f"longest batch of {name}: {seconds:.2f} s")
    idle = "tidy when nothing is over"
    faults = [fault for name, seconds in longest.items() for fault in slow("batch", name, seconds)]
    return faults + slow("pass", idle, timed(idle, lambda: retention.tidy(ctx)))


def timed(name: str, run: Callable[[], Any]) -> float:
    """Run it and print how long it took; the seconds."""
    began = time.monotonic()
    run()
    seconds = time.monotonic() - began
    print(f"{name}: {seconds:.3f} s", flush=True)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
