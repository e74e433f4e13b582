# SPDX-License-Identifier: GPL-3.0-or-later
"""How long `ansible-inventory` takes with a region's machines, by the inventory that the collection brings.

Fills the database of a DSN (an empty one) by SQL, starts a region, and prints the seconds of --graph and --list, of
both without hardware, and of --graph from the inventory's cache; and what the program and the region took of a
processor. Fails when --graph takes longer than its limit: 5 s for 10,000 machines.

Times mean something on an idle machine only.

Usage (`./run bench inventory` brings the database): inventory.py DSN [--machines N]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import web_region
import yaml

SHIPPED = web_region.ROOT / "inventory/region/site.rackyard.yml"
GRAPH_S = 5.0
# Starting Ansible takes this much without any machine.
START_S = 1.0


def main() -> int:
    """Fill, start, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsn", help="an empty database")
    parser.add_argument("--machines", type=int, default=10_000)
    arguments = parser.parse_args()
    if not 0 < arguments.machines <= 99_999:
        parser.error("--machines must be 1 to 99999")
    limit_s = START_S + (GRAPH_S - START_S) * max(arguments.machines, 1000) / 10_000
    options = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as name, web_region.answering(arguments.dsn, arguments.machines) as site:
        cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": f"{name}/cache"}
        shipped = variant(Path(name), "shipped", options)
        cached = variant(Path(name), "cached", options | cache)
        bare = variant(Path(name), "bare", options | {"hardware": False})
        print(f"{arguments.machines} machines", flush=True)
        asked = (
            ("--graph", shipped, "--graph", limit_s),
            ("--list", shipped, "--list", None),
            ("--graph, hardware: false", bare, "--graph", None),
            ("--list, hardware: false", bare, "--list", None),
            ("--graph that fills the cache", cached, "--graph", None),
            ("--graph from the cache", cached, "--graph", None),
        )
        good = [
            site.timed(what, ("ansible-inventory", "-i", file, option), limit) for what, file, option, limit in asked
        ]
    return 0 if all(good) else 1


def variant(folder: Path, name: str, options: dict[str, object]) -> str:
    """A file of the inventory with these options."""
    path = folder / f"{name}.rackyard.yml"
    path.write_text(yaml.safe_dump(options), encoding="utf-8")
    return str(path)


if __name__ == "__main__":
    raise SystemExit(main())
