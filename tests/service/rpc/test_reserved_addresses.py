# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses that people reserve: a real name server has their names, and racks those with a MAC."""

from __future__ import annotations

from typing import Any

import dns.rcode
from name_server import DOMAIN, NameServer

from . import test_names as of_names
from . import test_reservations as of_links
from .hardware import MAC
from .play import AgentPlay

named, region, two_racks = of_names.named, of_names.region, of_names.two_racks
names, site = of_names.names, of_names.site
agent, image, m1 = of_links.agent, of_links.image, of_links.m1


def test_reserved_address_has_its_name_until_it_is_released(site: of_names.Site, named: NameServer):
    for subnet, hostname in (("10.20.0.0/24", "vip.lab.example.org"), ("six", "vip.lab.example.org"), ("six", "db")):
        site.ask("POST", "ipaddresses/?op=reserve", subnet=subnet, hostname=hostname)
    site.follow()
    assert named.records("vip.lab.example.org") == [(60, "10.20.0.1")]
    assert named.data("vip.lab.example.org", "AAAA") == {"fd00:20::1"}
    assert named.data(f"1.{of_names.REVERSE}", "PTR") == {"vip.lab.example.org."}
    assert named.data(f"db.{DOMAIN}", "AAAA") == {"fd00:20::4"}, "those of racks are passed over"
    site.ask("POST", "ipaddresses/?op=release", ip="10.20.0.1")
    site.follow()
    assert named.answer(f"1.{of_names.REVERSE}", "PTR").rcode() == dns.rcode.NXDOMAIN
    assert named.records("vip.lab.example.org") == []


def test_address_that_a_person_reserved_for_a_mac_is_told_too(api: Any, agent: AgentPlay, m1: str):
    of_links.link(api, m1)
    data = {"ip": "10.20.0.52", "mac": "52-54-00-00-0A-04"}
    took_s, section = of_links.seconds_until(agent.rack, lambda: api.post("ipaddresses/?op=reserve", data=data))
    assert section["reservations"] == {MAC: [of_links.KEPT], "52:54:00:00:0a:04": ["10.20.0.52"]}
    assert took_s < 1
    assert api.post("ipaddresses/?op=release", data={"ip": "10.20.0.52"}).status_code == 204
    assert of_links.dhcp(agent.rack)["reservations"] == {MAC: [of_links.KEPT]}
