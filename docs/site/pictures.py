# SPDX-License-Identifier: GPL-3.0-or-later
"""`pictures.py PAGES FOLDER`: what a browser makes of some of the pages, to be looked at; one as on a telephone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from diagrams import CHROMIUM

# Name of the picture: page, width and height in pixels.
PICTURES = {
    "front": ("index.html", 1400, 1000),
    "architecture": ("docs/architecture.html", 1400, 1500),
    "module": ("collections/rackyard/metal/machine_module.html", 1400, 2400),
    "role": ("collections/rackyard/metal/dhcp_role.html", 1400, 1600),
    "playbook": ("playbooks/upgrade.html", 1400, 900),
    "api": ("api/machines.html", 1400, 1800),
    "search": ("search.html?q=commissioning", 1400, 1200),
    "narrow": ("docs/operations.html", 500, 1600),
}
# The search waits for its index.
SETTINGS = ("--hide-scrollbars", "--virtual-time-budget=10000")


def main(pages: Path, folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (page, width, height) in PICTURES.items():
        made = (f"--screenshot={folder / name}.png", f"--window-size={width},{height}")
        command = [*CHROMIUM, *SETTINGS, *made, f"{pages.resolve().as_uri()}/{page}"]
        subprocess.run(command, check=True, capture_output=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
