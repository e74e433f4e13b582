# SPDX-License-Identifier: GPL-3.0-or-later
"""Names and people that operators declare, on real hosts: the rack's name server answers for the site's own domains,
and whoever has a password gets a key for it, though not through a rack."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from lab_site import REGION_URL, Lab, fetch

from rackyard_core.client import RegionClient, RegionUnauthorized

REGION, RACK = "10.10.0.11", "10.20.0.2"
# Within a second; a machine that emulates others has other work too.
LIVE_S = 10.0
ASK = """
import sys, dns.exception, dns.resolver
asked = dns.resolver.Resolver(configure=False)
asked.nameservers = [sys.argv[1]]
try:
    print(*sorted(each.to_text() for each in asked.resolve(sys.argv[2], sys.argv[3], lifetime=5)))
except dns.exception.DNSException as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def own_domain(lab: Lab) -> Iterator[RegionClient]:
    """The domain lab.example.org with a name in it; gone afterwards."""
    region = lab.region()
    domain = region.post("domains/", name="lab.example.org", ttl="1")
    wait_for(lambda: serves(lab, "lab.example.org"), "the zone")
    name = region.post("dnsresources/", fqdn="www.lab.example.org", ip_addresses="10.20.0.80")
    region.post("dnsresourcerecords/", fqdn="www.lab.example.org", rrtype="TXT", rrdata="of an operator")
    yield region
    region.delete(f"dnsresources/{name['id']}/")
    region.delete(f"domains/{domain['id']}/")


def answer(lab: Lab, server: str, name: str, kind: str) -> str:
    """What a name server says to the rack."""
    return lab.ssh("rack1", f"python3 - {server} {name} {kind} <<'PY'{ASK}PY").strip()


def becomes(lab: Lab, name: str, kind: str, wanted: str) -> None:
    """The region first: what it does not have yet, a rack's server would remember as missing."""
    for server in (REGION, RACK):
        wait_for(lambda server=server: answer(lab, server, name, kind) == wanted, f"{server}: {name} {kind}")


def wait_for(is_so: Callable[[], bool], what: str) -> None:
    give_up_at = time.monotonic() + LIVE_S
    while not is_so():
        assert time.monotonic() < give_up_at, what
        time.sleep(0.2)


def serves(lab: Lab, domain: str) -> bool:
    return domain in lab.ssh("region1", "cat /var/lib/rackyard/dns/named.conf")


def test_rack_answers_for_the_sites_own_domain_both_ways(lab: Lab, own_domain: RegionClient) -> None:
    becomes(lab, "www.lab.example.org", "A", "10.20.0.80")
    becomes(lab, "www.lab.example.org", "TXT", '"of an operator"')
    becomes(lab, "80.0.20.10.in-addr.arpa", "PTR", "www.lab.example.org.")


def test_change_of_a_name_is_live_without_a_restart(lab: Lab, own_domain: RegionClient) -> None:
    started = lab.ssh("region1", "systemctl show -P ExecMainPID named")
    (name,) = own_domain.get("dnsresources/", fqdn="www.lab.example.org")
    own_domain.put(f"dnsresources/{name['id']}/", ip_addresses="10.20.0.81")
    becomes(lab, "www.lab.example.org", "A", "10.20.0.81")
    becomes(lab, "81.0.20.10.in-addr.arpa", "PTR", "www.lab.example.org.")
    assert lab.ssh("region1", "systemctl show -P ExecMainPID named") == started


def test_domain_that_is_gone_is_not_answered_for(lab: Lab, own_domain: RegionClient) -> None:
    region = own_domain
    domain = region.post("domains/", name="short.example.org", ttl="1")
    wait_for(lambda: serves(lab, "short.example.org"), "the zone")
    name = region.post("dnsresources/", fqdn="a.short.example.org", ip_addresses="192.0.2.7")
    becomes(lab, "a.short.example.org", "A", "192.0.2.7")
    region.delete(f"dnsresources/{name['id']}/")
    becomes(lab, "a.short.example.org", "A", "NXDOMAIN")
    region.delete(f"domains/{domain['id']}/")
    wait_for(lambda: not serves(lab, "short.example.org"), "the zone goes")


def test_machine_is_found_by_its_name(lab: Lab) -> None:
    region = lab.region()
    (machine,) = region.get("machines/", hostname="m1")
    nics = f"nodes/{machine['system_id']}/interfaces/{machine['boot_interface']['id']}/"
    linked = region.post(nics, "link_subnet", mode="static", subnet="10.20.0.0/24", ip_address="10.20.0.241")
    for server in (REGION, RACK):
        wait_for(lambda server=server: "10.20.0.241" in answer(lab, server, machine["fqdn"], "A"), server)
    becomes(lab, "241.0.20.10.in-addr.arpa", "PTR", f"{machine['fqdn']}.")
    (link,) = (each for each in linked["links"] if each.get("ip_address") == "10.20.0.241")
    region.post(nics, "unlink_subnet", id=link["id"])
    wait_for(lambda: "10.20.0.241" not in answer(lab, REGION, machine["fqdn"], "A"), "the name goes")


def test_person_logs_in_with_a_password_at_the_region_only(lab: Lab) -> None:
    region = lab.region()
    region.post("users/", username="ann", password="correct horse", email="", is_superuser="false")
    form = urlencode({"username": "ann", "password": "correct horse", "consumer": "a test"}).encode()
    with urlopen(Request(f"{REGION_URL}/accounts/authenticate/", data=form), timeout=20) as given:
        key = json.load(given)
    own = RegionClient(REGION_URL, ":".join(key[part] for part in ("consumer_key", "token_key", "token_secret")))
    assert own.get("users/", op="whoami")["username"] == "ann"
    through_rack = lab.ssh("rack1", fetch(f"http://{RACK}:5248/MAAS/accounts/authenticate/"))
    assert through_rack.split()[0] in ("403", "404"), through_rack
    region.delete("users/ann/")
    with pytest.raises(RegionUnauthorized):
        own.get("users/", op="whoami")
