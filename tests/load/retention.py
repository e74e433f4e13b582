# SPDX-License-Identifier: GPL-3.0-or-later
"""What a year of a large site costs: the worker's passes and the API's questions on a database that is full of history.

Fills the database of a DSN (an empty one; it is migrated first) by SQL alone: machines, racks, and per machine so many
events a day, boots a year with their steps and script results, and power jobs. Then prints, one line each, seconds of
every pass and question, and how long the first removal takes, batch by batch. Last, the passes again on what is left.

Usage: retention.py DSN [--machines N] [--days N] [--events-per-day X] [--boots N] [--polls N]
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
from rackyard.region.db.migrations import migrate
from rackyard.region.db.notifier import Notifier
from rackyard.region.db.pool import Database
from rackyard.region.db.site.events import EventFilter
from rackyard.region.randomness import Randomness
from rackyard.region.services.boots import timeline
from rackyard.region.services.machines import registry
from rackyard.region.services.site import events, retention
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.worker.tasks import deadlines, power

CHARACTERS = "abcdefghkmnpqrstwxyz"
RACKS = 10

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
    ctx = context(arguments.dsn)
    timed("migrate", lambda: migrate(ctx.db))
    fill(arguments)
    measure(ctx, "before")
    remove(ctx)
    measure(ctx, "after")
    ctx.close()
    return 0


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


def measure(ctx: Context, when: str) -> None:
    """The worker's passes, and the questions that people and pages ask most."""
    system_id = "m" + "aaaak"
    timed(f"{when}: poll_power", lambda: power.poll_power(ctx))
    timed(f"{when}: note_overdue", lambda: deadlines.note_overdue(ctx))
    timed(f"{when}: fail_past_deadline", lambda: deadlines.fail_past_deadline(ctx))
    timed(f"{when}: boot_timeline of a machine", lambda: timeline.read(ctx, system_id))
    timed(f"{when}: events of a machine by hostname", lambda: events.query(ctx, EventFilter(hostnames=["m77"])))
    timed(f"{when}: events of a rack by hostname", lambda: events.query(ctx, EventFilter(hostnames=["rack7"])))
    timed(f"{when}: newest events", lambda: events.query(ctx, EventFilter()))
    timed(f"{when}: events after an id", lambda: events.query(ctx, EventFilter(after=1000)))
    timed(f"{when}: status of history", lambda: retention.overview(ctx))
    doomed = f"m{99 if when == 'before' else 98}"
    (found,) = registry.find_all(ctx, registry.MachineFilter(hostnames=[doomed]))
    timed(f"{when}: delete a machine", lambda: registry.delete(ctx, COMMAND_LINE, found.machine.system_id))


def remove(ctx: Context) -> None:
    """The first removal, pass by pass, with the longest transaction; then a pass that finds nothing."""
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
    timed("tidy when nothing is over", lambda: retention.tidy(ctx))


def timed(name: str, run: Callable[[], Any]) -> None:
    """Run it and print how long it took."""
    began = time.monotonic()
    run()
    print(f"{name}: {time.monotonic() - began:.3f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
