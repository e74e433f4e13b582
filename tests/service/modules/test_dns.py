# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules dns_domain and dns_record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import dns_domain, dns_record

Result = dict[str, Any]
Run = Callable[..., Result]
LAB = "lab.example.org"
WWW = {"fqdn": f"www.{LAB}", "type": "A"}


@pytest.fixture
def lab(run: Run) -> Result:
    made = run(dns_domain, name=LAB)
    assert made["changed"], made
    return made


def done(run: Run, module: Any, **options: Any) -> Result:
    """A change: foretold by check mode, made once, then nothing more to do."""
    foretold = run(module, check=True, **options)
    made = run(module, **options)
    assert made.get("actions") == foretold.get("actions") != [], made
    assert made["diff"] == foretold["diff"]
    again = run(module, **options)
    assert not again["changed"], again
    return made


def test_life_of_a_domain(run: Run) -> None:
    made = done(run, dns_domain, name="Lab.Example.org.", ttl=60)
    assert made["actions"] == [f"create domain {LAB}"]
    assert made["dns_domain"]["ttl"] == 60
    changed = done(run, dns_domain, name=LAB, ttl=0, authoritative=False)
    assert (changed["dns_domain"]["ttl"], changed["dns_domain"]["authoritative"]) == (0, False)
    assert changed["diff"]["before"] == {"name": LAB, "ttl": 60, "authoritative": True, "default": False}
    assert not run(dns_domain, name=LAB)["changed"]
    done(run, dns_domain, name=LAB, state="absent")


def test_domain_with_names_stays(run: Run, lab: Result) -> None:
    done(run, dns_record, **WWW, values=["192.0.2.1"])
    refused = run(dns_domain, name=LAB, state="absent")
    assert refused["failed"]
    assert f"still has www.{LAB}" in refused["msg"]


def test_both_families_of_addresses_are_declared_apart(run: Run, lab: Result) -> None:
    four = done(run, dns_record, **WWW, values=["192.0.2.2", "192.0.2.1"], ttl=60)
    assert four["dns_record"] == {**WWW, "values": ["192.0.2.1", "192.0.2.2"], "ttl": 60}
    done(run, dns_record, fqdn=WWW["fqdn"], type="AAAA", values=["2001:db8:0::1"])
    assert not run(dns_record, **WWW, values=["192.0.2.1", "192.0.2.2"], ttl=60)["changed"]
    done(run, dns_record, **WWW, values=["192.0.2.3"])
    done(run, dns_record, **WWW, state="absent")
    six = run(dns_record, fqdn=WWW["fqdn"], type="AAAA", values=["2001:db8::1"])
    assert not six["changed"]
    assert six["dns_record"]["ttl"] == 60
    done(run, dns_record, fqdn=WWW["fqdn"], type="AAAA", state="absent")
    done(run, dns_domain, name=LAB, state="absent")


def test_records_become_what_is_declared(run: Run, lab: Result) -> None:
    mx = {"fqdn": LAB, "type": "MX"}
    done(run, dns_record, **mx, values=["10 a", "20 b"])
    done(run, dns_record, **mx, values=["20 b", "30 c"], ttl=300)
    done(run, dns_record, **mx, values=["5 d", "6 e", "7 f"], ttl=300)
    done(run, dns_record, **mx, values=["7 f"], ttl=0)
    done(run, dns_record, **mx, state="absent")


def test_alias_leads_elsewhere_without_a_gap(run: Run, lab: Result) -> None:
    alias = {"fqdn": f"a.{LAB}", "type": "CNAME"}
    done(run, dns_record, **alias, values=["www"])
    changed = done(run, dns_record, **alias, values=["web"])
    assert changed["diff"]["before"]["values"] == ["www"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"type": "A", "values": ["2001:db8::1"]}, "no address of a record A"),
        ({"type": "MX", "values": ["mail"]}, "no data of MX"),
        ({"type": "A", "values": ["192.0.2.1"], "fqdn": "a.nowhere.org"}, "in no domain of this site"),
        ({"type": "A"}, "values"),
    ],
)
def test_refusals_are_worded(run: Run, lab: Result, options: Result, words: str) -> None:
    refused = run(dns_record, **{"fqdn": f"x.{LAB}", **options})
    assert refused["failed"]
    assert words in refused["msg"]
