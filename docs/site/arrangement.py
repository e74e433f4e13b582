# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each page stands in the navigation. A page of docs/ that no section names comes into the last one by itself."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Caption and pages, without suffix.
SECTIONS: dict[str, tuple[str, ...]] = {
    "Begin": ("README", "docs/install", "docs/real-hardware", "docs/awx", "docs/variables"),
    "Run a site": (
        "docs/README", "docs/running", "docs/operations", "docs/upgrade", "docs/backup", "docs/networks", "docs/ipv6",
        "docs/enlistment", "docs/power-drivers", "docs/when-things-die", "docs/tags", "docs/scripts", "docs/drift",
        "docs/events", "docs/clients", "docs/ports",
    ),
    "When something does not work": ("docs/twelve-steps", "docs/troubleshooting"),
    "How it works": ("docs/architecture", "power-drivers"),
    "Reference": (
        "playbooks/index", "roles/index", "collections/rackyard/metal/index", "collections/environment_variables",
        "docs/modules", "api/index", "inventory/index",
    ),
    "Working on Rackyard": ("CONTRIBUTING", "docs/releasing", "CHANGELOG"),
}  # fmt: skip
MORE = "More"
# In the navigation, where a page's own title says too little or too much.
TITLES = {
    "README": "Start here",
    "docs/README": "All pages for operators",
    "docs/install": "Install",
    "docs/power-drivers": "Power types, in use",
    "docs/awx": "AWX",
    "docs/clients": "Clients of MAAS",
    "docs/running": "Running the playbooks",
    "docs/tags": "Tags",
    "docs/troubleshooting": "Troubleshooting",
    "collections/rackyard/metal/index": "Modules, plugins, options of roles",
    "collections/environment_variables": "Environment variables",
    "CONTRIBUTING": "Contributing",
    "CHANGELOG": "Release notes",
}
# What an operator comes for, and where that is told.
TASKS = (
    ("a region, a rack and blank machines on this computer", "README.md", "two-commands", "Two commands"),
    ("the first rack, on real hardware", "docs/real-hardware.md", "", "The first rack"),
    ("region and rack on one host; several regions", "docs/install.md", "", "Install"),
    ("a team with AWX, in ten minutes", "docs/awx.md", "", "AWX"),
    ("high availability: what goes on when something dies", "docs/when-things-die.md", "", "When things die"),
    ("upgrade, one host at a time", "docs/upgrade.md", "", "Upgrade"),
    ("back up, and restore", "docs/backup.md", "", "Back up and restore"),
    ("networks: VLANs, DHCP, routers, routes", "docs/networks.md", "", "Networks"),
    ("addresses, interfaces and names of machines", "docs/networks.md",
     "addresses-and-network-interfaces-of-machines", "Addresses"),
    ("power drivers: which BMCs, with which settings", "power-drivers.md", "", "Power drivers"),
    ("a boot that stopped, step by step", "docs/twelve-steps.md", "", "The twelve steps"),
    ("a message, and what to do", "docs/troubleshooting.md", "", "Troubleshooting"),
    ("MAAS's clients: what works with them", "docs/clients.md", "", "Clients of MAAS"),
    ("what differs between declared and found hardware", "docs/drift.md", "", "Declared and found"),
    ("rules that react to what happens", "docs/events.md", "", "React to events"),
    ("machines told apart by their hardware", "docs/tags.md", "", "Tags"),
    ("IPv6 in boot networks", "docs/ipv6.md", "", "IPv6"),
    ("take Rackyard off a host", "docs/operations.md", "take-rackyard-off-a-host", "Uninstall"),
)  # fmt: skip


def arranged(pages: Iterable[str]) -> dict[str, list[str]]:
    """The sections with what is in them; of the given pages of docs/, those that none names are in the last one.

    Raises ValueError for a page of docs/ that a section names and that is not given."""
    given = set(pages)
    named = {name for names in SECTIONS.values() for name in names}
    lost = sorted(name for name in named if name.startswith("docs/") and name not in given)
    if lost:
        raise ValueError(f"docs/site/arrangement.py names pages that are not there: {', '.join(lost)}")
    rest = sorted(given - named)
    return {caption: list(names) for caption, names in SECTIONS.items()} | ({MORE: rest} if rest else {})


def front_page(pages: Iterable[str]) -> str:
    """The front page, in Markdown: what one may come for, and all of the navigation."""
    rows = [f"| {what} | [{title}]({page}{'#' + anchor if anchor else ''}) |" for what, page, anchor, title in TASKS]
    lines = ["# Rackyard", "", "Racks of blank servers become known, working machines.", ""]
    lines += ["| you want | read |", "|---|---|", *rows, ""]
    for caption, names in arranged(pages).items():
        lines += ["```{toctree}", ":hidden:", f":caption: {caption}", ":titlesonly:", ""]
        lines += [f"{TITLES[name]} <{name}>" if name in TITLES else name for name in names] + ["```", ""]
    return "\n".join(lines)
