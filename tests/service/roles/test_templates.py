# SPDX-License-Identifier: GPL-3.0-or-later
"""The role's file and the service's include, judged together by the daemon's own checker, for each tier and input."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from authority import Authority
from front import render

from rackyard.daemons.http import render_identity
from rackyard.daemons.registry import DAEMONS
from rackyard.daemons.syslog import names
from rackyard.region.config import Config

RENDERERS = {daemon.name: daemon for daemon in DAEMONS}

# What the service may be told to write: nothing yet, or everything, in both address families.
SECTIONS: dict[str, dict[str, Any]] = {
    "dns": {"forwarders": ["10.10.0.11", "2001:db8::11"], "trusted": ["10.20.0.0/24", "2001:db8:20::/64"]},
    "ntp": {"servers": ["10.10.0.11", "2001:db8::11"], "clients": ["10.20.0.0/24", "2001:db8:20::/64"]},
    "syslog": {
        "relp_targets": [{"address": "10.10.0.11", "port": 5245}],
        "clients": ["10.20.0.0/24", "2001:db8:20::/64"],
        "relays": ["10.10.0.21", "2001:db8::21"],
    },
    "proxy": {
        "parents": [{"address": "10.10.0.11", "port": 8000}, {"address": "10.10.0.12", "port": 8000}],
        "clients": ["10.20.0.0/24", "2001:db8:20::/64"],
        "forbidden": ["10.30.0.0/24", "10.10.0.11/32"],
    },
    "http": {"tls_regions": [{"address": "10.10.0.11", "port": 5250}, {"address": "2001:db8::11", "port": 5251}]},
}
SECTIONS["dhcp"] = {
    "networks": [
        {
            "name": "vlan-1",
            "mtu": 9000,
            "subnets": [
                {
                    "cidr": "10.20.0.0/24",
                    "next_server": "10.20.0.2",
                    "routers": ["10.20.0.1"],
                    "dns_servers": ["10.20.0.2"],
                    "ntp_servers": ["10.20.0.2"],
                    "domain_name": "rackyard.internal",
                    "pools": [{"start": "10.20.0.100", "end": "10.20.0.199"}],
                }
            ],
        }
    ],
    "hosts": ["52:54:00:00:00:01"],
}
INPUTS: dict[str, dict[str, Any]] = {
    "dns": {"dns_forwarders": ["192.0.2.53", "2001:db8::53"], "dns_dnssec_validation": "no"},
    "ntp": {"ntp_upstream": ["192.0.2.123", "pool.example.org"], "ntp_set_system_clock": False},
    "proxy": {
        "proxy_upstream": "http://proxy.example.org:3128",
        "proxy_forbidden": ["192.0.2.0/24", "198.51.100.7", "2001:db8::/32"],
        "proxy_allowed": ["10.30.0.5", "2001:db8::5"],
    },
}


@dataclass(frozen=True)
class Judge:
    """A daemon's main template and the command that checks it; {file} is its place."""

    template: str
    command: tuple[str, ...]


JUDGES = {
    "dns": Judge("etc/bind/named.conf", ("named-checkconf", "{file}")),
    "ntp": Judge("etc/chrony/chrony.conf", ("chronyd", "-p", "-f", "{file}")),
    "syslog": Judge("etc/rsyslog.d/50-rackyard.conf", ("rsyslogd", "-N1", "-f", "{file}")),
    "proxy": Judge("etc/squid/squid.conf", ("squid", "-k", "parse", "-f", "{file}")),
    "dhcp": Judge("etc/dhcp/dhcpd.conf", ("dhcpd", "-t", "-4", "-cf", "{file}")),
}


def judge(role: str, text: str, place: Path) -> subprocess.CompletedProcess[str]:
    """Run the checker on a text; the files a host would have lie beside it."""
    (place / "rackyard.key").write_text('key "rackyard" { algorithm hmac-sha256; secret "cmFja3lhcmQ="; };\n')
    (place / "named.conf.local").touch()
    (place / "rackyard-omapi.key").write_text('key "rackyard" { algorithm hmac-md5; secret "cmFja3lhcmQ="; };\n')
    (place / "machines.json").write_bytes(names({"10.20.0.101": "m1"}))
    file = place / "main.conf"
    text = (
        text.replace("/etc/bind/", f"{place}/")
        .replace("/etc/dhcp/", f"{place}/")
        .replace("/var/cache/bind", str(place))
    )
    # rsyslogd wants an action, which the distribution's configuration has.
    file.write_text(text + ("\n*.* /dev/null\n" if role == "syslog" else ""), encoding="utf-8")
    program, *arguments = JUDGES[role].command
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin")
    assert found, f"{program} is missing; ./run test installs it"
    words = [word.format(file=file) for word in arguments]
    return subprocess.run([found, *words], capture_output=True, text=True, timeout=30, cwd=place, check=False)


# Only racks serve DHCP.
TIERS = ("region", "rack", "region rack")
# Whom a region asks is the role's to know; nobody relays to a rack.
NOT_TOLD = {"region": ["forwarders"], "rack": ["relays"], "region rack": ["forwarders"]}
CASES = [(role, tier) for role in JUDGES for tier in TIERS if (role, tier) != ("dhcp", "region")]


@pytest.mark.parametrize("written", ["seed", "nothing", "everything"])
@pytest.mark.parametrize("inputs", ["default", "full"])
@pytest.mark.parametrize(("role", "tier"), CASES)
def test_checker_accepts_role_and_service_together(
    role: str, tier: str, inputs: str, written: str, tmp_path: Path
) -> None:
    given = {**(INPUTS.get(role, {}) if inputs == "full" else {}), f"{role}_service_dir": str(tmp_path)}
    tiers = tier.split()
    daemon = RENDERERS[role]
    include = tmp_path / Path(daemon.path).name
    if written == "seed":
        include.write_text(render(role, f"var/lib/rackyard/{daemon.path}", tiers, given), encoding="utf-8")
    else:
        section = SECTIONS[role] if written == "everything" else {}
        include.write_bytes(daemon.render({**section, **{key: [] for key in NOT_TOLD[tier]}}))
    done = judge(role, render(role, JUDGES[role].template, tiers, given), tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout


@pytest.mark.parametrize("written", ["nothing", "everything"])
def test_checker_accepts_dhcp_of_ipv6_too(written: str, tmp_path: Path) -> None:
    subnet = {
        "cidr": "2001:db8:20::/64",
        "server": "2001:db8:20::2",
        "dns_servers": ["2001:db8:20::2", "2001:db8::53"],
        "ntp_servers": ["2001:db8:20::2"],
        "domain_name": "rackyard.internal",
        # Ends that are no prefix's, and nearly all of a subnet.
        "pools": [
            {"start": "2001:db8:20::1:3", "end": "2001:db8:20::1:6ff"},
            {"start": "2001:db8:20::2:0", "end": "2001:db8:20:0:ffff:ffff:ffff:ffff"},
        ],
    }
    networks = [{"name": "vlan-1", "subnets": [subnet]}] if written == "everything" else []
    (tmp_path / "dhcpd6.conf").write_bytes(RENDERERS["dhcp6"].render({"networks": networks}))
    file = tmp_path / "main.conf"
    file.write_text(render("dhcp", "etc/dhcp/dhcpd6.conf", ["rack"], {"dhcp_service_dir": str(tmp_path)}))
    found = shutil.which("dhcpd", path="/usr/sbin:/usr/bin:/sbin")
    assert found
    done = subprocess.run(
        [found, "-t", "-6", "-cf", str(file)], capture_output=True, text=True, timeout=30, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr


def test_host_of_both_tiers_is_a_region_that_machines_may_ask() -> None:
    """Nobody above it is asked in the region's place, and what it refuses machines is found under every name."""
    both = ["region", "rack"]
    named = render("dns", JUDGES["dns"].template, both, {})
    assert named == render("dns", JUDGES["dns"].template, ["region"], {})
    assert render("ntp", JUDGES["ntp"].template, both, {}) == render("ntp", JUDGES["ntp"].template, ["region"], {})
    squid = render("proxy", JUDGES["proxy"].template, both, {})
    assert "never_direct" not in squid
    assert "dns_nameservers 127.0.0.1" in squid
    upstream = {"proxy_upstream": "http://proxy.example.org:3128"}
    assert "never_direct allow all" in render("proxy", JUDGES["proxy"].template, both, upstream)


def test_checker_refuses_a_broken_include(tmp_path: Path) -> None:
    """The test above can fail."""
    (tmp_path / "named.conf").write_text("acl rackyard_trusted {", encoding="utf-8")
    given = {"dns_service_dir": str(tmp_path)}
    assert judge("dns", render("dns", JUDGES["dns"].template, ["rack"], given), tmp_path).returncode != 0


@pytest.mark.parametrize("written", ["seed", "nothing", "everything"])
@pytest.mark.parametrize("tier", TIERS)
def test_nginx_accepts_each_tier(tier: str, written: str, config: Config, tmp_path: Path) -> None:
    Authority().install(config)
    shutil.copy(config.ca_cert, tmp_path / "rack.crt")
    shutil.copy(config.ca_key, tmp_path / "rack.key")
    inputs = {
        "http_service_dir": str(tmp_path),
        "http_cache_dir": str(tmp_path / "cache"),
        "http_tls_dir": str(tmp_path),
    }
    if written == "seed":
        for name in ("regions.conf", "identity.conf"):
            (tmp_path / name).write_text(render("http", f"var/lib/rackyard/http/{name}", tier.split(), inputs))
    else:
        section = SECTIONS["http"] if written == "everything" else {}
        (tmp_path / "regions.conf").write_bytes(RENDERERS["http"].render(section))
        (tmp_path / "identity.conf").write_bytes(render_identity(tmp_path, b"any"))
    servers = [render("http", f"etc/nginx/conf.d/rackyard-{each}.conf", tier.split(), inputs) for each in tier.split()]
    (tmp_path / "server.conf").write_text("".join(servers))
    main = tmp_path / "main.conf"
    main.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{ include {tmp_path}/server.conf; }}\n")
    command = ["/usr/sbin/nginx", "-t", "-e", "stderr", "-c", str(main)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
