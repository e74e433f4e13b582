# SPDX-License-Identifier: GPL-3.0-or-later
"""The yardstick of commissioning: which image it boots, and when it gives up."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import time
from pathlib import Path
from types import ModuleType

import pytest

PROGRAM = Path(__file__).parents[3] / "tests" / "load" / "direct_boot.py"
OLD, NEW, UNFINISHED = "a" * 16, "b" * 16, "c" * 16


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("direct_boot", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """An old and a new finished image, one that is not finished, and the builder's tools."""
    for age, name in ((200, OLD), (100, NEW), (0, "tools")):
        (tmp_path / name).mkdir()
        manifest = tmp_path / name / "manifest.json"
        manifest.touch()
        os.utime(manifest, (time.time() - age,) * 2)
    (tmp_path / f"{UNFINISHED}.build").mkdir()
    (tmp_path / f"{UNFINISHED}.build" / "manifest.json").touch()
    return tmp_path


def test_the_image_of_the_labs_machines_is_booted_though_a_newer_one_is_there(bench: ModuleType, images: Path) -> None:
    image, why = bench.choose_image(images, "", OLD)
    assert image.name == OLD
    assert "lab" in why


def test_the_newest_finished_image_is_booted_without_a_lab(bench: ModuleType, images: Path) -> None:
    assert bench.choose_image(images, "", "")[0].name == NEW
    image, why = bench.choose_image(images, "", "d" * 16)
    assert image.name == NEW
    assert "d" * 16 in why


def test_a_wanted_image_that_is_not_there_is_refused_with_those_that_are(bench: ModuleType, images: Path) -> None:
    assert bench.choose_image(images, OLD, NEW)[0].name == OLD
    with pytest.raises(bench.BootError, match=f"{OLD}, {NEW}"):
        bench.choose_image(images, UNFINISHED, "")
    with pytest.raises(bench.BootError, match=r"\./run demo"):
        bench.choose_image(images / "tools", "", "")


def start(script: str, console: Path) -> subprocess.Popen[bytes]:
    """A machine that says what the script prints."""
    with console.open("wb") as file:
        return subprocess.Popen(["sh", "-c", script], stdout=file, stderr=subprocess.STDOUT)


def test_a_silent_console_ends_the_wait_with_its_last_lines(bench: ModuleType, tmp_path: Path) -> None:
    machine = start(r"printf 'Loading\r\n\033Kernel panic\r\n'; exec sleep 60", tmp_path / "console")
    began = time.monotonic()
    with pytest.raises(bench.BootError, match=r"silent for 1 s.*\nLoading\nKernel panic$"):
        bench.watch(machine, tmp_path / "console", 1.0, 60.0)
    assert time.monotonic() - began < 10
    assert machine.poll() is not None, "nothing is left running"


def test_a_talking_console_is_waited_for_until_the_limit(bench: ModuleType, tmp_path: Path) -> None:
    machine = start("while :; do echo still here; sleep 0.2; done", tmp_path / "console")
    with pytest.raises(bench.BootError, match="not off after 3 s"):
        bench.watch(machine, tmp_path / "console", 1.5, 3.0)
    machine = start("for i in 1 2 3 4 5; do echo $i; sleep 0.5; done", tmp_path / "console")
    bench.watch(machine, tmp_path / "console", 1.5, 60.0)


def test_a_qemu_that_fails_says_why(bench: ModuleType, tmp_path: Path) -> None:
    machine = start("echo no such machine type >&2; exit 1", tmp_path / "console")
    with pytest.raises(bench.BootError, match="ended with 1:\nno such machine type"):
        bench.watch(machine, tmp_path / "console", 5.0, 60.0)


def test_a_hung_network_of_qemu_is_told_from_a_machine_that_does_not_boot(bench: ModuleType, tmp_path: Path) -> None:
    complaint = "NETDEV WATCHDOG: enp0s2 (virtio_net): transmit queue 0 timed out"
    machine = start(f"while :; do echo '{complaint}'; sleep 0.2; done", tmp_path / "console")
    with pytest.raises(bench.HungNetworkError, match="network hung"):
        bench.watch(machine, tmp_path / "console", 60.0, 60.0)
    assert machine.poll() is not None, "nothing is left running"
