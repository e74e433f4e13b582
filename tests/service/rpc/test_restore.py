# SPDX-License-Identifier: GPL-3.0-or-later
"""A site that is restored from a backup, and racks that lived on: with higher epochs, generations and job numbers than
the database knows, with renewed certificates and spent tokens."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from authority import Authority, csr_pem, new_key

from rackyard.rack.jobs import JobRunner
from rackyard.rack.spool import Spool
from rackyard.region import backup
from rackyard.region.context import Context
from rackyard.region.db import dump, migrations
from rackyard.region.db.pool import Database
from rackyard.region.errors import Conflict, RackyardError
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site import restoration
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard_core import archive
from rackyard_core.power.pool import PowerPool

from . import test_whole_commissioning as whole
from .conftest import RackClient, Server, key, now_iso, secret_of
from .hardware import MAC
from .play import AgentPlay, poll, register_machine

agent, image, m1 = whole.agent, whole.image, whole.m1
commission, read = whole.commission, whole.read


@pytest.fixture
def keys(world: Context, authority: Authority, tmp_path: Path) -> Path:
    """/etc/rackyard of the region."""
    folder = tmp_path / "etc"
    (folder / "tls").mkdir(parents=True)
    (folder / "secrets.key").write_bytes(world.config.secrets_key.read_bytes())
    for name, path in (("ca.crt", world.config.ca_cert), ("ca.key", world.config.ca_key)):
        (folder / "tls" / name).write_bytes(path.read_bytes())
    return folder


@pytest.fixture
def saved(world: Context, keys: Path, tmp_path: Path) -> Callable[[], Path]:
    """Take a backup."""

    def save() -> Path:
        path = tmp_path / "site.tar"
        backup.save(world, path, with_images=False, keys=keys)
        return path

    return save


def lose(world: Context, execute: Any) -> None:
    """The region's host is gone; the new one has an empty database. Nothing of the lost region runs."""
    world.db.close()
    world.notifier.close()
    execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")


@pytest.fixture
def restored(world: Context, execute: Any) -> Callable[[Path], None]:
    """What restore.yml does with the database of a new host, days later."""

    def run(path: Path) -> None:
        world.clock.advance(3 * 24 * 3600)  # type: ignore[attr-defined]
        lose(world, execute)
        done = backup.restore(world, path, over_data=False)
        assert done["changed"] is True

    return run


def descriptions(api: Any, kind: str) -> list[str]:
    found = api.get("events/?op=query&level=DEBUG&limit=500").get_json()["events"]
    return [event["description"] for event in found if event["type"] == kind]


def test_what_was_there_is_there_and_passwords_can_be_opened(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any, world: Context
) -> None:
    agent.lease()
    path = saved()
    restored(path)
    assert read(api, m1)["status_name"] == "New"
    assert agent.rack.get("jobs").status == 200, "the rack is not enrolled anew"
    commission(api, m1)
    (order,) = poll(agent.rack)
    assert (order["power"]["address"], order["power"]["password"]) == ("10.30.0.11", "secret-of-bmc")
    (subnet,) = agent.rack.get("desired").body["dhcp"]["networks"][0]["subnets"]
    assert subnet["pools"] == [{"start": "10.20.0.100", "end": "10.20.0.200"}]
    with world.db.transaction() as tx:
        assert tx.one("boots.leases.holder_of_ip", ip="10.20.0.101") == {"mac": MAC}
    assert any("restored from a backup of" in words for words in descriptions(api, "SITE_RESTORED"))


def test_orders_of_the_time_of_the_backup_are_not_handed_out(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any, execute: Any
) -> None:
    """A machine that booted days ago, and may carry load now, would be power-cycled."""
    m2 = register_machine(api, "m2", "52:54:00:00:00:77", "10.30.0.12")
    m3 = register_machine(api, "m3", "52:54:00:00:00:78", "10.30.0.13")
    commission(api, m1)
    (taken,) = poll(agent.rack)
    commission(api, m2)
    assert api.post(f"machines/{m3}/?op=power_off").status_code == 200
    restored(saved())
    agent.rack.register(("mgmt0", "10.10.0.21/24"), ("pxe0", "10.20.0.2/24"), ("bmc0", "10.30.0.2/24"))
    assert poll(agent.rack) == []
    assert execute("SELECT count(*) FROM job WHERE state IN ('queued', 'taken', 'lost')") == [(0,)]
    ((reason,),) = execute("SELECT DISTINCT error FROM job")
    assert "the site was restored from a backup of 20" in reason
    for system_id in (m1, m2):
        machine = read(api, system_id)
        assert (machine["status_name"], machine["status_message"]) == ("Failed commissioning", reason)
    assert descriptions(api, "NODE_COMMISSIONING_FAILED") == [reason, reason]
    assert f"power-off was called off: {reason}" in descriptions(api, "NODE_POWER_CALLED_OFF")
    assert read(api, m3)["status_name"] == "New"
    agent.report(taken)
    assert read(api, m1)["status_name"] == "Failed commissioning", "a late report is of an earlier life"
    assert execute("SELECT count(*) FROM boot WHERE outcome = 'running'") == [(0,)]
    commission(api, m1)
    (fresh,) = poll(agent.rack)
    assert fresh["kind"] == "power_on"


def test_rack_carries_out_orders_although_it_has_seen_higher_epochs(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any, tmp_path: Path
) -> None:
    """The agent itself: it refuses what is older than the newest it has seen."""
    path = saved()
    for _ in range(5):
        commission(api, m1)
        assert api.post(f"machines/{m1}/?op=abort").status_code == 200
    commission(api, m1)
    (newest,) = poll(agent.rack)
    spool, pool = Spool(tmp_path / "spool"), PowerPool(1)
    runner = JobRunner(spool, pool, tmp_path / "jobs")
    try:
        runner.submit({**newest, "power": {**newest["power"], "address": "127.0.0.1", "port": 9}})
        restored(path)
        commission(api, m1)
        (order,) = poll(agent.rack)
        assert order["epoch"] > newest["epoch"]
        runner.submit({**order, "power": {**order["power"], "address": "127.0.0.1", "port": 9}})
        waited = threading.Event()
        for _ in range(200):
            if len(list(spool.waiting("result"))) == 2:
                break
            waited.wait(0.1)
        results = {item["job"]: item["result"] for item in spool.waiting("result")}
    finally:
        runner.close()
        pool.close()
    assert results[order["id"]]["error_kind"] == "unreachable", "it was tried, and nobody is at that address"


def test_job_of_the_lost_region_is_not_taken_for_one_of_the_restored(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any
) -> None:
    """Its report waits on the rack, and its number would have been given out again."""
    path = saved()
    commission(api, m1)
    (lost,) = poll(agent.rack)
    restored(path)
    commission(api, m1)
    (fresh,) = poll(agent.rack, held=(lost["id"],))
    assert fresh["id"] != lost["id"]
    assert agent.report(lost).status == 404, "no rack sends that again"
    assert read(api, m1)["status_name"] == "Commissioning"


def test_rack_gets_the_restored_document_and_its_report_counts(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any, execute: Any
) -> None:
    path = saved()
    for number in range(3):
        api.put("subnets/1/", data={"dns_servers": f"10.99.0.{number}"})
        held = agent.rack.get("desired")
    restored(path)
    answer = agent.rack.get("desired", headers={"If-None-Match": held.headers["ETag"]})
    assert answer.status == 200
    assert answer.body["generation"] > held.body["generation"]
    assert answer.body["dhcp"]["networks"][0]["subnets"][0]["dns_servers"] == ["10.20.0.2"]
    outcome = {"dhcp": {"ok": True, "message": ""}}
    assert agent.rack.post("applied", {"generation": held.body["generation"], "daemons": outcome}).status == 200
    assert agent.rack.post("applied", {"generation": answer.body["generation"], "daemons": outcome}).status == 200
    assert execute("SELECT generation FROM rack_daemon") == [(answer.body["generation"],)]


def test_rack_whose_document_did_not_change_reports_on_the_restored_one(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any
) -> None:
    """Else the region would wait for ever for a report on what it gave out."""
    before = agent.rack.get("desired")
    restored(saved())
    answer = agent.rack.get("desired", headers={"If-None-Match": before.headers["ETag"]})
    assert answer.status == 200
    assert {**answer.body, "generation": 0} == {**before.body, "generation": 0}
    assert agent.rack.get("desired", headers={"If-None-Match": answer.headers["ETag"]}).status == 304


def test_events_are_shown_although_transactions_count_from_anew(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any, execute: Any
) -> None:
    """A new PostgreSQL is at transaction 700; the backup's are all later than that."""
    commission(api, m1)
    execute("UPDATE event SET written_by = '9000000000000'")
    ((last,),) = execute("SELECT max(id) FROM event")
    restored(saved())
    followed = api.get("events/?op=query&level=DEBUG&after=0&limit=500").get_json()["events"]
    assert {"REQUEST_NODE_START_COMMISSIONING", "SITE_RESTORED"} <= {event["type"] for event in followed}
    newer = api.get(f"events/?op=query&level=DEBUG&after={last + 100_000}&limit=500").get_json()["events"]
    assert "SITE_RESTORED" in {event["type"] for event in newer}, "clients have seen higher numbers than the backup's"


def test_tokens_that_may_be_spent_and_batches_that_were_taken_count_once(
    agent: AgentPlay, m1: str, saved: Any, restored: Any, server: Server, world: Context, tmp_path: Path, execute: Any
) -> None:
    secret = secret_of(enrolment.mint_token(world, COMMAND_LINE, ttl_s=7 * 24 * 3600))
    event = {
        "key": key(), "at": now_iso(), "type": "loader", "ip": "10.20.0.101", "daemon": "tftpd", "detail": "x",
    }  # fmt: skip
    assert agent.rack.post("events", {"events": [event]}).status == 200
    path = saved()
    stranger = RackClient(server, "stranger", tmp_path)
    assert stranger.enroll(secret).status == 200, "it is spent, which the backup does not know"
    restored(path)
    again = RackClient(server, "another", tmp_path).enroll(secret)
    assert again.status == 403
    assert "enrolment token expired at" in again.error
    assert agent.rack.post("events", {"events": [event]}).body["taken"] == 0
    assert stranger.get("jobs").status == 403, "no rack of the backup; playbook rack enrols it again"
    assert execute("SELECT count(*) FROM rack") == [(1,)]


def test_rack_that_renewed_its_certificate_after_the_backup_is_known(
    api: Any, agent: AgentPlay, saved: Any, restored: Any, world: Context
) -> None:
    rack, old = agent.rack, agent.rack.identity[0].read_text()
    path = saved()
    world.clock.advance(60)  # type: ignore[attr-defined]
    fresh = new_key()
    renewed = rack.post("renew", {"csr": csr_pem(fresh)}).body["certificate"]
    old_key = rack._key
    rack.keep(renewed, fresh)
    restored(path)
    assert rack.get("jobs").status == 200
    assert len(descriptions(api, "RACK_KNOWN_AGAIN")) == 1
    rack.keep(old, old_key)
    assert rack.get("jobs").status == 200, "the one before stays good until the next renewal"


def test_certificate_of_a_revoked_rack_or_from_before_the_backup_is_not_taken_up(
    agent: AgentPlay, saved: Any, restored: Any, world: Context, execute: Any
) -> None:
    rack, first, first_key = agent.rack, agent.rack.identity[0].read_text(), agent.rack._key
    for _ in range(2):
        world.clock.advance(60)  # type: ignore[attr-defined]
        fresh = new_key()
        rack.keep(rack.post("renew", {"csr": csr_pem(fresh)}).body["certificate"], fresh)
    execute("UPDATE rack SET previous_cert_sha256 = NULL")
    restored(saved())
    rack.keep(first, first_key)
    assert rack.get("jobs").status == 403, "it was replaced before the backup"
    execute("UPDATE restoration SET taken_at = taken_at - interval '1 day'")
    execute("UPDATE rack SET cert_not_after = cert_not_after - interval '1 day', revoked_at = now()")
    assert rack.get("jobs").status == 403, "it was revoked"


def test_nothing_is_restored_over_a_site_unless_told_so(
    api: Any, agent: AgentPlay, m1: str, saved: Any, world: Context
) -> None:
    path = saved()
    register_machine(api, "m2", "52:54:00:00:00:77", "10.30.0.12")
    world.db.close()
    world.notifier.close()
    with pytest.raises(Conflict, match="2 machines, 1 racks and 1 subnets would be lost"):
        backup.restore(world, path, over_data=False)
    assert restoration.holdings(world).machines == 2
    other = psycopg2.connect(world.config.dsn)
    try:
        with pytest.raises(Conflict, match="1 others have the database open"):
            backup.restore(world, path, over_data=True)
    finally:
        other.close()
    assert backup.restore(world, path, over_data=True)["changed"] is True
    assert restoration.holdings(world).machines == 1


def test_a_newer_schema_and_a_damaged_file_are_refused_before_anything_is_touched(
    agent: AgentPlay, saved: Any, world: Context, tmp_path: Path
) -> None:
    path = saved()
    facts = archive.verify(path).facts
    archive.extract(path, archive.DATABASE, tmp_path / "dump")
    newer = tmp_path / "newer.tar"
    archive.write(newer, replace(facts, schema=9999), {archive.DATABASE: tmp_path / "dump"})
    with pytest.raises(RackyardError, match=r"with schema 9999; this release .* knows"):
        backup.restore(world, newer, over_data=True)
    content = bytearray(path.read_bytes())
    content[content.index(b"PGDMP") + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(RackyardError, match=r"database\.dump in .* is not what was backed up"):
        backup.restore(world, path, over_data=True)
    assert restoration.holdings(world).racks == 1


def test_a_restore_that_was_cut_off_starts_no_region_and_can_be_run_again(
    agent: AgentPlay, m1: str, saved: Any, world: Context, execute: Any, tmp_path: Path
) -> None:
    path = saved()
    lose(world, execute)
    manifest = archive.verify(path)
    archive.extract(path, archive.DATABASE, tmp_path / "dump")
    dump.load(world.config.dsn, tmp_path / "dump", manifest.facts.taken_at, manifest.sha256)
    assert restoration.holdings(world).half
    with pytest.raises(RackyardError, match="half restored"):
        migrations.require(world.db)
    assert backup.restore(world, path, over_data=False)["changed"] is True
    migrations.require(world.db)
    again = backup.restore(world, path, over_data=False)
    assert again["changed"] is False, "nothing has happened since"
    execute("INSERT INTO region_process VALUES ('region1', 1, '10.10.0.11', 5250, now())")
    with pytest.raises(Conflict, match="1 machines, 1 racks"):
        backup.restore(world, path, over_data=False)


def test_a_dump_that_does_not_load_changes_nothing(
    agent: AgentPlay, m1: str, saved: Any, world: Context, tmp_path: Path
) -> None:
    path = saved()
    facts = archive.verify(path).facts
    (tmp_path / "dump").write_bytes(b"PGDMP" + bytes(100))
    archive.write(path, facts, {archive.DATABASE: tmp_path / "dump"})
    world.db.close()
    world.notifier.close()
    with pytest.raises(RackyardError, match="pg_restore failed: "):
        backup.restore(world, path, over_data=True)
    assert restoration.holdings(world).machines == 1
    assert not restoration.holdings(world).half


def test_a_backup_that_fails_leaves_nothing(
    agent: AgentPlay, world: Context, keys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (keys / "tls/ca.key").unlink()
    with pytest.raises(RackyardError, match=r"lacks tls/ca\.key; take the backup on the first region"):
        backup.save(world, folder / "site.tar", with_images=False, keys=keys)
    (folder / "bin").mkdir()
    monkeypatch.setenv("PATH", str(folder / "bin"))
    with pytest.raises(RackyardError, match="pg_dump is missing on this host"):
        backup.save(world, folder / "site.tar", with_images=False, keys=keys)
    assert [path.name for path in folder.iterdir()] == ["bin"]


def test_what_is_written_while_pg_dump_runs_is_in_the_next_backup(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any, world: Context, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Manifest and dump are of one moment: the real pg_dump begins when a machine more is there."""
    late = tmp_path / "bin/pg_dump"
    late.parent.mkdir()
    statement = "INSERT INTO machine (system_id, hostname) VALUES ('abcdef', 'm2')"
    late.write_text(
        f'#!/bin/sh\npsql -q -d "{world.config.dsn}" -c "{statement}" && exec {shutil.which("pg_dump")} "$@"\n'
    )
    late.chmod(0o755)
    monkeypatch.setenv("PATH", str(late.parent), prepend=":")
    path = saved()
    assert archive.verify(path).facts.holds["machines"] == 1
    restored(path)
    assert [machine["hostname"] for machine in api.get("machines/").get_json()] == ["m1"]


def test_a_backup_of_an_older_schema_is_brought_up_to_date(
    cluster: Any, world: Context, keys: Path, tmp_path: Path, execute: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, known = cluster.create(), migrations.available()
    old = replace(world, config=replace(world.config, dsn=cluster.dsn(name)), db=Database(cluster.dsn(name)))
    with monkeypatch.context() as before:
        before.setattr(migrations, "available", lambda: {n: text for n, text in known.items() if n < 11})
        migrations.migrate(old.db)
    with old.db.transaction() as tx:
        tx.script("INSERT INTO machine (system_id, hostname, status, epoch) VALUES ('abcdef', 'm1', 4, 7)")
    path = tmp_path / "old.tar"
    assert backup.save(old, path, with_images=False, keys=keys)["schema"] == 10
    old.db.close()
    cluster.drop(name)
    lose(world, execute)
    backup.restore(world, path, over_data=False)
    assert migrations.missing(world.db) == []
    assert execute("SELECT hostname, epoch > 1000000 FROM machine") == [("m1", True)]


def test_declared_dead_partners_are_not_dead_any_more(
    agent: AgentPlay, saved: Any, restored: Any, execute: Any, world: Context
) -> None:
    """Two dhcpds that each take the other for dead give out the same addresses."""
    execute("INSERT INTO rack (system_id, hostname) VALUES ('abcdef', 'rack2')")
    execute(
        "INSERT INTO dhcp_partner_down (survivor_id, dead_id, declared_at) "
        "SELECT a.id, b.id, %s FROM rack a, rack b WHERE a.hostname = 'rack1' AND b.hostname = 'rack2'",
        (world.clock.now() - timedelta(days=1),),
    )
    restored(saved())
    assert execute("SELECT count(*) FROM dhcp_partner_down") == [(0,)]
    ((number,),) = execute("SELECT nextval(pg_get_serial_sequence('dhcp_partner_down', 'number'))")
    assert number > 1_000_000, "a rack has carried out declarations of lower numbers, and each once"


def test_a_restored_site_can_be_backed_up_and_restored_again(
    api: Any, agent: AgentPlay, m1: str, saved: Any, restored: Any, execute: Any
) -> None:
    for _ in range(2):
        restored(saved())
    assert execute("SELECT count(*) FROM restoration") == [(2,)]
    assert execute("SELECT epoch FROM machine") == [(2 * restoration.EPOCHS,)]
    commission(api, m1)
    (order,) = poll(agent.rack)
    assert order["kind"] == "power_on"
