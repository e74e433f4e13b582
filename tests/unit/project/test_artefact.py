# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ansible-galaxy collection build` makes: what a site installs, and an execution environment is built from."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import yaml
from plugin_imports import third_party

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in the built collection."""
    place = tmp_path_factory.mktemp("artefact")
    subprocess.run(
        ["ansible-galaxy", "collection", "build", "--output-path", str(place), str(ROOT)],
        check=True,
        capture_output=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "HOME": str(place), "LC_ALL": "C.UTF-8"},
    )
    (tarball,) = place.glob("rackyard-metal-*.tar.gz")
    with tarfile.open(tarball) as archive:
        return {member.name for member in archive.getmembers() if member.isfile()}


def test_artefact_has_what_a_site_runs(artefact: set[str]) -> None:
    assert {
        "playbooks/site.yml",
        "plugins/modules/machines.py",
        "src/rackyard/region/app.py",
        "docs/README.md",
        "extensions/eda/plugins/event_source/events.py",
        "extensions/eda/rulebooks/new_machine.yml",
    } <= artefact
    assert {"meta/execution-environment.yml", "meta/ee-requirements.txt", "meta/ee-bindep.txt"} <= artefact


def test_artefact_has_nothing_that_a_builder_would_take_for_its_needs(artefact: set[str]) -> None:
    assert not [name for name in artefact if re.fullmatch(r"requirements.*|bindep\.txt|noxfile\.py|run", name)]


def test_execution_environment_has_what_the_plugins_import() -> None:
    wanted = yaml.safe_load((ROOT / "meta/execution-environment.yml").read_text())["dependencies"]
    assert set(wanted) == {"python", "system"}
    lines = (ROOT / wanted["python"]).read_text().splitlines()
    declared = {re.split(r"[<>=!~ ]", line)[0] for line in lines if line and not line.startswith("#")}
    assert declared == third_party(ROOT)
