# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that `./run docs` builds: each has its place, and those that are made from code say all that it does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
SITE = ROOT / "docs/site"
IMPORTS = ":".join(str(path) for path in (ROOT / "src", ROOT / "plugins/module_utils"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Sphinx reads, but for the collection's pages; a page that is no more was there before."""
    folder = tmp_path_factory.mktemp("source")
    (folder / "docs").mkdir()
    (folder / "docs/gone.md").write_text("# Gone\n", encoding="utf-8")
    command = [sys.executable, str(SITE / "sources.py"), str(folder)]
    subprocess.run(command, check=True, env={"PATH": "/usr/bin:/bin", "PYTHONPATH": IMPORTS, "LC_ALL": "C.UTF-8"})
    return folder


def entries(pages: Path, page: str) -> list[str]:
    """Pages that a page's navigation has, by their names in the whole."""
    text = (pages / page).read_text(encoding="utf-8")
    trees = re.findall(r"^```\{toctree\}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for tree in trees for line in tree.splitlines() if line and not line.startswith(":")]
    names = [re.sub(r"^.* <(.*)>$", r"\1", line) for line in lines]
    return [str(Path(page).parent / name) for name in names]


def test_each_page_has_one_place_in_the_navigation(pages: Path) -> None:
    placed = [name for page in pages.rglob("*.md") for name in entries(pages, str(page.relative_to(pages)))]
    there = {str(page.relative_to(pages).with_suffix("")) for page in pages.rglob("*.md")}
    assert sorted(name for name in placed if not name.startswith("collections/")) == sorted(there - {"index"})
    assert {f"docs/{path.stem}" for path in ROOT.glob("docs/*.md")} <= set(placed)
    assert "docs/gone" not in there


def test_page_that_no_section_names_comes_last(pages: Path) -> None:
    program = (
        "import arrangement, json, sys; named = [name for names in arrangement.SECTIONS.values() for name in names]\n"
        "print(json.dumps([arrangement.arranged([*named, 'docs/new']), arrangement.front_page([*named, 'docs/new'])]))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=SITE)
    sections, front = json.loads(done.stdout)
    assert list(sections.items())[-1] == ("More", ["docs/new"])
    assert front.count("docs/new\n") == 1


def test_each_operation_of_the_api_has_its_words_and_what_it_takes(pages: Path) -> None:
    described = json.loads((pages / "api/openapi.json").read_text(encoding="utf-8"))
    assert len(described["paths"]) > 50
    for path, item in described["paths"].items():
        text = (pages / "api" / f"{path.split('/')[1]}.md").read_text(encoding="utf-8")
        for method, operation in item.items():
            for op, each in operation["x-ops"].items() if method in ("get", "post", "put", "delete") else ():
                asked = f"### `{method.upper()} {path}{'?op=' + op if op else ''}`\n"
                assert text.count(asked) == 1
                part = text.split(asked)[1].split("\n##")[0]
                assert each["summary"] in part
                assert all(f"| `{name}` | " in part for name in each["takes"])


def test_each_playbook_says_its_variables_and_plays(pages: Path) -> None:
    for playbook in ROOT.glob("playbooks/*.yml"):
        text = (pages / f"playbooks/{playbook.stem}.md").read_text(encoding="utf-8")
        comment = playbook.read_text(encoding="utf-8").split("\n- name:")[0]
        for name in re.findall(r"^# {3}(\w+) ", comment, re.MULTILINE):
            assert f"| `{name}` | " in text
        for play in yaml.safe_load(playbook.read_text(encoding="utf-8")):
            assert f"| {play['name']} | " in text
        said = text.split("```console")[0].splitlines()
        assert len(said) > 3, f"{playbook.name} has no comment that says what it does"


HTML = '<a href="{link}">x</a><h1 id="here">y</h1><img src="{image}">'


@pytest.mark.parametrize(
    ("link", "image", "words"),
    [
        ("b.html#here", "b.html", ""),
        ("b.html#there", "b.html", "a.html: b.html#there leads nowhere"),
        ("c.html", "b.html", "a.html: c.html leads nowhere"),
        ("b.html", "https://example.org/x.png", "a.html: fetches https://example.org/x.png from another host"),
    ],
)
def test_dead_links_and_what_is_fetched_from_elsewhere_are_found(
    link: str, image: str, words: str, tmp_path: Path
) -> None:
    folder = tmp_path / "html"
    folder.mkdir()
    (folder / "a.html").write_text(HTML.format(link=link, image=image), encoding="utf-8")
    (folder / "b.html").write_text(HTML.format(link="https://example.org/", image="a.html"), encoding="utf-8")
    done = subprocess.run([sys.executable, SITE / "links.py", folder], capture_output=True, text=True, check=False)
    assert (done.returncode, words in done.stdout.splitlines()) == ((1, True) if words else (0, False))
    assert "https://example.org/  (b.html)\n" in (tmp_path / "external-links.txt").read_text(encoding="utf-8")
