# SPDX-License-Identifier: GPL-3.0-or-later
"""`sources.py FOLDER`: what Sphinx reads, but for the collection's own pages, which antsibull-docs makes.

The Markdown of the repository keeps its places there, so that its links lead where they lead in the repository. A file
that is as it was is left alone: Sphinx reads again only what has changed."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import api_pages
import arrangement
import diagrams
import playbook_pages
import power_page

import rackyard
from rackyard.region import api
from rackyard_core.power.registry import DRIVERS

ROOT = arrangement.ROOT
COPIED = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/*.md",
    "roles/*/README.md",
    "inventory/*/README.md",
)
# Folders that pages link to, which are pages here.
FOLDERS = re.compile(r"\]\((roles)/?\)")


def sources() -> dict[str, str]:
    """Every file by its name in Sphinx's folder."""
    paths = [path for pattern in COPIED for path in ROOT.glob(pattern)]
    copied = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in paths}
    made = {name: diagrams.drawn(name, FOLDERS.sub(r"](\1/index.md)", text)) for name, text in copied.items()}
    made |= {f"diagrams/{path.name}": path.read_text(encoding="utf-8") for path in diagrams.DRAWINGS.glob("*.svg")}
    pages = [name.removesuffix(".md") for name in copied if name.startswith("docs/")]
    made["index.md"] = arrangement.front_page(pages)
    made["power-drivers.md"] = power_page.page(DRIVERS)
    made["roles/index.md"] = folder("Roles", "roles", copied)
    made["inventory/index.md"] = folder("Inventories", "inventory", copied)
    return made | playbooks(copied["docs/variables.md"]) | described()


def folder(title: str, name: str, copied: dict[str, str]) -> str:
    """A page that lists the READMEs of a folder; roles have their options on a page of their own."""
    lines = [f"# {title}", "", "| | about |", "|---|---|"]
    members = sorted(page.split("/")[1] for page in copied if page.startswith(f"{name}/"))
    for member in members:
        heading = copied[f"{name}/{member}/README.md"].splitlines()[0].removeprefix("# ")
        options = f"../collections/rackyard/metal/{member}_role.rst"
        more = f", [options]({options})" if name == "roles" and has_options(member) else ""
        lines.append(f"| [{member}]({member}/README.md){more} | {heading} |")
    tree = [f"{member}/README" for member in members]
    return "\n".join([*lines, "", "```{toctree}", ":hidden:", ":titlesonly:", "", *tree, "```", ""])


def has_options(role: str) -> bool:
    """Whether antsibull-docs has something to say of a role."""
    return (ROOT / "roles" / role / "meta/argument_specs.yml").exists()


def playbooks(variables: str) -> dict[str, str]:
    """The pages of playbooks, whose variables are told with the words of docs/variables.md."""
    paths = sorted(ROOT.glob("playbooks/*.yml"))
    rows = dict(playbook_pages.ROW.findall(variables))
    made = {f"playbooks/{path.stem}.md": playbook_pages.page(path, rows) for path in paths}
    return made | {"playbooks/index.md": playbook_pages.index(paths)}


def described() -> dict[str, str]:
    """The pages of the API, and the description that they are made from."""
    document = api.openapi.document(api.resources(), api.PREFIX, rackyard.__version__)
    made = {f"api/{name}.md": text for name, text in api_pages.pages(document).items()}
    return made | {"api/openapi.json": json.dumps(document, indent=1)}


def write(target: Path) -> None:
    """Write what is new or has changed, and remove what is no more."""
    made = sources()
    for path in target.rglob("*"):
        name = str(path.relative_to(target))
        if path.is_file() and name not in made and not name.startswith("collections/"):
            path.unlink()
    for name, text in made.items():
        path = target / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
