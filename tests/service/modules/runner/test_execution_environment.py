# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-builder makes of execution-environment.yml and the installed collection: what a container would have."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

import pytest
import yaml
from plugin_imports import third_party

from .jobs import ROOT, Controller

DEFINITION = "execution-environment.yml"
SSH = {"openssh-client [platform:dpkg]", "openssh-clients [platform:rpm]"}
# In the container, where the lists of what is installed come from.
SCRIPTS, SOURCE = "/output/scripts", "/tmp/src"


@pytest.fixture(scope="module")
def context(installed: Controller) -> Path:
    """The build context, made as docs/awx.md says."""
    clone = installed.folder / "clone"
    clone.mkdir()
    (archive,) = installed.folder.glob("rackyard-metal-*.tar.gz")
    shutil.copy(archive, clone)
    shutil.copy(ROOT / DEFINITION, clone)
    builder(installed, "create", "--file", DEFINITION, "--output-filename", "Containerfile", cwd=clone)
    assert (clone / "context" / "_build" / "collections" / archive.name).read_bytes() == archive.read_bytes()
    return clone / "context"


def builder(controller: Controller, *words: str, cwd: Path) -> str:
    command = [str(controller.binaries / "ansible-builder"), *words]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


def test_collection_says_what_its_modules_import_and_ssh(installed: Controller) -> None:
    text = builder(installed, "introspect", str(installed.collections), cwd=installed.folder)
    asked = yaml.safe_load(text)
    ours = {kind: {line.split("  #")[0] for line in lines if ours_is(line)} for kind, lines in asked.items()}
    assert {re.split(r"[<>=]", line)[0] for line in ours["python"]} == third_party(installed.collection)
    assert ours["system"] == SSH


def ours_is(line: str) -> bool:
    return line.endswith("# from collection rackyard.metal")


def test_container_gets_that_and_no_more(installed: Controller, context: Path, tmp_path: Path) -> None:
    steps = (context / "Containerfile").read_text(encoding="utf-8")
    (line,) = re.findall(r"^RUN \$PYCMD (\S+/introspect\.py introspect .*)$", steps, re.MULTILINE)
    line = line.replace(SCRIPTS, str(context / "_build" / "scripts")).replace(SOURCE, str(tmp_path))
    command = [str(installed.binaries / "python"), *shlex.split(line), str(installed.collections)]
    subprocess.run(command, cwd=context / "_build", check=True, capture_output=True)
    python = {line.split("  #")[0] for line in (tmp_path / "requirements.txt").read_text().splitlines()}
    assert {re.split(r"[<>=]", line)[0] for line in python} == third_party(installed.collection)
    assert {line.split("  #")[0] for line in (tmp_path / "bindep.txt").read_text().splitlines()} == SSH
    # Jobs of these tests have the same: with another library they would prove nothing.
    (library,) = installed.binaries.parent.glob("lib/python3*/site-packages")
    there = {one.metadata["Name"].lower() for one in distributions(path=[str(library)])}
    assert third_party(installed.collection) | {"ansible-core", "ansible-runner"} <= there
    assert "pyghmi" not in there


def test_definition_can_be_built(context: Path) -> None:
    definition = yaml.safe_load((ROOT / DEFINITION).read_text(encoding="utf-8"))
    # Its scripts call dnf or microdnf with options of their own: an image of Debian cannot be the base.
    image = definition["images"]["base_image"]["name"]
    assert re.search(r"/(centos|ubi\d+|fedora|rockylinux|almalinux)[:/]", image)
    steps = (context / "Containerfile").read_text(encoding="utf-8")
    assert 'ARG PKGMGR="/usr/bin/dnf"' in steps
    # The whole list of what it depends on, so that a new one is thought of.
    dependencies = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))["dependencies"]
    assert definition["dependencies"]["exclude"]["all_from_collections"] == sorted(dependencies)
