# SPDX-License-Identifier: GPL-3.0-or-later
"""How controllers are: one picture, which the API, the page and the command line show alike."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rackyard.region.cli import NOT_WELL
from rackyard.region.context import Context
from rackyard.region.db.racks.identity import Rack
from rackyard.region.db.site.hosts import Host
from rackyard.region.services.racks import draining, registration
from rackyard.region.services.racks.registration import DaemonOutcome, ServiceState
from rackyard.region.services.site import database, overview, regions
from rackyard.region.services.site.authorisation import COMMAND_LINE
from rackyard.region.services.site.regions import SelfReport

from ..conftest import Api, Cluster, roomy_memory, unprivileged
from .test_cli import config_file, run

__all__ = ["config_file", "run"]

LABEL = "10-20-0-0--24"


def told(
    ctx: Context,
    *,
    names: dict[str, list[str]] | None = None,
    trouble: str = "",
    dead: str = "",
    words: str = "",
    host: Host | None = None,
) -> None:
    """What the worker of a region says every two seconds; `words` are of what is dead."""
    services = [{"name": name, "state": "running", "info": ""} for name in ("api", "dns", "worker")]
    for each in services:
        if each["name"] == dead:
            failed = f"unit of {dead} is failed (exit-code); see `journalctl -u {dead}`"
            each |= {"state": "dead", "info": words or failed}
    end = datetime.now(UTC) + timedelta(days=100)
    regions.tell(ctx, SelfReport(services, end, names or {}, trouble, host or Host()))


def silent(execute: Callable[..., object], seconds: float) -> None:
    execute("UPDATE region SET seen_at = seen_at - make_interval(secs => %s)", (seconds,))


def listens(execute: Callable[..., object], name: str, address: str) -> None:
    """A port of a region at which racks reach it."""
    execute(
        "INSERT INTO region_process (name, pid, address, port, heartbeat_at) VALUES (%s, 1, %s, 5250, now())",
        (name, address),
    )


def rack_of(ctx: Context, system_id: str) -> Rack:
    with ctx.db.transaction() as tx:
        return Rack(**tx.one("racks.enrolment.lock", system_id=system_id))


@pytest.fixture
def rack(ctx: Context, api: Api, add_rack: Callable[[str, str], str], execute: Callable[..., object]) -> Rack:
    """A living rack that serves a subnet, and has said that all is well."""
    system_id = add_rack("rack1", "10.20.0.2/24")
    fabric = api.post("fabrics/", data={"name": "lab"}).json
    api.post("subnets/", data={"cidr": "10.20.0.0/24", "name": "pxe-a", "vlan": fabric["vlans"][0]["id"]})
    execute("UPDATE vlan SET dhcp_on = true, primary_rack_id = (SELECT id FROM rack)")
    execute("UPDATE rack SET desired_generation = 3, desired_at = now(), cert_not_after = now() + interval '20 days'")
    told(ctx, names={LABEL: ["10.20.0.2"]})
    listens(execute, "region1", "10.10.0.11")
    found = rack_of(ctx, system_id)
    says(ctx, found)
    registration.applied(ctx, found, 3, {"dhcp": DaemonOutcome(True, "")})
    return found


def says(ctx: Context, rack: Rack, dhcp: str = "running", info: str = "", **report: object) -> None:
    """What the agent of a rack says with each heartbeat."""
    channels = {"https://10.10.0.11:5250": "live", "https://10.10.0.11:5251": "in reserve"}
    said = {"channels": channels, "reports_waiting": 0, "posts_waiting": 0, "posts_refused": 0, **report}
    registration.services(ctx, rack, [ServiceState("dhcp", dhcp, info)], [], registration.SelfReport(**said))


def troubles(ctx: Context) -> dict[str, str]:
    return {each["object"]: each["problem"] for each in overview.controllers(ctx)["troubles"]}


def test_all_is_well_and_everything_is_in_the_picture(ctx: Context, rack: Rack) -> None:
    seen = overview.controllers(ctx)
    assert seen["troubles"] == []
    assert seen["well"] is True
    (region,), (shown,), (vlan,), (subnet,), (server,) = (
        seen[part] for part in ("regions", "racks", "dhcp", "subnets", "database")
    )
    assert (region["name"], region["alive"], region["racks"]) == ("region1", True, ["rack1"])
    assert region["addresses"] == ["10.10.0.11 port 5250"]
    assert region["certificate_days"] == pytest.approx(100, abs=0.1)
    assert shown["channels"] == [{"region": "region1", "url": "https://10.10.0.11:5250", "live": True, "state": "live"}]
    assert (shown["applied_generation"], shown["desired_generation"]) == (3, 3)
    assert (shown["reports_waiting"], shown["posts_waiting"]) == (0, 0)
    assert shown["certificate_days"] == pytest.approx(20, abs=0.1)
    assert (vlan["vlan"], vlan["racks"]) == ("lab/0", [{"hostname": "rack1", "alive": True}])
    assert subnet["members"] == [{"hostname": "rack1", "address": "10.20.0.2"}]
    assert (server["state"], server["lag_s"]) == ("writable", None)


def test_silent_region_is_dead_after_eight_seconds_and_back_with_its_next_word(
    ctx: Context, rack: Rack, execute: Callable[..., object]
) -> None:
    silent(execute, regions.SILENCE_S - 2)
    assert troubles(ctx) == {}
    silent(execute, 3)
    assert list(troubles(ctx)) == ["region region1"]
    told(ctx, names={LABEL: ["10.20.0.2"]})
    assert troubles(ctx) == {}


def test_region_that_never_spoke_is_missed(ctx: Context) -> None:
    assert troubles(ctx) == {"region region1": "its worker has never spoken"}


def test_region_of_the_release_before_is_known_by_its_ports(
    ctx: Context, rack: Rack, execute: Callable[..., object]
) -> None:
    listens(execute, "region2", "10.10.0.12")
    assert troubles(ctx) == {}
    assert [each["version"] for each in overview.controllers(ctx)["regions"]] == ["0.1.0", None]
    execute("UPDATE region_process SET heartbeat_at = now() - interval '2 minutes' WHERE name = 'region2'")
    assert troubles(ctx) == {"region region2": "its worker has not spoken for 2 min"}


def test_why_a_service_died_stays_known_when_it_runs_again(ctx: Context, rack: Rack, api: Api) -> None:
    words = "isc-dhcp-server is failed (exit-code)"
    says(ctx, rack, "dead", f"{words}; see `journalctl -u isc-dhcp-server`")
    told(ctx, names={LABEL: ["10.20.0.2"]}, dead="dns")
    assert troubles(ctx) == {
        "rack rack1, dhcp": words,
        "region region1, dns": "unit of dns is failed (exit-code)",
    }
    steps = [each["next_step"] for each in overview.controllers(ctx)["troubles"]]
    assert steps == ["`journalctl -u dns` on region1", "`journalctl -u isc-dhcp-server` on rack1"]
    says(ctx, rack)
    told(ctx, names={LABEL: ["10.20.0.2"]})
    assert troubles(ctx) == {}
    (dhcp,) = api.get("rackcontrollers/").json[0]["service_set"]
    assert (dhcp["status"], dhcp["failure"].startswith(words)) == ("running", True)
    assert dhcp["failed_at"]
    page = api.get("controllers/?op=page").text
    assert "Failed within a day, and runs again:" in page
    assert "region1, dns, 20" in page


NEVER_FAILED = [
    "isc-dhcp-server is inactive (success); see `journalctl -u isc-dhcp-server`",
    "isc-dhcp-server is not installed; run the rack playbook",
]


@pytest.mark.parametrize("words", NEVER_FAILED)
def test_service_that_was_stopped_or_not_there_yet_has_not_failed(
    ctx: Context, rack: Rack, api: Api, words: str
) -> None:
    says(ctx, rack, "dead", words)
    told(ctx, names={LABEL: ["10.20.0.2"]}, dead="dns", words=words)
    assert list(troubles(ctx)) == ["region region1, dns", "rack rack1, dhcp"]
    says(ctx, rack)
    told(ctx, names={LABEL: ["10.20.0.2"]})
    (dhcp,) = api.get("rackcontrollers/").json[0]["service_set"]
    assert (dhcp["failure"], dhcp["failed_at"]) == ("", None)
    assert "Failed within a day" not in api.get("controllers/?op=page").text


@pytest.mark.parametrize("words", NEVER_FAILED)
def test_failure_after_a_stop_has_its_own_time(
    ctx: Context, rack: Rack, api: Api, execute: Callable[..., object], words: str
) -> None:
    died = "isc-dhcp-server is failed (signal); see `journalctl -u isc-dhcp-server`"
    says(ctx, rack, "dead", died)
    says(ctx, rack)
    execute("UPDATE rack_service SET failed_at = failed_at - interval '3 days'")
    says(ctx, rack, "dead", words)
    says(ctx, rack, "dead", died)
    execute("UPDATE rack_service SET failed_at = failed_at - interval '2 hours'")
    says(ctx, rack, "dead", died)
    says(ctx, rack)
    (dhcp,) = api.get("rackcontrollers/").json[0]["service_set"]
    age_s = (datetime.now(UTC) - datetime.fromisoformat(dhcp["failed_at"])).total_seconds()
    assert age_s == pytest.approx(2 * 3600, abs=120), "of this failure, not of the one before, and not of its last word"
    assert "rack1, dhcp, 20" in api.get("controllers/?op=page").text


@pytest.mark.parametrize(
    ("change", "about", "words"),
    [
        ("UPDATE rack SET alive = false", "rack rack1", "it is dead: not heard for"),
        ("UPDATE rack SET alive = false", "VLAN lab/0", "nobody answers DHCP: rack1 is dead"),
        ("UPDATE rack SET alive = false", "subnet pxe-a", "no rack is alive in it"),
        (
            "UPDATE rack SET desired_generation = 4, desired_at = now() - interval '2 minutes'",
            "rack rack1", "it has applied generation 3, not 4",
        ),
        ("UPDATE rack SET cert_not_after = now() + interval '3 days'", "rack rack1", "its certificate ends in 3 days"),
        ("UPDATE region SET cert_not_after = now() + interval '3 days'", "region region1", "ends in 3 days"),
        ("UPDATE rack_report SET posts_waiting = 501", "rack rack1", "501 posts wait there for a region"),
        (
            """UPDATE rack_report SET channels = '{"https://10.10.0.11:5250": "timed out"}'""",
            "rack rack1", "it has no channel to region1: timed out",
        ),
        (
            """UPDATE region SET names = '{"10-20-0-0--24": ["10.20.0.9"]}'""",
            "subnet pxe-a", "has 10.20.0.9 for 10-20-0-0--24.rackyard.internal, not 10.20.0.2",
        ),
        ("UPDATE region SET names_trouble = 'named is silent'", "region region1", "named is silent"),
    ],
)  # fmt: skip
def test_what_is_not_well_is_named(
    ctx: Context, rack: Rack, execute: Callable[..., object], run, change: str, about: str, words: str
) -> None:
    assert run("status", "--check")[0] == 0
    execute(change)
    found = overview.controllers(ctx)["troubles"]
    assert [each for each in found if each["object"] == about and words in each["problem"]]
    status, page, _ = run("status", "--check")
    assert status == NOT_WELL
    assert "NOT WELL: " in page.splitlines()[0]
    assert f"  {about}: " in page
    assert run("status")[0] == 0, "who only looks is not told by the exit status"


def test_a_change_that_was_just_made_is_no_trouble(ctx: Context, rack: Rack, execute: Callable[..., object]) -> None:
    execute("UPDATE rack SET desired_generation = 4, desired_at = now() - interval '5 seconds'")
    assert troubles(ctx) == {}


def test_rack_of_the_release_before_says_less_and_is_well(
    ctx: Context, rack: Rack, execute: Callable[..., object], run
) -> None:
    execute("DELETE FROM rack_report")
    assert troubles(ctx) == {}
    assert run("status", "--check")[0] == 0


def test_rack_that_is_drained_is_out_of_use_and_no_trouble(ctx: Context, rack: Rack, api: Api) -> None:
    draining.begin(ctx, COMMAND_LINE, rack.hostname)
    seen = overview.controllers(ctx)
    assert seen["racks"][0]["drained_until"] is not None
    assert seen["well"], "the only rack of a subnet keeps its name"
    line = next(line for line in api.get("controllers/?op=page").text.splitlines() if line.startswith(rack.hostname))
    assert "  out of use  " in line


def test_api_page_and_command_line_show_the_same(ctx: Context, rack: Rack, api: Api, run) -> None:
    shown = api.get("controllers/").json
    printed = json.loads(run("status", "--json")[1])
    for part in ("regions", "racks", "subnets", "dhcp", "troubles"):
        assert [each.keys() for each in shown[part]] == [each.keys() for each in printed[part]]
    page = api.get("controllers/?op=page")
    assert page.mimetype == "text/plain"
    # The first line has the time in it; ages may count up in between.
    heads = [line.split()[0] for line in page.text.splitlines()[1:] if line]
    lines = [line.split()[0] for line in run("status")[1].splitlines()[1:] if line]
    assert heads == lines[: len(heads)]


def test_regions_are_in_the_shape_of_maas_and_can_be_forgotten(
    ctx: Context, rack: Rack, api: Api, execute: Callable[..., object], run
) -> None:
    told(replace(ctx, config=replace(ctx.config, name="region2")))
    found = api.get("regioncontrollers/").json
    assert [each["hostname"] for each in found] == ["region1", "region2"]
    assert (found[0]["node_type"], found[0]["alive"], found[0]["ip_addresses"]) == (3, True, ["10.10.0.11"])
    assert {each["name"] for each in found[0]["service_set"]} == {"api", "dns", "worker"}
    assert api.get(f"regioncontrollers/{found[0]['system_id']}/").json["hostname"] == "region1"
    assert api.get("regioncontrollers/nobody/").status_code == 404
    assert run("forget-region", "region2")[0] == 0
    assert "no region is called region2" in run("forget-region", "region2")[2]
    assert [each["hostname"] for each in api.get("regioncontrollers/").json] == ["region1"]


def test_telling_again_what_is_as_it_was_writes_no_service(ctx: Context, execute: Callable[..., list[tuple]]) -> None:
    told(ctx)
    before = execute("SELECT xmin FROM region_service")
    told(ctx)
    assert execute("SELECT xmin FROM region_service") == before
    regions.tell(ctx, SelfReport([{"name": "api", "state": "running", "info": ""}], None, {}, "", Host()))
    assert execute("SELECT name FROM region_service") == [("api",)]


@pytest.fixture
def standby(cluster: Cluster, postgres_binary: Callable[[str], str]) -> Iterator[Path]:
    """A second server that follows the first; the directory of its socket."""
    home = Path(tempfile.mkdtemp(prefix="ry-standby-", dir=roomy_memory()))
    home.chmod(0o755)
    shutil.chown(home, "postgres") if unprivileged(["x"]) != ["x"] else None
    data = str(home / "data")
    copy = [postgres_binary("pg_basebackup"), "-h", cluster.socket_dir, "-U", "rackyard", "-D", data, "-R", "--no-sync"]
    subprocess.run(unprivileged([*copy, "--checkpoint=fast"]), check=True, capture_output=True, cwd="/")
    control = [postgres_binary("pg_ctl"), "-D", data, "-w", "-l", str(home / "log")]
    try:
        options = f"-c listen_addresses='' -c fsync=off -k {home}"
        subprocess.run(unprivileged([*control, "-o", options, "start"]), check=True, stdout=subprocess.DEVNULL, cwd="/")
        yield home
    finally:
        subprocess.run(unprivileged([*control, "-m", "immediate", "stop"]), check=False, capture_output=True, cwd="/")
        shutil.rmtree(home, ignore_errors=True)


def test_members_of_postgresql_are_seen_with_who_writes_since_when_and_how_far_behind(
    ctx: Context, cluster: Cluster, standby: Path, execute: Callable[..., list[tuple]]
) -> None:
    name = ctx.config.dsn.rpartition("=")[2]
    hosts = f"{cluster.socket_dir},{standby},/nonexistent"
    both = replace(
        ctx, config=replace(ctx.config, dsn=f"host={hosts} user=rackyard dbname={name} target_session_attrs=read-write")
    )
    database.note_timeline(ctx)
    ((since,),) = execute("SELECT since FROM database_timeline")
    deadline = time.monotonic() + 30
    while (found := database.members(both))[1]["lag_bytes"] != 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    first, second, third = found
    assert (first["server"], first["state"], first["since"]) == (cluster.socket_dir, "writable", since.isoformat())
    assert (second["state"], second["lag_bytes"], second["lag_s"]) == ("standby", 0, 0.0)
    assert (third["state"], "/nonexistent" in third["error"]) == ("away", True)
    assert troubles(both)["PostgreSQL at /nonexistent"].startswith("does not answer: ")


def test_timeline_is_noted_once(ctx: Context, execute: Callable[..., list[tuple]]) -> None:
    database.note_timeline(ctx)
    before = execute("SELECT xmin, timeline, since FROM database_timeline")
    database.note_timeline(ctx)
    assert execute("SELECT xmin, timeline, since FROM database_timeline") == before
    assert before[0][1] == 1
