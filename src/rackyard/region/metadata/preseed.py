# SPDX-License-Identifier: GPL-3.0-or-later
"""The cloud-config that a commissioning machine fetches first (`op=get_preseed`)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rackyard.region.db.site.package_repositories import AptSource
from rackyard.region.ephemeral.runner.main import STAY_ON

HTTP_PORT = 5248
PROXY_PORT = 8000
SYSLOG_PORT = 5247
# cloud-init waits this long for its own processes to end before it switches the machine off.
POWER_OFF_WAIT_S = 120


@dataclass(frozen=True)
class Credentials:
    """OAuth1 PLAINTEXT credentials of one boot; the consumer secret is always empty, as in MAAS."""

    consumer_key: str
    token_key: str
    token_secret: str

    def as_dict(self) -> dict[str, str]:
        """The three keys under the names that cloud-init uses."""
        return {
            "consumer_key": self.consumer_key,
            "token_key": self.token_key,
            "token_secret": self.token_secret,
        }


@dataclass(frozen=True)
class Preseed:
    """What the preseed is made of. `subnet_name` resolves to every live rack of the machine's subnet."""

    system_id: str
    hostname: str
    subnet_name: str
    credentials: Credentials
    apt_sources: Sequence[AptSource] = ()


def metadata_url(subnet_name: str) -> str:
    """Base URL of the metadata service as a machine reaches it: through its racks, by name."""
    return f"http://{subnet_name}:{HTTP_PORT}/MAAS/metadata/"


def render(preseed: Preseed) -> str:
    """The document: `#cloud-config` and JSON, which is YAML too. NTP servers come by DHCP (option 42)."""
    url = metadata_url(preseed.subnet_name)
    proxy = f"http://{preseed.subnet_name}:{PROXY_PORT}"
    keys = preseed.credentials.as_dict()
    document: dict[str, Any] = {
        "manage_etc_hosts": True,
        "datasource": {"MAAS": {"metadata_url": url, **keys}},
        "reporting": {
            "rackyard": {"type": "webhook", "endpoint": f"{url}status/{preseed.system_id}", **keys},
        },
        "apt": {
            "preserve_sources_list": True,
            "http_proxy": proxy,
            "https_proxy": proxy,
        },
        "rsyslog": {"remotes": {"rackyard": f"{preseed.subnet_name}:{SYSLOG_PORT}"}},
        "power_state": {
            "delay": "now",
            "mode": "poweroff",
            "timeout": POWER_OFF_WAIT_S,
            "condition": f"test ! -e {STAY_ON}",
        },
    }
    if preseed.apt_sources:
        document["write_files"] = list(_apt_files(preseed.apt_sources, proxy))
    return "#cloud-config\n" + json.dumps(document, indent=1) + "\n"


def _apt_files(sources: Sequence[AptSource], proxy: str) -> Iterator[dict[str, str]]:
    """Files and no `apt: sources`: for each key cloud-init would want gpg, which the image does not have. The proxy
    stands in a file, too: it counts before cloud-init comes to apt."""
    yield {
        "path": "/etc/apt/apt.conf.d/90rackyard-proxy",
        "content": "".join(f'Acquire::{scheme}::Proxy "{proxy}";\n' for scheme in ("http", "https")),
    }
    for source in sources:
        yield {"path": f"/etc/apt/sources.list.d/rackyard-{source.id}.sources", "content": deb822(source)}


def deb822(source: AptSource) -> str:
    """A package repository in the format of sources.list(5) that has its key inside."""
    flat = source.suites[0].endswith("/")
    fields = {
        "Types": "deb" if source.disable_sources else "deb deb-src",
        "URIs": source.url,
        "Suites": " ".join(source.suites),
        "Components": "" if flat else " ".join(source.components or ["main"]),
        "Architectures": source.arch,
        # An empty line would end the stanza.
        "Signed-By": "".join(f"\n {line or '.'}" for line in source.key.splitlines()),
    }
    return "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
