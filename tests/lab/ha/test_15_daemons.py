# SPDX-License-Identifier: GPL-3.0-or-later
"""Daemons that die or hang while their hosts live: each comes back by itself, and what it was part of goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from gaps import REVIVED, said_by_dhcpd, until
from ha_site import REGIONS, HaLab
from lab_site import eventually

OWN = ("rackyard-region", "rackyard-region-metadata", "rackyard-region-worker")
RPC = ("rackyard-region-rpc@5250", "rackyard-region-polls@5250")
SHARED = ("nginx", "named", "squid", "rsyslog", "chrony")
UNITS = {
    "region1": ("patroni@15-main", "etcd"),
    "region2": (*OWN, *RPC, *SHARED),
    "rack1": ("rackyard-rack", "rackyard-rack-boot", "isc-dhcp-server", "tftpd-hpa", *SHARED),
}
# systemd waits up to 5 s before it starts one again.
REVIVED_S, KNOWN_S = 30, 5

# Where the leading worker comes from.
LEADER = """
SELECT host(client_addr) FROM pg_stat_activity WHERE application_name = 'rackyard-worker-leader'
AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)
"""
BEATS = "SELECT beat_at > now() - interval '5 s' FROM leadership"


@contextmanager
def frozen(lab: HaLab, host: str, unit: str) -> Iterator[float]:
    """All processes of a unit stand still; yields the Unix time since when."""
    lab.ssh(host, f"systemctl kill --signal=STOP {unit}")
    try:
        yield time.time()
    finally:
        lab.ssh(host, f"systemctl kill --signal=CONT {unit}")


@pytest.mark.parametrize("host", UNITS)
def test_daemon_that_is_killed_runs_again_by_itself(lab: HaLab, host: str) -> None:
    """Nobody is there at night to start it."""
    gaps: dict[str, float | None] = {}
    for unit in UNITS[host]:
        said = lab.ssh(host, f"python3 - {unit}", stdin=REVIVED)
        gaps[unit] = float(said.split()[1]) if said else None
    lab.note(f"killed-on-{host}", f"SIGKILL on {host}", "the daemon's answers while it starts", gaps)
    assert [unit for unit, gap in gaps.items() if gap is None or gap > REVIVED_S] == []
    # Where PostgreSQL led, another member does after 20 s and some.
    assert eventually(lab.answers, within_s=60)


@pytest.mark.parametrize(("host", "unit", "service"), [("rack1", "named", "dns"), ("region2", "squid", "proxy")])
def test_daemon_that_stays_dead_is_known_within_five_seconds(lab: HaLab, host: str, unit: str, service: str) -> None:
    lab.ssh(host, f"systemctl mask --runtime {unit}; systemctl kill --signal=KILL {unit}")
    try:
        seen = until({"known as dead after": lambda: lab.service(host, service) == "dead"}, within_s=30)
    finally:
        lab.ssh(host, f"systemctl unmask --runtime {unit}; systemctl start {unit}")
    seen |= until({"known as running after": lambda: lab.service(host, service) == "running"}, within_s=30)
    lab.note(f"dead-{service}-of-{host}", f"{unit} of {host} is dead and stays so", "it alone", seen)
    assert seen["known as dead after"] <= KNOWN_S
    assert "known as running after" in seen


def test_frozen_agent_is_missed_and_replaced(lab: HaLab) -> None:
    with frozen(lab, "rack1", "rackyard-rack"):
        seen = until(
            {"rack is dead": lambda: not lab.alive("rack1"), "unnamed": lambda: lab.named("rack2")}, within_s=60
        )
        seen |= until({"alive again, from then on": lambda: lab.alive("rack1")}, within_s=120)
    lab.note("frozen-agent", "agent of rack1 frozen", "power orders of the BMCs that it alone reaches", seen)
    assert seen["rack is dead"] <= 40
    assert len(seen) == 3, seen


def test_frozen_dhcpd_is_stood_in_for(lab: HaLab) -> None:
    with frozen(lab, "rack1", "isc-dhcp-server") as since:
        interrupted = ("I move from normal to communications-interrupted",)
        eventually(lambda: said_by_dhcpd(lab, "rack2", since, interrupted), within_s=60)
        gap = said_by_dhcpd(lab, "rack2", since, interrupted)
    lab.note("frozen-dhcpd", "dhcpd of rack1 frozen", "answers to its half", {"partner answers all after": gap})
    assert gap is not None
    assert gap <= 15


def test_frozen_worker_is_replaced(lab: HaLab) -> None:
    """It holds the lock of who leads; while nobody does, no deadline passes and no rack is buried."""
    (address,) = lab.psql(LEADER)
    host = next(name for name, own in REGIONS.items() if own == address)
    with frozen(lab, host, "rackyard-region-worker"):
        time.sleep(20)
        seen = until({"somebody leads, 20 s later": lambda: lab.psql(BEATS) == ["t"]}, within_s=160)
    lab.note("frozen-worker", f"leading worker, of {host}, frozen", "deadlines and burials meanwhile", seen)
    assert len(seen) == 1
    assert lab.psql("SELECT count(*) FROM rack WHERE alive") == ["2"]
