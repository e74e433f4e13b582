# SPDX-License-Identifier: GPL-3.0-or-later
"""Renderers: exact text for a full and an empty desired state; hostile values refused before anything is written."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackyard.daemons import DAEMONS, Refused, dns, syslog, tftp
from rackyard.daemons.model import HEADER

DATA = Path(__file__).resolve().parents[2] / "data"
RENDER = {daemon.name: daemon.render for daemon in DAEMONS}


def document() -> dict[str, Any]:
    """A desired state as the region sends it: everything once, IPv6 where the daemons take it."""
    desired: dict[str, Any] = json.loads((DATA / "desired_rack.json").read_text())
    return desired


def empty() -> dict[str, Any]:
    """A rack that has nothing to do and knows no region."""
    return {name: {} for name in ("dhcp", "dhcp6", "ra", "dns", "http", "proxy", "syslog", "ntp", "tftp")}


def lines(name: str, desired: dict[str, Any] | None = None) -> list[str]:
    text = RENDER[name]((desired or document())[name]).decode()
    return text.splitlines()


def test_dns() -> None:
    assert lines("dns")[1:] == [
        "acl rackyard_trusted {",
        "    10.20.0.0/24;",
        "    fd00:20::/64;",
        "};",
        'zone "." {',
        "    type forward;",
        "    forward only;",
        "    forwarders { 10.10.0.11; fd00::11; };",
        "};",
    ]


def test_dns_of_a_region_has_its_reverse_zones(tmp_path: Path) -> None:
    section = {"trusted": [], "reverse": ["0.20.10.in-addr.arpa"], "zones": "/var/lib/rackyard/dns/zones"}
    assert lines("dns", {"dns": section})[-6:] == [
        'zone "0.20.10.in-addr.arpa" {',
        "    type primary;",
        '    file "/var/lib/rackyard/dns/zones/0.20.10.in-addr.arpa.zone";',
        "    update-policy { grant rackyard zonesub ANY; };",
        "    allow-transfer { key rackyard; };",
        "};",
    ]
    with pytest.raises(Refused):
        RENDER["dns"]({**section, "reverse": ['evil" { }; include "/etc/passwd']})


def test_files_of_reverse_zones_are_made_once_and_go_with_their_zones(tmp_path: Path) -> None:
    dns.make_zones(tmp_path, ["a.arpa", "b.arpa"], "rackyard.internal")
    changed = "; changed by named"
    dns.zone_file(tmp_path, "a.arpa").write_text(changed)
    for name in ("a.arpa.zone.jnl", "b.arpa.zone.jnl", "b.arpa.zone.damaged"):
        (tmp_path / name).touch()
    dns.make_zones(tmp_path, ["a.arpa"], "rackyard.internal")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.arpa.zone", "a.arpa.zone.jnl", "b.arpa.zone.damaged"]
    assert dns.zone_file(tmp_path, "a.arpa").read_text() == changed


def test_http() -> None:
    assert lines("http")[1:] == [
        "upstream rackyard_regions {",
        "    zone rackyard_regions 64k;",
        "    server 10.10.0.11:5250 max_fails=1 fail_timeout=10s;",
        "    server [fd00::11]:5250 max_fails=1 fail_timeout=10s;",
        "    keepalive 8;",
        "}",
        "upstream rackyard_image_regions {",
        "    zone rackyard_image_regions 64k;",
        "    server 10.10.0.11:5250 max_fails=1 fail_timeout=10s;",
        "    server [fd00::11]:5250 max_fails=1 fail_timeout=10s;",
        "    keepalive 8;",
        "}",
    ]


def test_http_has_a_second_server_where_there_is_one_region_which_nginx_would_never_avoid() -> None:
    desired = document()
    desired["http"]["tls_regions"] = desired["http"]["tls_regions"][:1]
    servers = [line.strip() for line in lines("http", desired) if "server" in line]
    region = "server 10.10.0.11:5250 max_fails=1 fail_timeout=10s;"
    assert servers == [region, "server 127.0.0.1:5250 down;", region]


def test_proxy_merges_overlapping_networks_and_closes_what_nat64_would_make_of_them() -> None:
    assert lines("proxy")[1:8] == [
        "acl rackyard_clients src 10.20.0.0/24",
        "acl rackyard_clients src fd00:20::/64",
        "acl rackyard_forbidden dst 10.10.0.11/32",
        "acl rackyard_forbidden dst 10.30.0.11/32",
        "acl rackyard_forbidden dst 64:ff9b::a0a:b/128",
        "acl rackyard_forbidden dst 64:ff9b::a1e:b/128",
        "cache_peer 10.10.0.11 parent 8000 0 no-query no-digest round-robin name=region-10.10.0.11-8000",
    ]


def test_ntp() -> None:
    assert lines("ntp")[1:] == [
        "server 10.10.0.11 iburst",
        "server fd00::11 iburst",
        "allow 10.20.0.0/24",
        "allow fd00:20::/64",
    ]


def test_syslog_forwards_to_each_region_by_a_queue_of_its_own() -> None:
    text = "\n".join(lines("syslog"))
    assert "$AllowedSender UDP, 127.0.0.1, 10.20.0.0/24, [fd00:20::]/64" in text
    assert 'type="omrelp" target="10.10.0.11" port="5245"' in text
    assert 'queue.filename="rackyard_relay_fd00__11_5245"' in text
    assert text.count('action(type="omrelp"') == 2


def test_table_of_machines_is_sorted_and_strict() -> None:
    table = json.loads(syslog.names({"2001:db8::7": "m2", "10.20.0.101": "m1"}))
    assert table["nomatch"] == "_unknown"
    assert table["table"] == [{"index": "10.20.0.101", "value": "m1"}, {"index": "2001:db8::7", "value": "m2"}]
    for machines in ({"10.20.0.101": "../m1"}, {"10.20.0.101": "_unknown"}, {"any": "m1"}, {"10.20.0.101": 'm1"'}):
        with pytest.raises(Refused):
            syslog.names(machines)


def test_dhcp_answers_each_firmware() -> None:
    text = "\n".join(line.strip() for line in lines("dhcp"))
    order = [
        'option user-class = "iPXE" {\nfilename "http://10.20.0.2:5248/ipxe.cfg";',
        'pxe-system-type = 00:10 {\nfilename "http://10.20.0.2:5248/boot/bootx64.efi";\n'
        'option vendor-class-identifier "HTTPClient";',
        'pxe-system-type = 00:13 {\nfilename "http://10.20.0.2:5248/boot/bootaa64.efi";',
        'pxe-system-type = 00:07 or option pxe-system-type = 00:09 {\nfilename "bootx64.efi";',
        'pxe-system-type = 00:0b {\nfilename "bootaa64.efi";',
        'filename "lpxelinux.0";\noption loader-pathprefix "http://10.20.0.2:5248/";',
    ]
    positions = [text.index(part) for part in order]
    assert positions == sorted(positions)
    assert "range 10.20.0.100 10.20.0.200;" in text
    assert "interface-mtu" not in text


@pytest.mark.parametrize("mtu", [552, 9000, 65535])
def test_dhcp_tells_an_mtu_only_when_it_is_not_the_usual_one(mtu: int) -> None:
    """Every one that the region's API takes."""
    desired = document()
    desired["dhcp"]["networks"][0]["mtu"] = mtu
    assert f"    option interface-mtu {mtu};" in lines("dhcp", desired)


ROUTES = [
    {"destination": "10.99.0.0/16", "gateway": "10.20.0.2"},
    {"destination": "192.168.7.128/25", "gateway": "10.20.0.3"},
]


@pytest.mark.parametrize(
    ("routers", "default"),
    [([], ""), (["10.20.0.1"], ", 0, 10, 20, 0, 1"), (["10.20.0.1", "10.20.0.4"], ", 0, 10, 20, 0, 1")],
)
def test_dhcp_tells_routes_with_the_default_one(routers: list[str], default: str) -> None:
    """RFC 3442: who takes these does not look at the option for routers."""
    desired = document()
    desired["dhcp"]["networks"][0]["subnets"][0] |= {"routes": ROUTES, "routers": routers}
    found = lines("dhcp", desired)
    assert found[1] == "option classless-static-routes code 121 = array of unsigned integer 8;"
    octets = "16, 10, 99, 10, 20, 0, 2, 25, 192, 168, 7, 128, 10, 20, 0, 3"
    assert f"    option classless-static-routes {octets}{default};" in found


def test_dhcp_file_without_routes_does_not_speak_of_them() -> None:
    desired = document()
    desired["dhcp"]["networks"][0]["subnets"][0] |= {"routes": [], "routers": ["10.20.0.1"]}
    assert "classless" not in "".join(lines("dhcp", desired))


@pytest.mark.parametrize(
    ("pools", "reserved", "shared"),
    [
        ([("100", "199")], ["100 199"], None),
        ([("100", "199")], ["100 174"], ["175 199"]),
        ([("100", "149"), ("160", "179"), ("190", "199")], ["100 149", "160 169"], ["170 179", "190 199"]),
        ([("190", "199"), ("100", "129")], ["100 129"], ["190 199"]),
        ([("100", "102")], ["100 101"], ["102 102"]),
        ([("100", "101")], ["100 100"], ["101 101"]),
        ([("100", "100")], ["100 100"], None),
    ],
)
def test_strangers_get_the_last_quarter_once_the_region_says_who_is_registered(
    pools: list[tuple[str, str]], reserved: list[str], shared: list[str] | None
) -> None:
    desired = document()
    if shared is not None or pools[0] == ("100", "100"):
        desired["dhcp"]["hosts"] = []
    subnet = desired["dhcp"]["networks"][0]["subnets"][0]
    subnet["pools"] = [{"start": f"10.20.0.{start}", "end": f"10.20.0.{end}"} for start, end in pools]
    text = re.sub(r"\s+", " ", RENDER["dhcp"](desired["dhcp"]).decode()).replace("10.20.0.", "")
    ranges = "".join(f" range {each};" for each in reserved)
    if shared is None:
        assert f"pool {{{ranges} }}" in text
        assert "unknown-clients" not in text
        return
    assert f"pool {{ deny unknown-clients;{ranges} }} pool {{" in text
    ranges = "".join(f" range {each};" for each in shared)
    assert f"default-lease-time 120; max-lease-time 120;{ranges} }}" in text


def test_dhcp_file_does_not_depend_on_who_is_registered() -> None:
    desired = document()
    desired["dhcp"]["hosts"] = []
    before = RENDER["dhcp"](desired["dhcp"])
    desired["dhcp"]["hosts"] = ["52:54:00:00:00:01"]
    assert RENDER["dhcp"](desired["dhcp"]) == before


@pytest.mark.parametrize("name", ["dhcp", "dhcp6"])
def test_dhcp_without_networks_is_an_empty_file(name: str) -> None:
    assert RENDER[name]({"networks": []}) == b""
    assert RENDER[name]({"networks": [{"name": "vlan-1", "subnets": []}]}) == b""


def test_dhcp6() -> None:
    base = "http://[fd00:20::2]:5248"
    assert lines("dhcp6")[1:] == [
        "option dhcp6.user-class code 15 = string;",
        "option dhcp6.vendor-class code 16 = { integer 32, integer 16, string };",
        "",
        "shared-network vlan-1 {",
        "  subnet6 fd00:20::/64 {",
        "    option dhcp6.name-servers fd00:20::2, 2001:db8::53;",
        "    option dhcp6.sntp-servers fd00:20::2;",
        '    option dhcp6.domain-search "rackyard.internal";',
        '    if exists dhcp6.user-class and substring(option dhcp6.user-class, 2, 4) = "iPXE" {',
        f'      option dhcp6.bootfile-url "{base}/ipxe.cfg";',
        "    } elsif substring(option dhcp6.client-arch-type, 0, 2) = 00:10 {",
        f'      option dhcp6.bootfile-url "{base}/boot/bootx64.efi";',
        '      option dhcp6.vendor-class 0 10 "HTTPClient";',
        "    } elsif substring(option dhcp6.client-arch-type, 0, 2) = 00:13 {",
        f'      option dhcp6.bootfile-url "{base}/boot/bootaa64.efi";',
        '      option dhcp6.vendor-class 0 10 "HTTPClient";',
        "    }",
        "    pool6 { range6 fd00:20::1:0 fd00:20::1:fff; }",
        "  }",
        "}",
    ]


def test_ra_names_the_network_and_no_router() -> None:
    assert lines("ra")[1:] == [
        "",
        "interface pxe0 {",
        "  IgnoreIfMissing on;",
        "  AdvSendAdvert on;",
        "  MaxRtrAdvInterval 60;",
        "  AdvDefaultLifetime 0;",
        "  AdvManagedFlag on;",
        "  AdvOtherConfigFlag on;",
        "  prefix fd00:20::/64 { AdvOnLink on; AdvAutonomous off; };",
        "};",
    ]
    assert RENDER["ra"]({"interfaces": []}) == b""
    section = {"interfaces": [{"name": "pxe0", "mtu": 9000, "dhcp": False, "prefixes": []}]}
    assert {"  AdvLinkMTU 9000;", "  AdvManagedFlag off;"} <= set(lines("ra", {"ra": section}))


@pytest.mark.parametrize("name", sorted(set(RENDER) - {"dhcp", "dhcp6", "ra"}))
def test_files_say_who_manages_them_and_empty_ones_define_all_names(name: str) -> None:
    text = RENDER[name](empty()[name]).decode()
    assert HEADER in text.splitlines()[0]
    needed = {
        "dns": ["acl rackyard_trusted"],
        "http": ["upstream rackyard_regions"],
        "proxy": ["acl rackyard_clients", "acl rackyard_forbidden"],
        "syslog": ['ruleset(name="rackyard_relay")', "$AllowedSender"],
        "ntp": [],
    }
    assert all(word in text for word in needed[name])


@pytest.mark.parametrize("name", RENDER)
def test_order_of_what_has_no_order_does_not_matter(name: str) -> None:
    desired = document()
    shuffled = copy.deepcopy(desired)
    for key in ("trusted", "clients", "forbidden", "regions", "parents", "relp_targets", "networks"):
        if key in shuffled[name]:
            shuffled[name][key].reverse()
    assert RENDER[name](shuffled[name]) == RENDER[name](desired[name])


HOSTILE = [
    "10.20.0.1; include /etc/passwd;",
    "10.20.0.1\nfilename evil",
    '10.20.0.1"',
    "fe80::1%eth0",
    "10.20.0.1/33",
    "10.20.0.1/24",
    "",
    None,
    5,
    ["10.20.0.1"],
    {"a": 1},
    "x" * 10_000,
]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize(
    ("section", "path"),
    [
        ("dhcp", ("networks", 0, "name")),
        ("dhcp", ("networks", 0, "mtu")),
        ("dhcp", ("networks", 0, "subnets", 0, "cidr")),
        ("dhcp", ("networks", 0, "subnets", 0, "next_server")),
        ("dhcp", ("networks", 0, "subnets", 0, "dns_servers", 0)),
        ("dhcp", ("networks", 0, "subnets", 0, "routes", 0, "destination")),
        ("dhcp", ("networks", 0, "subnets", 0, "routes", 0, "gateway")),
        ("dhcp", ("networks", 0, "subnets", 0, "pools", 0, "start")),
        ("dhcp6", ("networks", 0, "name")),
        ("dhcp6", ("networks", 0, "subnets", 0, "cidr")),
        ("dhcp6", ("networks", 0, "subnets", 0, "server")),
        ("dhcp6", ("networks", 0, "subnets", 0, "dns_servers", 0)),
        ("dhcp6", ("networks", 0, "subnets", 0, "ntp_servers", 0)),
        ("dhcp6", ("networks", 0, "subnets", 0, "pools", 0, "end")),
        ("ra", ("interfaces", 0, "name")),
        ("ra", ("interfaces", 0, "mtu")),
        ("ra", ("interfaces", 0, "prefixes", 0)),
        ("dns", ("forwarders", 0)),
        ("dns", ("trusted", 0)),
        ("http", ("tls_regions", 0, "address")),
        ("http", ("tls_regions", 0, "port")),
        ("proxy", ("parents", 0, "address")),
        ("proxy", ("clients", 0)),
        ("proxy", ("forbidden", 0)),
        ("syslog", ("relp_targets", 0, "address")),
        ("syslog", ("clients", 0)),
        ("ntp", ("servers", 0)),
        ("ntp", ("clients", 0)),
    ],
)
def test_hostile_values_are_refused_and_named(section: str, path: tuple[Any, ...], value: Any) -> None:
    if path[-1] == "port" and value == 5:
        return
    desired = document()
    place: Any = desired[section]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(Refused) as caught:
        RENDER[section](desired[section])
    assert section in str(caught.value)
    assert "correct it in the region" in str(caught.value)


@pytest.mark.parametrize("name", ["dhcp", "dhcp6"])
@pytest.mark.parametrize("domain", ["Upper.Case", "a b", 'x";', "-a.b", "a..b", "a" * 64, ".".join(["a" * 60] * 5)])
def test_hostile_domain_is_refused(name: str, domain: str) -> None:
    desired = document()
    desired[name]["networks"][0]["subnets"][0]["domain_name"] = domain
    with pytest.raises(Refused, match="domain_name"):
        RENDER[name](desired[name])


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("dhcp", "10.20.1.1", "10.20.1.9"),
        ("dhcp", "10.20.0.9", "10.20.0.1"),
        ("dhcp6", "fd00:21::1", "fd00:21::9"),
        ("dhcp6", "fd00:20::9", "fd00:20::1"),
    ],
)
def test_pool_outside_its_subnet_is_refused(name: str, start: str, end: str) -> None:
    desired = document()
    desired[name]["networks"][0]["subnets"][0]["pools"] = [{"start": start, "end": end}]
    with pytest.raises(Refused, match=r"subnet [^ ]+/[0-9]+: pool .* is not inside it; correct the IP range"):
        RENDER[name](desired[name])


@pytest.mark.parametrize(("name", "cidr"), [("dhcp", "fd00:20::/64"), ("dhcp6", "10.20.0.0/24")])
def test_dhcp_of_one_family_refuses_a_subnet_of_the_other(name: str, cidr: str) -> None:
    desired = document()
    desired[name]["networks"][0]["subnets"][0]["cidr"] = cidr
    with pytest.raises(Refused, match=r"is not an IPv[46] network"):
        RENDER[name](desired[name])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


KEYS = (
    "networks", "hosts", "forwarders", "trusted", "tls_regions", "parents", "clients", "forbidden",
    "relp_targets", "relays", "servers", "interfaces",
)  # fmt: skip


@given(st.sampled_from(sorted(RENDER)), st.dictionaries(st.sampled_from(KEYS) | st.text(), JSON))
def test_no_section_of_any_shape_does_more_than_be_refused(name: str, section: dict[str, Any]) -> None:
    with contextlib.suppress(Refused):
        RENDER[name](section)


def test_stub_tries_the_server_that_answered_then_this_rack() -> None:
    text = tftp.stub(document()).decode()
    assert text.index("(http,$net_default_server:5248)/grub/grub.cfg-$net_default_mac") < text.index(
        "(http,10.20.0.2:5248)/grub/grub.cfg-$net_default_mac"
    )
    assert text.endswith("sleep 20\nreboot\n")
