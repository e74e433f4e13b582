# SPDX-License-Identifier: GPL-3.0-or-later
"""The image builder's cache: several images at once, what is kept, what goes. Nothing is installed here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROLE = Path(__file__).parents[3] / "roles" / "boot_image" / "files"
SETTINGS = {
    "arch": "amd64", "loader_suite": "trixie", "mirror": "http://mirror.invalid/debian",
    "security_mirror": "http://mirror.invalid/security", "keyring": "", "components": ["main"], "extra_packages": [],
    "compression_level": 6, "revision": "",
}  # fmt: skip


def call(step: str, cache: Path, suites: tuple[str, ...], *words: str) -> dict[str, Any]:
    """One run of the builder, as the role runs it."""
    command = [sys.executable, str(ROLE / "build_image.py"), step, "--recipe", str(ROLE / "recipe")]
    settings = json.dumps([{**SETTINGS, "suite": suite} for suite in suites])
    done = subprocess.run(
        [*command, "--cache", str(cache), *words], input=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def finished(cache: Path, key: str, suite: str, age_s: float) -> Path:
    """A finished image of some age."""
    path = cache / key
    path.mkdir()
    (path / "manifest.json").write_text(json.dumps({"arch": "amd64", "suite": suite, "files": []}))
    os.utime(path / "manifest.json", (time.time() - age_s,) * 2)
    return path


def test_each_release_has_a_name_of_its_own_and_is_looked_for_by_it(tmp_path: Path) -> None:
    first = call("key", tmp_path, ("bookworm", "trixie"))
    keys = {image["suite"]: image["key"] for image in first["images"]}
    assert len(set(keys.values())) == 2
    assert [image["present"] for image in first["images"]] == [False, False]
    finished(tmp_path, keys["trixie"], "trixie", 0)
    again = call("key", tmp_path, ("bookworm", "trixie"))
    assert [(image["suite"], image["present"]) for image in again["images"]] == [("bookworm", False), ("trixie", True)]


def test_finished_images_are_not_built_again(tmp_path: Path) -> None:
    for image in call("key", tmp_path, ("bookworm", "trixie"))["images"]:
        finished(tmp_path, image["key"], image["suite"], 0)
    for step in ("tree", "loaders", "pack", "publish"):
        assert not call(step, tmp_path, ("bookworm", "trixie"))["changed"]


def test_an_image_with_a_file_that_was_cut_off_is_none(tmp_path: Path) -> None:
    (image,) = call("key", tmp_path, ("bookworm",))["images"]
    path = finished(tmp_path, image["key"], "bookworm", 0)
    files = [{"name": "vmlinuz", "size_bytes": 5}]
    (path / "manifest.json").write_text(json.dumps({"arch": "amd64", "suite": "bookworm", "files": files}))
    (path / "vmlinuz").write_bytes(b"12345")
    assert call("key", tmp_path, ("bookworm",))["images"][0]["present"]
    (path / "vmlinuz").write_bytes(b"1234")
    assert not call("key", tmp_path, ("bookworm",))["images"][0]["present"]


def test_prune_keeps_the_newest_of_each_release_and_what_was_asked_for(tmp_path: Path) -> None:
    (asked,) = call("key", tmp_path, ("bookworm",))["images"]
    finished(tmp_path, asked["key"], "bookworm", 9000)  # older than all others, and still the one that is wanted
    newest = finished(tmp_path, "a" * 16, "bookworm", 10)
    superseded = finished(tmp_path, "b" * 16, "bookworm", 20)
    other_release = finished(tmp_path, "c" * 16, "trixie", 8000)
    given_up, under_way = tmp_path / f"{'d' * 16}.build", tmp_path / f"{'e' * 16}.build"
    for path in (given_up, under_way, tmp_path / "tools"):
        path.mkdir()
    os.utime(given_up, (time.time() - 2 * 86400,) * 2)

    answer = call("prune", tmp_path, ("bookworm",), "--keep", "1")
    assert answer == {"changed": True, "removed": [superseded.name, given_up.name]}
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {
        asked["key"], newest.name, other_release.name, under_way.name, "tools",
    }  # fmt: skip
    assert not call("prune", tmp_path, ("bookworm",), "--keep", "1")["changed"]


@pytest.mark.parametrize("name", ["masked-units.txt", "masked-units.bookworm.txt", "masked-disk-rules.txt"])
def test_masks_name_each_thing_once(name: str) -> None:
    lines = [line for line in (ROLE / "recipe" / name).read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert len(lines) == len(set(lines))


def test_no_stage_of_cloud_init_is_masked_where_one_process_waits_for_all() -> None:
    common = (ROLE / "recipe" / "masked-units.txt").read_text()
    stages = ("cloud-init-local.service", "cloud-init-network.service", "cloud-config.service", "cloud-final.service")
    assert not [stage for stage in stages if stage in common]


def test_what_boots_again_without_metadata_is_in_the_image_and_switched_on() -> None:
    late = ROLE / "recipe" / "late"
    (unit,) = late.glob("etc/systemd/system/rackyard-boot-again.service")
    settings = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line)
    assert settings["After"] == "cloud-final.service"
    assert os.access(late / settings["ExecStart"].removeprefix("/"), os.X_OK)
    assert unit.name in (ROLE / "recipe" / "customize.sh").read_text()
