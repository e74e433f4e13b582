# SPDX-License-Identifier: GPL-3.0-or-later
"""nginx: the regions that a rack passes requests on to. Source: ngx_http_upstream_module."""

from __future__ import annotations

from pathlib import Path

from rackyard.daemons import values
from rackyard.daemons.model import Daemon, Section, comment


def render(section: Section) -> bytes:
    """The upstream `rackyard_regions`. Without regions it exists and answers 502 at once."""
    regions = values.endpoints(section, "regions", "http")
    servers = [
        f"    server {values.host_in_url(address)}:{port} max_fails=1 fail_timeout=3s;" for address, port in regions
    ]
    return comment(
        ["upstream rackyard_regions {", *(servers or ["    server 127.0.0.1:5240 down;"]), "    keepalive 8;", "}"]
    )


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


DAEMON = Daemon("http", "nginx", "http/nginx.conf", render, _check)
