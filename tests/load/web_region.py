# SPDX-License-Identifier: GPL-3.0-or-later
"""A region as operators reach it: nginx before its HTTP processes, which run as their unit has them, on a free port."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import front
import lists
import site_region

from rackyard.region.config import load
from rackyard.region.context import Context
from rackyard.region.db.migrations import migrate
from rackyard.region.services.site import accounts
from rackyard.region.services.site.authorisation import COMMAND_LINE

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Site:
    """A region that runs: the environment that brings Ansible there, and the parent of its processes."""

    environment: dict[str, str]
    pid: int

    def timed(self, what: str, command: Sequence[str], limit_s: float | None = None) -> bool:
        """Run it and print a line with its seconds; whether it was soon enough, where there is a limit."""
        began, before, region_before = time.perf_counter(), os.times(), site_region.usage([self.pid]).cpu_s
        done = subprocess.run(command, env=self.environment, cwd=ROOT, capture_output=True, text=True, check=False)
        seconds, after, region_after = time.perf_counter() - began, os.times(), site_region.usage([self.pid]).cpu_s
        if done.returncode:
            raise SystemExit(f"{' '.join(command)} fails: {(done.stdout + done.stderr)[-2000:]}")
        own = after.children_user + after.children_system - before.children_user - before.children_system
        late = limit_s is not None and seconds > limit_s
        limit = "" if limit_s is None else f" (at most {limit_s:.1f} s)"
        print(
            f"{'LATE ' if late else ''}{what}: {seconds:.1f} s{limit}; of a processor Ansible {own:.1f} s, "
            f"the region {region_after - region_before:.1f} s; {len(done.stdout) / 1000:.0f} kB",
            flush=True,
        )
        return not late


@contextmanager
def answering(dsn: str, machines: int) -> Iterator[Site]:
    """The region of an empty database, in which that many machines are put."""
    with tempfile.TemporaryDirectory(prefix="rackyard-load-") as name:
        folder = Path(name)
        toml, _authority = site_region.configured(dsn, folder, 1)
        config = load(toml)
        ctx = Context.from_config(config)
        migrate(ctx.db)
        key = accounts.create_admin(ctx, COMMAND_LINE, "bench", "")
        if machines:
            lists.fill(dsn, 1, machines)
        port = site_region.free_ports(2)[-1]
        with lists.region(toml, folder) as (_socket, pid):
            nginx = front.region_nginx(
                folder / "nginx", ports=config.rpc_ports, plain_port=port, sockets=folder / "run",
                tls=config.ca_cert.parent, images=config.images,
            )  # fmt: skip
            nginx.start()
            try:
                there = {"RACKYARD_URL": f"http://127.0.0.1:{port}/MAAS", "RACKYARD_API_KEY": key}
                yield Site({**os.environ, **there, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}, pid)
            finally:
                nginx.stop()
