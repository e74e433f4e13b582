# SPDX-License-Identifier: GPL-3.0-or-later
"""History is removed when it is old, in batches, and what is needed now never is."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from rackyard.region.services.site import disk, overview, retention, settings
from rackyard.region.services.site.authorisation import COMMAND_LINE

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def site(api, add_rack, execute) -> None:
    """Three machines and a rack."""
    for number in (1, 2, 3):
        data = {"hostname": f"m{number}", "mac_addresses": f"52:54:00:20:01:0{number}"}
        assert api.post("machines/", data={"commission": "false", **data}).status_code == 200
    add_rack("rack1", "10.20.0.2/24")


def count(execute, table: str, where: str = "true") -> int:
    ((number,),) = execute(f"SELECT count(*) FROM {table} WHERE {where}")  # noqa: S608
    return int(number)


def add_boots(execute, number: int) -> None:
    """So many finished boots of each machine, one that runs, and a script result with output in each."""
    execute(
        "INSERT INTO operation (machine_id, kind, epoch, requested_at, patience_s, progress_at, deadline_at, ends_at, "
        "outcome, ended_at) SELECT machine.id, 'commission', n, now(), 60, now(), now(), now(), "
        "CASE WHEN n = %s THEN 'running' ELSE 'done' END, CASE WHEN n = %s THEN NULL ELSE now() END "
        "FROM machine, generate_series(1, %s) AS n ORDER BY n",
        (number, number, number),
    )
    execute(
        "INSERT INTO boot (boot_id, machine_id, operation_id, purpose, epoch, requested_at, outcome, ended_at, "
        "consumer_key, token_key, token_secret_sha256, token_secret) "
        "SELECT md5(id::text), machine_id, id, kind, epoch, now(), outcome, ended_at, 'c', id::text, sha256('x'), 'x' "
        "FROM operation ORDER BY operation.id"
    )
    execute(
        "UPDATE machine SET boot_id = boot.id, operation_id = boot.operation_id FROM boot "
        "WHERE boot.machine_id = machine.id AND boot.outcome = 'running'"
    )
    execute("INSERT INTO boot_step (boot_id, step, by_whom, at) SELECT id, 1, 'x', now() FROM boot")
    execute("INSERT INTO script_result (boot_id, machine_id, name, stdout) SELECT id, machine_id, 's', 'out' FROM boot")


def test_old_events_and_jobs_go_and_young_ones_stay(site, ctx, execute) -> None:
    execute("DELETE FROM event")
    execute(
        "INSERT INTO event (machine_id, type, created_at) "
        "SELECT machine.id, 'X', now() - n * interval '30 days' - interval '60 s' "
        "FROM machine, generate_series(0, 11) AS n"
    )
    execute(
        "INSERT INTO job (rack_id, machine_id, epoch, kind, state, created_at, expires_at, finished_at) "
        "SELECT rack.id, machine.id, 0, kind, state, now(), now(), "
        "CASE WHEN state = 'queued' THEN NULL ELSE now() - age END FROM rack, machine, "
        "unnest(ARRAY['power_query', 'power_probe', 'power_on']) AS kind, "
        "unnest(ARRAY['queued', 'done', 'failed']) AS state, "
        "unnest(ARRAY[interval '10 minutes', '2 hours', '40 days']) AS age"
    )
    removed = retention.tidy(ctx)
    assert removed["site.retention.events"] == 3 * 9
    assert count(execute, "event", "created_at > now() - interval '91 days'") == 3 * 3
    assert count(execute, "job", "state = 'queued'") == 3 * 3 * 3, "what is open is not history"
    assert count(execute, "job", "kind = 'power_query' AND state <> 'queued'") == 3 * 2, "an hour"
    assert count(execute, "job", "kind = 'power_probe' AND state <> 'queued'") == 3 * 2, "an hour"
    assert count(execute, "job", "kind = 'power_on' AND state <> 'queued'") == 3 * 2 * 2, "thirty days"
    assert not any(retention.tidy(ctx).values())


def test_settings_say_how_long(site, ctx, execute) -> None:
    execute(
        "INSERT INTO event (type, created_at) "
        "SELECT 'X', now() - n * interval '1 day' - interval '60 s' FROM generate_series(3, 12) AS n"
    )
    assert settings.put(ctx, COMMAND_LINE, "keep_events_days", "7")
    assert retention.tidy(ctx)["site.retention.events"] == 6


def test_newest_boots_of_each_machine_stay_and_a_running_one_always(site, ctx, execute) -> None:
    add_boots(execute, 15)
    retention.tidy(ctx)
    assert execute("SELECT count(*) FROM boot GROUP BY machine_id") == [(10,), (10,), (10,)]
    assert count(execute, "boot", "outcome = 'running'") == 3
    assert count(execute, "machine", "boot_id IS NOT NULL AND operation_id IS NOT NULL") == 3
    assert count(execute, "operation") == 30, "what they belonged to goes as well"
    assert (count(execute, "boot_step"), count(execute, "script_result")) == (30, 30)
    settings.put(ctx, COMMAND_LINE, "keep_boots", "1")
    retention.tidy(ctx)
    assert execute("SELECT outcome FROM boot") == [("running",)] * 3


def test_output_of_scripts_goes_before_their_results(site, ctx, execute) -> None:
    add_boots(execute, 5)
    retention.tidy(ctx)
    assert count(execute, "script_result") == 15
    assert count(execute, "script_result", "stdout = 'out'") == 9
    newest = "boot_id IN (SELECT id FROM boot ORDER BY id DESC LIMIT 9)"
    assert count(execute, "script_result", f"stdout = 'out' AND {newest}") == 9


def test_large_removals_are_cut_into_transactions_and_end_in_time(site, ctx, execute, monkeypatch) -> None:
    execute("DELETE FROM event")
    execute("INSERT INTO event (type, created_at) SELECT 'X', now() - interval '1 year' FROM generate_series(1, 12001)")
    statements: list[str] = []
    ctx.db.on_statement = statements.append
    assert retention.tidy(ctx)["site.retention.events"] == 12001
    assert statements.count("site.retention.events") == 3
    execute("INSERT INTO event (type, created_at) SELECT 'X', now() - interval '1 year' FROM generate_series(1, 12001)")
    assert sum(retention.tidy(ctx, pass_s=0.0).values()) == 0, "no time left: the next pass goes on"
    assert count(execute, "event") == 12001


def test_leases_receipts_and_tokens_go_when_they_are_long_over(site, ctx, execute) -> None:
    execute(
        "INSERT INTO lease (ip, mac, state, at, expires_at) VALUES "
        "('10.0.0.1', '52:54:00:00:00:01', 'commit', now() - interval '50 days', now() - interval '31 days'), "
        "('10.0.0.2', '52:54:00:00:00:02', 'commit', now() - interval '50 days', NULL), "
        "('10.0.0.3', '52:54:00:00:00:03', 'release', now() - interval '31 days', NULL), "
        "('10.0.0.4', '52:54:00:00:00:04', 'commit', now(), now() + interval '1 hour')"
    )
    execute("INSERT INTO receipt SELECT id, 'old', now() - interval '3 days' FROM rack")
    execute("INSERT INTO receipt SELECT id, 'new', now() FROM rack")
    retention.tidy(ctx)
    assert execute("SELECT host(ip) FROM lease ORDER BY ip") == [("10.0.0.2",), ("10.0.0.4",)]
    assert execute("SELECT key FROM receipt") == [("new",)]


def test_status_shows_what_is_stored_and_for_how_long(site, ctx, execute) -> None:
    stored = retention.overview(ctx)
    assert stored["event"]["rows"] == count(execute, "event")
    assert stored["event"]["keep_events_days"] == 90
    assert stored["event"]["mib"] > 0
    assert set(stored) == {"event", "audit", "job", "boot", "script_result", "lease", "receipt"}


def test_a_machine_with_a_long_history_is_deleted_at_once(site, api, ctx, execute) -> None:
    """No statement of it reads a whole table: a plan without sequential scans of history."""
    add_boots(execute, 20)
    execute(
        "INSERT INTO job (rack_id, machine_id, boot_id, epoch, kind, state, created_at, expires_at, finished_at) "
        "SELECT rack.id, boot.machine_id, boot.id, 0, 'power_on', 'done', now(), now(), now() "
        "FROM rack, boot, generate_series(1, 50)"
    )
    execute("ANALYZE")
    for statement in ("SELECT 1 FROM job WHERE boot_id = 1", "SELECT 1 FROM machine WHERE boot_id = 1"):
        plan = "\n".join(row[0] for row in execute(f"SET enable_seqscan = off; EXPLAIN {statement}"))
        assert "Index" in plan, plan


def test_clock_of_the_rules_is_the_regions(site, ctx, clock, execute) -> None:
    clock.advance(timedelta(days=200).total_seconds())
    retention.tidy(ctx)
    assert count(execute, "event") == 0


def test_status_says_what_images_and_logs_take_and_what_limits_them(ctx, tmp_path) -> None:
    for place in (ctx.config.images / "one", tmp_path / "logs/m1", tmp_path / "logs/m2"):
        place.mkdir(parents=True)
        (place / "file").write_bytes(b"x" * 2**20)
    found = disk.usage(ctx, tmp_path / "logs")
    assert (found["images"]["mib"], found["images"]["registered"]) == (1.0, 0)
    assert (found["machine logs"]["mib"], found["machine logs"]["machines"]) == (2.0, 2)
    assert overview.read(ctx)["files"]["images"] == found["images"]
    assert disk.usage(ctx, tmp_path / "none")["machine logs"]["mib"] == 0


def test_the_variables_that_status_and_page_name_are_those_of_the_roles(ctx) -> None:
    page = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    table = page.split("Files are limited by variables")[1].split("\n## ")[0]
    defaults: dict[str, object] = {}
    for path in ROOT.glob("roles/*/defaults/main.yml"):
        defaults |= yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    told = set(re.findall(r"`([a-z]+_[a-z_]+)`", table))
    assert told <= set(defaults)
    limits = {name for name in told if isinstance(defaults[name], int)}
    for kept in disk.usage(ctx).values():
        assert set(re.findall(r"\w+_\w+", kept["kept by"])) <= limits
    for row in table.splitlines():
        values = [str(defaults[name]) for name in re.findall(r"`([a-z_]+)`", row) if name in limits]
        assert re.findall(r"\d+", row.rpartition("| ")[2]) == values or not values, row
