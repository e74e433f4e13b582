# SPDX-License-Identifier: GPL-3.0-or-later
"""The serial of zones on real name servers, as an administrator sets it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import name_server
from name_server import DOMAIN, NameServer

from rackyard.region.context import Context
from rackyard.region.db.site.hosts import Host
from rackyard.region.services.site import regions
from rackyard.region.services.site.regions import SelfReport
from rackyard.region.worker.own_names import OwnNames

from .test_names import REVERSE, V6_REVERSE, Site, named, names, region, site, two_racks

__all__ = ["named", "names", "region", "site", "two_racks"]


def test_serial_that_is_set_is_that_of_every_zone_of_every_region(
    site: Site, named: NameServer, region: Context, world: Context, tmp_path: Path
):
    zones = (DOMAIN, REVERSE, V6_REVERSE, "lab.example.org")
    site.follow()
    tells(region, site)
    present = max(map(named.serial, zones))
    for number in (0, 1, present, present + 2**31, 2**32, "x", ""):
        refused = site.api.post("domains/?op=set_serial", data={"serial": str(number)})
        assert refused.status_code == 400, number
    for number in (1, present, present + 2**31):
        refused = site.api.post("domains/?op=set_serial", data={"serial": str(number)})
        assert f"the present serial, {present} " in refused.get_json()["serial"][0]
    with name_server.running(tmp_path / "other") as other:
        config = replace(world.config, name="other", dns_port=other.port, tsig_key=other.key_file)
        elsewhere = replace(world, config=config)
        second = Site(site.api, OwnNames(elsewhere, other, other.root), other, elsewhere)
        second.follow()
        # The second is further than a serial may go from one of a zone that is new, at once.
        for serial in (2_026_112_801, 4_026_112_801):
            site.ask("POST", "domains/?op=set_serial", serial=serial)
            for each, server in ((site, named), (second, other)):
                each.follow()
                assert [server.serial(zone) for zone in zones] == [serial] * len(zones)
                assert each.names.update() == []
        with name_server.running(tmp_path / "new") as new:
            config = replace(world.config, name="new", dns_port=new.port, tsig_key=new.key_file)
            follower = replace(world, config=config)
            Site(site.api, OwnNames(follower, new, new.root), new, follower).follow()
            assert all(4_026_112_801 <= new.serial(zone) <= 4_026_112_802 for zone in zones)
    site.ask("POST", "dnsresources/", fqdn="www.lab.example.org", ip_addresses="192.0.2.80")
    site.follow()
    assert (named.serial("lab.example.org"), named.serial()) == (4_026_112_802, 4_026_112_801)
    assert named.data("www.lab.example.org") == {"192.0.2.80"}
    # Past the end of numbers.
    site.ask("POST", "domains/?op=set_serial", serial=5)
    site.follow()
    assert [named.serial(zone) for zone in zones] == [5] * len(zones)


def tells(region: Context, site: Site) -> None:
    """What the worker says of its host every two seconds."""
    regions.tell(region, SelfReport([], None, {}, "", Host(), site.names.serial))
