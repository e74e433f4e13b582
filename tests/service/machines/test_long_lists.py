# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists that are read in portions: as if they were read at once, in bounded memory, whatever happens meanwhile.

A portion is made small here; tests/load/lists.py has lists of 10,000 machines with the real ones."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from rackyard.region.api import machine_lists, machine_shapes
from rackyard.region.db.machines.registry import MachineFilter
from rackyard.region.errors import Invalid
from rackyard.region.services.machines import lists, registry
from rackyard.region.services.machines.registry import Wish
from rackyard.region.services.site.authorisation import COMMAND_LINE

SIZE = 10


@pytest.fixture(autouse=True)
def small_portions(monkeypatch) -> None:
    monkeypatch.setattr(lists, "DETAILED", SIZE)
    monkeypatch.setattr(lists, "SHORT", SIZE)


@pytest.fixture
def mixed(many_machines, execute):
    """Machines that differ in what lists show of them."""

    def add(count: int) -> None:
        many_machines(count)
        execute("INSERT INTO account (username, is_admin) VALUES ('ann', false)")
        execute("INSERT INTO zone (name, description) VALUES ('east', '100 %% \\ \"of it\" ü')")
        execute(
            "UPDATE machine SET description = 'Rack \"%%s\" ü \\ ' || id, cpu_count = id, memory_mib = id * 1024,"
            " locked = id %% 3 = 0, power_state = CASE id %% 2 WHEN 0 THEN 'on' ELSE 'off' END,"
            " zone_id = CASE id %% 5 WHEN 0 THEN (SELECT max(id) FROM zone) ELSE 1 END,"
            " owner_id = CASE id %% 4 WHEN 0 THEN (SELECT id FROM account WHERE username = 'ann') END,"
            " status_message = CASE id %% 7 WHEN 0 THEN 'It said %%(x)s' ELSE '' END"
        )

    return add


def hostnames(portions) -> list[str]:
    return [name for portion in portions for name in portion.found.hostnames]


@pytest.mark.parametrize("count", [0, 1, SIZE - 1, SIZE, SIZE + 1, 3 * SIZE, 3 * SIZE + 7])
def test_list_is_what_its_machines_are_one_by_one(api, mixed, count) -> None:
    mixed(count)
    whole = api.get("machines/").json
    assert [one["hostname"] for one in whole] == [f"m{n:05}" for n in range(1, count + 1)]
    assert whole == [api.get(f"machines/{one['system_id']}/").json for one in whole]
    assert api.get("nodes/").json[:count] == whole


def test_each_field_that_columns_tell_is_what_the_whole_machine_has(api, mixed) -> None:
    """Alone, and all of them together: two ways through the code, one table."""
    mixed(2 * SIZE + 3)
    whole = api.get("machines/").json
    plain = [name for name in machine_shapes.FIELDS if machine_shapes.columns_for([name]) is not None]
    assert len(plain) == 18
    for name in plain:
        assert api.get(f"machines/?fields={name}").json == [{name: one[name]} for one in whole], name
    together = api.get(f"machines/?fields={','.join(plain)}")
    assert together.json == [{name: one[name] for name in plain} for one in whole]
    assert list(together.json[0]) == plain


def test_columns_that_nobody_asks_for_are_not_read(ctx, mixed) -> None:
    mixed(3)
    (portion,) = lists.short(ctx, MachineFilter(), ["status", "zone_name"])
    assert portion.found.columns.keys() == {"id", "hostname", "system_id", "status", "zone_name"}
    assert portion.found.columns["zone_name"] == ("default",) * 3


def test_pages_are_one_portion_each_and_together_the_list(api, mixed) -> None:
    mixed(5 * SIZE)
    first = api.get(f"machines/?limit={2 * SIZE}&fields=hostname,tag_names")
    assert len(first.json) == 2 * SIZE
    assert f"after=m{2 * SIZE:05}" in first.headers["Link"]
    last = api.get(f"machines/?limit={3 * SIZE}&fields=hostname&after=m{2 * SIZE:05}")
    assert len(last.json) == 3 * SIZE
    assert "Link" not in last.headers


@pytest.mark.parametrize("read", ["short", "detailed"])
def test_machine_is_shown_once_whatever_it_is_called_meanwhile(ctx, mixed, execute, read) -> None:
    mixed(3 * SIZE)
    portions = lists.short(ctx, MachineFilter(), ()) if read == "short" else lists.detailed(ctx, MachineFilter())
    shown = list(next(portions).found.hostnames)
    execute("UPDATE machine SET hostname = 'a-first' WHERE hostname = 'm00025'")
    execute("UPDATE machine SET hostname = 'z-last' WHERE hostname = 'm00003'")
    shown += hostnames(portions)
    gone_to_the_front = [f"m{n:05}" for n in range(1, 21)] + ["a-first"]
    assert shown == gone_to_the_front + [f"m{n:05}" for n in range(21, 31) if n != 25]


def test_what_goes_or_changes_before_its_portion_is_not_shown_as_it_was(ctx, mixed, execute) -> None:
    mixed(3 * SIZE)
    wanted = MachineFilter(statuses=[4])
    portions = lists.short(ctx, wanted, ())
    shown = list(next(portions).found.hostnames)
    execute("DELETE FROM machine WHERE hostname = 'm00015'")
    execute("UPDATE machine SET status = 8 WHERE hostname = 'm00021'")
    registry.create(ctx, COMMAND_LINE, Wish(hostname="m00016a", macs=["52:54:ff:00:00:01"]))
    shown += hostnames(portions)
    left_out = {10, 15, 20, 21, 30}
    assert shown == [f"m{n:05}" for n in range(1, 31) if n not in left_out]


def test_list_that_is_taken_slowly_holds_neither_connection_nor_snapshot(api, mixed, execute, monkeypatch) -> None:
    mixed(5 * SIZE)
    monkeypatch.setattr(machine_lists, "_AT_ONCE", 1)
    monkeypatch.setattr(machine_lists, "_BATCH", SIZE)
    pieces = api.get("machines/", buffered=False).iter_encoded()
    begun = next(pieces)
    open_ones = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND xact_start IS NOT NULL"
        " AND pid <> pg_backend_pid()"
    )
    assert execute(open_ones) == [(0,)]
    assert len(json.loads(begun + b"".join(pieces))) == 5 * SIZE


def test_memory_does_not_grow_with_the_list(api, mixed, execute, monkeypatch) -> None:
    monkeypatch.setattr(machine_lists, "_BATCH", 5)
    monkeypatch.setattr(machine_lists, "_AT_ONCE", 1)
    mixed(12 * SIZE)

    def peak() -> int:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _piece in api.get("machines/", buffered=False).iter_encoded():
            pass
        return tracemalloc.get_traced_memory()[1] - before

    api.get("machines/")
    tracemalloc.start()
    try:
        whole = peak()
        execute("DELETE FROM machine WHERE hostname > 'm00040'")
        third = peak()
    finally:
        tracemalloc.stop()
    assert whole < 1.3 * third, f"{whole} bytes for three times as many machines as {third}"


def test_refusal_comes_before_anything_is_sent(ctx, api, mixed) -> None:
    mixed(2 * SIZE)
    refused = api.get("machines/?zone=nowhere")
    assert (refused.status_code, list(refused.json)) == (400, ["zone"])
    with pytest.raises(Invalid):
        next(lists.detailed(ctx, MachineFilter(tags=["nothing"])))


@pytest.mark.parametrize(("count", "portions"), [(SIZE - 1, 1), (SIZE, 1), (4 * SIZE, 4)])
def test_statements_are_counted_by_portions_and_not_by_machines(api, ctx, mixed, count, portions) -> None:
    mixed(count)
    seen: list[str] = []
    ctx.db.on_statement = lambda name: None if name.startswith("site.accounts.") else seen.append(name)
    api.get("machines/")
    assert seen.count("machines.registry.select") == portions
    assert len(seen) == 5 * portions + (count >= SIZE)
    seen.clear()
    api.get("machines/?fields=hostname,zone")
    assert seen.count("machines.registry.few") == portions
    assert len(seen) == portions + (count >= SIZE)
