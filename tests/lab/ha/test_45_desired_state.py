# SPDX-License-Identifier: GPL-3.0-or-later
"""A database that asks racks for something that no daemon can be given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from gaps import until
from ha_site import HaLab

# As it never comes by the API, which refuses it; by hand, or from a disk that forgets.
BEYOND = "10.99.0.5"
BREAK = "UPDATE ip_range SET start_ip = '10.99.0.5', end_ip = '10.99.0.5' WHERE end_ip = '10.20.0.199'"
MEND = "UPDATE ip_range SET start_ip = '10.20.0.100', end_ip = '10.20.0.199' WHERE end_ip = '10.99.0.5'"


@contextmanager
def range_beyond_its_subnet(lab: HaLab) -> Iterator[None]:
    """The dynamic range of pxe-a is one address, of a network that no rack has."""
    lab.psql(BREAK)
    try:
        yield
    finally:
        lab.psql(MEND)


def dhcp(lab: HaLab, rack: str) -> dict[str, Any]:
    """A rack's service dhcp, as the site's picture has it."""
    (one,) = [each for each in lab.region().get("controllers/")["racks"] if each["hostname"] == rack]
    return dict(next(each for each in one["services"] if each["name"] == "dhcp"))


def names_the_end(lab: HaLab, rack: str) -> bool:
    """Whether the service says what is wrong."""
    return BEYOND in dhcp(lab, rack)["info"]


def runs(lab: HaLab, rack: str) -> bool:
    """Whether the service is as it should be."""
    return bool(dhcp(lab, rack)["state"] == "running")


def served(lab: HaLab, rack: str) -> str:
    """What a rack's dhcpd goes by, and which process it is."""
    return lab.ssh(rack, "sha256sum /etc/dhcp/dhcpd.conf; systemctl show --property=MainPID isc-dhcp-server")


def test_what_no_daemon_can_be_given_is_refused_and_named_and_all_else_goes_on(lab: HaLab) -> None:
    before = {rack: served(lab, rack) for rack in ("rack1", "rack2")}
    with range_beyond_its_subnet(lab):
        questions = {f"named by {rack}": partial(names_the_end, lab, rack) for rack in before}
        seen = until(questions, within_s=90)
        words = {rack: dhcp(lab, rack) for rack in before}
        after = {rack: served(lab, rack) for rack in before}
        others = lab.service("rack1", "dns"), lab.service("rack1", "http")
    back = until({f"{rack} as before": partial(runs, lab, rack) for rack in before}, within_s=90)
    lab.note("desired-state", "a desired state that dhcpd cannot be given", "nothing", seen | back)
    assert len(seen) == len(before), words
    assert {rack: one["state"] for rack, one in words.items()} == dict.fromkeys(before, "degraded")
    assert after == before
    assert others == ("running", "running")
    assert len(back) == len(before)
    assert {rack: served(lab, rack) for rack in before} == before
