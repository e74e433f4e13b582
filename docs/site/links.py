# SPDX-License-Identifier: GPL-3.0-or-later
"""`links.py FOLDER`: whether every link within the built pages leads somewhere, and whether nothing that a page needs
is on another host. Links to other hosts are not followed: external-links.txt beside the folder lists them."""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# What a browser fetches by itself when it shows a page.
FETCHED = {("script", "src"), ("img", "src"), ("iframe", "src"), ("source", "src")}
FETCHING_LINKS = {"stylesheet", "icon", "preload", "preconnect", "manifest"}


class Page(HTMLParser):
    """What a page links to and fetches, and the places in it that others can link to."""

    def __init__(self) -> None:
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag says."""
        given = {name: value or "" for name, value in attrs}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "link" and FETCHING_LINKS & set(given.get("rel", "").split()):
            self.fetched.append(given.get("href", ""))
        self.fetched += [given[name] for each, name in FETCHED if each == tag and name in given]


def read(path: Path) -> Page:
    """What is in a page."""
    page = Page()
    page.feed(path.read_text(encoding="utf-8"))
    return page


def check(folder: Path) -> tuple[list[str], dict[str, list[str]]]:
    """What is wrong, a line for each; and the pages by the external address that they link to."""
    pages = {path: read(path) for path in sorted(folder.rglob("*.html"))}
    wrong: list[str] = []
    external: dict[str, list[str]] = {}
    for path, page in pages.items():
        name = str(path.relative_to(folder))
        wrong += [f"{name}: fetches {each} from another host" for each in page.fetched if urlsplit(each).netloc]
        for link in page.links + page.fetched:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                external.setdefault(link, []).append(name)
            elif not parts.scheme and not leads_somewhere(path, parts.path, parts.fragment, pages):
                wrong.append(f"{name}: {link} leads nowhere")
    return wrong, external


def leads_somewhere(path: Path, target: str, place: str, pages: dict[Path, Page]) -> bool:
    """Whether a link of a page has a file, and the place in it."""
    file = (path.parent / unquote(target)).resolve() if target else path.resolve()
    if not file.is_file():
        return False
    return not place or file not in pages or unquote(place) in pages[file].places


def main(folder: Path) -> int:
    """Say what is wrong; 1 if something is."""
    wrong, external = check(folder.resolve())
    lines = [f"{link}  ({', '.join(sorted(set(names)))})\n" for link, names in sorted(external.items())]
    (folder.parent / "external-links.txt").write_text("".join(lines), encoding="utf-8")
    print("\n".join([*wrong, f"{len(external)} links to other hosts, which are not followed: external-links.txt"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
