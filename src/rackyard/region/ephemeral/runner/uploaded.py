# SPDX-License-Identifier: GPL-3.0-or-later
"""Scripts of operators: for which hardware, with what arguments, and what they say of their outcome."""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

MAX_RUNS = 256  # of one script; the region takes no more
DEVICE_TYPES = {"storage": ("20-storage", "disks"), "interface": ("20-network", "nics")}
DMI_FILES = {
    "system_vendor": "sys_vendor",
    "system_product": "product_name",
    "system_version": "product_version",
    "mainboard_vendor": "board_vendor",
    "mainboard_product": "board_name",
    "mainboard_version": "board_version",
}
SAYS_STATUS = re.compile(rb"^status:[ \t]*['\"]?([a-z]+)", re.MULTILINE)


class Upload(NamedTuple):
    """One script of an operator, from the archive's index."""

    name: str
    path: str
    script_result_id: int
    timeout_s: float
    apt_packages: tuple[str, ...]
    testing: bool
    parallel: str
    parameters: Mapping[str, Mapping[str, Any]]
    for_hardware: tuple[str, ...]


class Run(NamedTuple):
    """One run of a script: what its parameters are, and the words that say so."""

    given: Mapping[str, str]
    arguments: tuple[str, ...]


def read_uploads(entries: Sequence[Mapping[str, Any]], contents: Mapping[str, bytes], folder: str) -> list[Upload]:
    """Write the scripts into ``folder`` and return them by name."""
    uploads = []
    for number, entry in enumerate(sorted(entries, key=lambda item: str(item["name"]))):
        path = os.path.join(folder, f"uploaded-{number}")
        with open(path, "wb") as script:
            script.write(contents[entry["path"]])
        os.chmod(path, 0o700)
        uploads.append(
            Upload(
                name=entry["name"],
                path=path,
                script_result_id=int(entry["script_result_id"]),
                timeout_s=float(entry["timeout_seconds"]),
                apt_packages=tuple(entry["packages"].get("apt") or ()),
                testing=bool(entry["testing"]),
                parallel=entry["parallel"],
                parameters=entry["parameters"],
                for_hardware=tuple(entry["for_hardware"]),
            )
        )
    return uploads


def runs_of(upload: Upload, printed: Mapping[str, bytes]) -> list[Run]:
    """Every run of a script: one, or one for each device that its parameter of such a type names.

    ``printed`` is what the region's own scripts said, by their names.
    """
    runs = [Run({}, ())]
    for name, parameter in upload.parameters.items():
        value = parameter["default"]
        choices: Sequence[Mapping[str, str]] = [{"input": value}]
        if parameter["type"] in DEVICE_TYPES:
            choices = [
                device for device in devices(parameter["type"], printed) if value == "all" or value in device.values()
            ]
        runs = [
            Run({**run.given, name: shown(choice)}, (*run.arguments, *filled(parameter["arguments"], choice)))
            for run in runs
            for choice in choices
        ]
    return runs[:MAX_RUNS]


def devices(kind: str, printed: Mapping[str, bytes]) -> list[dict[str, str]]:
    """What is known of the disks or NICs of this machine; none when their script failed."""
    script, key = DEVICE_TYPES[kind]
    try:
        found = json.loads(printed.get(script, b"{}")).get(key, [])
    except ValueError:
        return []
    known = [{name: text for name, text in device.items() if isinstance(text, str) and text} for device in found]
    return [{**device, "mac_address": device["mac"]} if "mac" in device else device for device in known]


def shown(choice: Mapping[str, str]) -> str:
    """A value in a word."""
    return choice.get("input") or choice.get("path") or choice.get("name") or ""


def filled(words: Sequence[str], choice: Mapping[str, str]) -> list[str]:
    """Words with what stands in braces filled in; what a device does not say of itself is empty."""
    return [re.sub(r"\{([^{}]*)\}", lambda slot: choice.get(slot[1], ""), word) for word in words]


def is_for(hardware: Sequence[str], root: str = "/sys") -> bool:
    """Whether this machine has any of that hardware; everything is for a script that names none."""
    return not hardware or any(has(root, *word.split(":", 1)) for word in hardware)


def has(root: str, kind: str, pattern: str) -> bool:
    """Whether this machine has that: ids of PCI and USB and modaliases of devices, names of system and board."""
    if kind in DMI_FILES:
        return said(os.path.join(root, "class/dmi/id", DMI_FILES[kind])).lower() == pattern.strip().lower()
    if kind == "modalias":
        found = glob.iglob(os.path.join(root, "bus/*/devices/*/modalias"))
        return any(fnmatch.fnmatchcase(said(path), pattern) for path in found)
    names = ("vendor", "device") if kind == "pci" else ("idVendor", "idProduct")
    for folder in glob.iglob(os.path.join(root, "bus", kind, "devices/*")):
        ids = [said(os.path.join(folder, name)).removeprefix("0x") for name in names]
        if ":".join(ids).lower() == pattern.lower():
            return True
    return False


def said(path: str) -> str:
    """The line in a file of the kernel's, empty when it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def claimed_status(result: bytes) -> str:
    """The status that a script wrote into its result file, empty for none. The region reads the file whole."""
    found = SAYS_STATUS.search(result)
    return found[1].decode() if found else ""
