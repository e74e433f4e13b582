# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx: the regions that a rack passes requests on to, and how both know each other.

Sources: ngx_http_upstream_module, ngx_http_proxy_module."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from rackyard.daemons import files, values
from rackyard.daemons.model import Daemon, Section, comment
from rackyard.daemons.supervisor import Supervisor

IDENTITY_PATH = "http/identity.conf"
# In the certificate of every region: nginx compares names only, and regions are known by addresses.
REGION_NAME = "rackyard-region"
_UNIT = "nginx"


# For so long nobody waits again for a region that was not there, or hung; then one request tries. Longer than the six
# seconds that one costs: else those before it would be due again when the last of several has been tried.
_AVOIDED = "max_fails=1 fail_timeout=10s"
_NOBODY = "    server 127.0.0.1:5250 down;"


def render(section: Section) -> bytes:
    """Two upstreams of the same regions. Without regions they exist and answer 502 at once.

    `rackyard_regions` avoids a region that failed also when it is the only one: of a single server nginx would believe
    that it lives, so there is one more. `rackyard_image_regions` knows nothing of what failed there: a region that
    lacks its PostgreSQL has its images all the same."""
    regions = values.endpoints(section, "tls_regions", "http")
    servers = [f"    server {values.host_in_url(address)}:{port} {_AVOIDED};" for address, port in regions]
    return comment(
        [
            *_upstream("rackyard_regions", [*servers, *([_NOBODY] if len(servers) < 2 else [])]),
            *_upstream("rackyard_image_regions", servers or [_NOBODY]),
        ]
    )


def _upstream(name: str, servers: Sequence[str]) -> list[str]:
    # All processes of nginx share what they know of the servers.
    return [f"upstream {name} {{", f"    zone {name} 64k;", *servers, "    keepalive 8;", "}"]


def render_identity(identity: Path, certificate: bytes) -> bytes:
    """What nginx shows a region and demands of one. The digest makes a renewed certificate a new configuration."""
    return comment(
        [
            f"# certificate {hashlib.sha256(certificate).hexdigest()}",
            f"proxy_ssl_certificate {identity}/rack.crt;",
            f"proxy_ssl_certificate_key {identity}/rack.key;",
            f"proxy_ssl_trusted_certificate {identity}/ca.crt;",
            "proxy_ssl_verify on;",
            "proxy_ssl_verify_depth 1;",
            f"proxy_ssl_name {REGION_NAME};",
        ]
    )


def follow_identity(identity: Path, root: Path, supervisor: Supervisor) -> str | None:
    """Have nginx use the certificate that the rack has now.

    None when it does already, or there is no certificate or no nginx; else systemctl's complaint, empty when the new
    one is in use."""
    target = root / IDENTITY_PATH
    certificate = files.read(identity / "rack.crt")
    if certificate is None or not target.parent.is_dir():
        return None
    content = render_identity(identity, certificate)
    before = files.read(target)
    if content == before:
        return None
    files.replace(target, content)
    trouble = supervisor.act("reload-or-restart", _UNIT)
    if trouble:
        files.replace(target, before or b"")  # so that the next call tries again
    return trouble


def _check(candidate: Path, workdir: Path) -> list[str]:
    wrapper = workdir / "check.conf"
    places = "".join(
        f"    {kind}_temp_path {workdir}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    wrapper.write_text(
        f"pid {workdir}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\n    access_log off;\n{places}    include {candidate};\n}}\n",
        encoding="ascii",
    )
    return ["/usr/sbin/nginx", "-t", "-q", "-e", "stderr", "-c", str(wrapper)]


DAEMON = Daemon("http", _UNIT, "http/regions.conf", render, _check)
