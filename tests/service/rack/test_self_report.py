# SPDX-License-Identifier: GPL-3.0-or-later
"""What an agent says of its host, as the region's picture of its controllers shows it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from rackyard.region.services.site import overview

from .conftest import RackHost, Region, wait_until
from .test_agent import Site

POST = f"{1:020d}-{'a' * 32}-post"


@pytest.fixture
def site(region: Region, rack: RackHost) -> Site:
    found = Site(region, rack)
    rack.start()
    wait_until(lambda: states(found).get("proxy") == "running", "the first report", 60)
    return found


def shown(site: Site) -> dict[str, Any]:
    (rack,) = overview.controllers(site.region.ctx)["racks"]
    return dict(rack)


def states(site: Site) -> dict[str, str]:
    return {each["name"]: each["state"] for each in shown(site)["services"]}


@pytest.mark.alone
def test_dead_daemon_is_known_within_five_seconds_with_its_reason(site: Site) -> None:
    took = []
    for unit, name in (("squid", "proxy"), ("named", "dns"), ("nginx", "http")):
        time.sleep(1.3)  # at another moment between two looks
        (site.rack.home / "bin/failed").write_text(f"{unit}.service")
        began = time.monotonic()
        wait_until(lambda each=name: states(site)[each] == "dead", f"{unit} dead")
        took.append(time.monotonic() - began)
    print("\ndead daemons known after", ", ".join(f"{seconds:.1f} s" for seconds in took))
    assert max(took) < 5
    troubles = overview.controllers(site.region.ctx)["troubles"]
    assert {
        "object": "rack rack1, http",
        "problem": "nginx is failed (exit-code)",
        "next_step": "`journalctl -u nginx` on rack1",
    } in troubles
    (site.rack.home / "bin/failed").unlink()
    wait_until(lambda: states(site)["http"] == "running", "nginx running again")
    (http,) = [each for each in shown(site)["services"] if each["name"] == "http"]
    assert http["failure"].startswith("nginx is failed (exit-code)")


def test_channels_and_what_waits_are_told(site: Site) -> None:
    (channel,) = shown(site)["channels"]
    wait_until(lambda: shown(site)["channels"][0]["live"], "a live channel")
    assert (channel["region"], channel["url"]) == ("127.0.0.1", site.region.url)
    assert shown(site)["posts_waiting"] == 0
    posts = site.rack.config.machine_posts / ("b" * 32)
    posts.mkdir(parents=True)
    (posts / POST).write_text("{}\n")
    wait_until(lambda: shown(site)["posts_waiting"] == 1, "the waiting post")


def test_generation_that_is_applied_is_the_desired_one(site: Site) -> None:
    def settled() -> bool:
        rack = shown(site)
        return bool(rack["applied_generation"] == rack["desired_generation"] > 0)

    wait_until(settled, "the desired state applied", timeout_s=40)
