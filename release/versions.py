# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a version may be released: it is the same in all places, and it follows from what the changelog says.

    python release/versions.py [--trial]

A trial is made of what is no release yet: the changelog does not have the version, or has fragments left."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from semantic_version import Version, validate

ROOT = Path(__file__).resolve().parents[1]
# The collection's file and the container, as pages and settings name them.
NAMED = re.compile(r"rackyard-metal-(\d[^\s`]*?)\.tar\.gz|/rackyard:(\d[\w.+-]*)")
PAGES = ("README.md", "execution-environment.yml", "docs/*.md")
# By https://semver.org: what takes something away, and what adds something. The rest mends.
TAKING = ("breaking_changes", "removed_features")
ADDING = ("major_changes", "minor_changes", "deprecated_features")


def places(root: Path) -> Iterator[tuple[str, str]]:
    """Each place that says the version, and what it says."""
    yield "galaxy.yml", str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"])
    yield "pyproject.toml", tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    code = (root / "src/rackyard/__init__.py").read_text(encoding="utf-8")
    yield "src/rackyard/__init__.py", re.findall(r'^__version__ = "(.+)"$', code, re.MULTILINE)[0]
    for page in sorted(path for pattern in PAGES for path in root.glob(pattern)):
        for file, container in NAMED.findall(page.read_text(encoding="utf-8")):
            yield str(page.relative_to(root)), file or container


def faults(root: Path, trial: bool) -> Iterator[str]:
    """What is in the way of a release, each with the remedy."""
    said = list(places(root))
    version = said[0][1]
    if not validate(version):
        yield f"galaxy.yml: {version} is no semantic version; see https://semver.org"
        return
    yield from (f"{place}: {other} is not {version} of galaxy.yml" for place, other in said if other != version)
    changelog = root / "changelogs/changelog.yaml"
    releases = yaml.safe_load(changelog.read_text(encoding="utf-8"))["releases"] if changelog.exists() else {}
    yield from unreleased(root, version, releases, trial)
    for before, after in pairwise(sorted(releases, key=Version)):
        if (least := least_after(Version(before), releases[after].get("changes", {}), releases[after])) > Version(
            after
        ):
            yield f"changelogs/changelog.yaml: after {before}, what {after} brings makes it at least {least}"


def unreleased(root: Path, version: str, releases: dict[str, Any], trial: bool) -> Iterator[str]:
    """What the changelog lacks for the version to be a release, and whether others are newer."""
    newest = max(map(Version, releases), default=None)
    if newest is not None and Version(version) < newest:
        yield f"galaxy.yml: {version} is older than {newest} of the changelog; raise it"
    if trial:
        return
    if version not in releases:
        yield f"changelogs/changelog.yaml: lacks {version}; run antsibull-changelog release, or make a trial"
    elif f"## v{version}\n" not in (root / "CHANGELOG.md").read_text(encoding="utf-8").replace("\\", ""):
        yield f"CHANGELOG.md: lacks {version}; run antsibull-changelog generate"
    if left := sorted(path.name for path in (root / "changelogs/fragments").glob("*.y*ml")):
        names = ", ".join(left[:3]) + (" …" if left[3:] else "")
        yield f"changelogs/fragments: {names} would not be in the changelog of {version}"


def least_after(before: Version, changes: dict[str, Any], release: dict[str, Any]) -> Version:
    """The lowest version that may follow one, by what has changed. Before 1.0.0 a minor one may take things away."""
    if any(changes.get(section) for section in TAKING):
        return before.next_major() if before.major else before.next_minor()
    if any(changes.get(section) for section in ADDING) or any(
        release.get(new) for new in ("modules", "plugins", "objects")
    ):
        return before.next_minor()
    return before.next_patch()


if __name__ == "__main__":
    found = list(faults(ROOT, "--trial" in sys.argv[1:]))
    if found:
        sys.exit("\n".join(found))
