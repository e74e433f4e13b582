# SPDX-License-Identifier: GPL-3.0-or-later
"""Mermaid's diagrams as drawings that are kept beside this file, named after the text that they were drawn from: pages
show them without a script. `diagrams.py MERMAID` draws those that are missing, and removes those of no text; MERMAID is
mermaid.min.js of npm's package mermaid. It needs Chromium."""

from __future__ import annotations

import hashlib
import html
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from arrangement import ROOT

FENCE = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DRAWINGS = Path(__file__).parent / "diagrams"
LICENCE = "<!-- SPDX-License-Identifier: GPL-3.0-or-later -->"
# Of Mermaid's own size.
SCALE = 0.65
# Text is text in the drawing, in a font that every browser has; HTML in it would not be shown.
SETTINGS = {
    "startOnLoad": False,
    "theme": "neutral",
    "htmlLabels": False,
    "fontFamily": "sans-serif",
    "flowchart": {"htmlLabels": False},
}
CHROMIUM = ("chromium", "--headless", "--no-sandbox", "--disable-gpu")
PAGE = """<!doctype html><meta charset="utf-8"><body><script src="%s"></script><script>
const texts = %s;
mermaid.initialize(%s);
(async () => {
  for (const [name, text] of Object.entries(texts)) {
    const {svg} = await mermaid.render("d" + name, text);
    const drawn = new DOMParser().parseFromString(svg, "text/html").querySelector("svg");
    const kept = document.createElement("pre");
    kept.id = name;
    kept.textContent = new XMLSerializer().serializeToString(drawn);
    document.body.append(kept);
  }
})();
</script>"""


class NotDrawn(Exception):
    """A diagram cannot be drawn."""


def name_of(text: str) -> str:
    """Name of the drawing of a diagram."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def drawn(page: str, markdown: str) -> str:
    """The Markdown with drawings in place of its diagrams. One that has none stays, which Sphinx warns of."""

    def drawing(found: re.Match[str]) -> str:
        name = name_of(found[1])
        if not (DRAWINGS / f"{name}.svg").exists():
            print(
                f"{page} has a diagram that was changed and not drawn; get npm's package mermaid (npm pack mermaid), "
                "unpack it and draw with: ./run docs --diagrams package/dist/mermaid.min.js",
                file=sys.stderr,
            )
            return found[0]
        return f"![diagram](/diagrams/{name}.svg)"

    return FENCE.sub(drawing, markdown)


def texts() -> Iterator[str]:
    """Every diagram of the repository's pages."""
    for path in [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("roles/*/README.md")]:
        yield from FENCE.findall(path.read_text(encoding="utf-8"))


def sized(drawing: str) -> str:
    """The drawing with a size of its own, at which its text is as large as that of a page's notes."""
    box = re.search(r'viewBox="\S+ \S+ ([\d.]+) ([\d.]+)"', drawing)
    if box is None:
        raise NotDrawn("Mermaid draws in another way now: the drawing does not say how large it is")
    width, height = (round(float(each) * SCALE) for each in box.groups())
    return drawing.replace('width="100%"', f'width="{width}" height="{height}"', 1)


def draw(mermaid: Path) -> None:
    """Draw what has no drawing, and remove what has no text any more."""
    wanted = {name_of(text): text for text in texts()}
    DRAWINGS.mkdir(exist_ok=True)
    for path in DRAWINGS.glob("*.svg"):
        if path.stem not in wanted:
            path.unlink()
    missing = {name: text for name, text in wanted.items() if not (DRAWINGS / f"{name}.svg").exists()}
    if not missing:
        return
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        words = PAGE % (mermaid.resolve().as_uri(), json.dumps(missing), json.dumps(SETTINGS))
        page.write_text(words, encoding="utf-8")
        command = [*CHROMIUM, "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
        shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    made = dict(re.findall(r'<pre id="(\w+)">(.*?)</pre>', shown, re.DOTALL))
    for name, text in missing.items():
        if name not in made:
            raise NotDrawn(f"Mermaid does not understand this diagram:\n{text}")
        drawing = f"{LICENCE}\n{sized(html.unescape(made[name]))}\n"
        (DRAWINGS / f"{name}.svg").write_text(drawing, encoding="utf-8")


if __name__ == "__main__":
    try:
        draw(Path(sys.argv[1]))
    except NotDrawn as error:
        sys.exit(str(error))
