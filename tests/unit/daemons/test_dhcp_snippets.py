# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snippet may say, before any dhcpd has seen it, and where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from rackyard.daemons import dhcp, dhcp6
from rackyard.daemons.dhcp_snippets import MAX_VALUE, fault, placed
from rackyard.daemons.model import Refused

CLASS = 'class "phones" {\n  match if substring(option vendor-class-identifier, 0, 5) = "phone"; # with a }\n}'
M1, M2 = "52:54:00:00:00:01", "52:54:00:00:00:02"


@pytest.mark.parametrize(
    "text",
    [
        "option log-servers 10.0.0.1;",
        'option domain-name "include execute log key } {";',
        'option domain-name "a\\"b";',
        CLASS,
        "# log(\noption time-offset 0;\t# the end",
        "if exists user-class {\n} else {\n  ignore-client-uids on;\n}",
    ],
)
def test_ordinary_lines_are_left_to_dhcpd(text: str) -> None:
    assert fault(text) == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "says nothing"),
        ("# only that", "says nothing"),
        ("option time-offset 0;\n}\nsubnet 10.9.0.0 netmask 255.255.255.0 {", "line 2: this brace closes one that"),
        ("group {\n  group {\n  }", "line 3: 1 of its braces are not closed"),
        ("option time-offset 0", "line 1: its last statement has no semicolon"),
        ('option domain-name "a;\n', "line 1: this text has no closing quotation mark"),
        ("else { option time-offset 0; }", "line 1: else has no if"),
        ('\nInclude "/etc/shadow";', "line 2: include is not taken: files of the rack"),
        ('on commit { execute("/bin/sh"); }', "line 1: on commit is not taken"),
        ('if known { execute("/bin/sh"); }', "execute is not taken: dhcpd runs no programs"),
        ('if known { log(info, "rackyard-lease"); }', "log is not taken: the rack takes what dhcpd logs"),
        ("omapi-port 7912;", "omapi-port is not taken: dhcpd takes orders"),
        ('failover peer "x";', "failover is not taken"),
        ('lease-file-name "/tmp/x";', "lease-file-name is not taken"),
        ("host rackyard-525400000001 { }", "such names are Rackyard's"),
        ('class "rackyard-snippet x" { }', "such names are Rackyard's"),
        ("option domain-name “x”;", "a character that dhcpd's configuration cannot have"),
        ("# \x1b[2J\noption time-offset 0;", "line 1: "),
        ("option time-offset 0;\r", "a character"),
        ("#" * (MAX_VALUE + 1), "at most 10000"),
    ],
)
def test_what_would_break_out_or_take_what_is_the_racks_is_refused_by_name(text: str, words: str) -> None:
    assert words in fault(text)


def test_machines_snippet_says_nothing_of_which_machine_it_is_for() -> None:
    assert "said by its node" in fault("match hardware;", machine=True)
    assert fault("option time-offset 0;", machine=True) == ""


def section(**more: Any) -> dict[str, Any]:
    first, second = ({"start": f"10.20.0.{n}0", "end": f"10.20.0.{n}9"} for n in (10, 11))
    subnet = {"cidr": "10.20.0.0/24", "next_server": "10.20.0.2", "pools": [first, second]}
    return {"networks": [{"name": "vlan-1", "subnets": [subnet]}], **more}


def snippet(name: str, value: str = "option time-offset 0;", **more: Any) -> dict[str, Any]:
    return {"name": name, "value": value, **more}


def test_range_with_a_snippet_has_pools_of_its_own_for_registered_machines_and_strangers() -> None:
    told = section(hosts=[])
    told["networks"][0]["subnets"][0]["pools"][1]["snippets"] = [snippet("slow", "min-lease-time 60;")]
    text = dhcp.render(told).decode()
    assert text.count("min-lease-time 60;") == 2
    assert text.count("deny unknown-clients;") == 2
    assert text.count("pool {") == 3
    known, strangers = text.split("# Snippet slow")[1:]
    assert "range 10.20.0.110 10.20.0.114;" in known
    assert "range 10.20.0.115 10.20.0.119;" in strangers


def test_each_snippet_stands_under_its_name_and_a_machines_is_a_class() -> None:
    told = section(snippets=[snippet("all")], classes=[snippet("mine", macs=[M1, M2])])
    told["networks"][0]["subnets"][0]["snippets"] = [snippet("net")]
    lines = [line.strip() for line in dhcp.render(told).decode().splitlines()]
    assert [line for line in lines if line.startswith("# Snippet")] == [
        "# Snippet all",
        "# Snippet mine",
        "# Snippet net",
    ]
    assert f"match if hardware = 1:{M1} or hardware = 1:{M2};" in lines
    assert lines.index("# Snippet net") > lines.index("subnet 10.20.0.0 netmask 255.255.255.0 {")
    assert dhcp.render({**told, "networks": []}) == b"", "nothing to serve is nothing to say"


@pytest.mark.parametrize(
    "hostile",
    [snippet("a\n}", ""), snippet('a"', ""), snippet("a", "}"), snippet("a", 'include "x";'), {"name": "a"}],
)
def test_rack_believes_no_region(hostile: dict[str, Any]) -> None:
    for told in (section(snippets=[hostile]), section(classes=[{**hostile, "macs": [M1]}])):
        with pytest.raises(Refused, match="correct it in the region"):
            dhcp.render(told)
    with pytest.raises(Refused, match="correct it in the region"):
        dhcp6.render({"networks": [{"name": "vlan-1", "subnets": [{
            "cidr": "2001:db8::/64", "server": "2001:db8::2", "snippets": [hostile],
        }]}]})  # fmt: skip


def test_dhcpds_words_are_placed_in_the_snippet() -> None:
    content = b"# x\nsubnet {\n  # Snippet net\n  one;\n  two;\n}\nend\n"
    words = "isc-dhcp-server refuses: /var/lib/x/dhcpd.conf line 5: oops.; /var/lib/x/dhcpd.conf line 7: what?"
    assert placed(words, content, "net", "one;\ntwo;") == (
        "isc-dhcp-server refuses: line 2 of the snippet: oops.; line 7 of the whole configuration (end): what?"
    )
