# SPDX-License-Identifier: GPL-3.0-or-later
"""The commissioning scripts: which there are, how long each may take, what it needs."""

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from rackyard.region.ephemeral import script_metadata
from rackyard.region.ephemeral.script_metadata import Metadata


@dataclass(frozen=True, slots=True)
class Script:
    """One commissioning script.

    ``timeout_s`` is a limit in seconds, ``parallel`` lets it run beside others, ``packages`` are Debian packages that
    the runner installs before it starts. A machine is commissioned without what an ``optional`` one finds.
    """

    name: str
    timeout_s: int
    parallel: bool
    body: bytes
    packages: tuple[str, ...] = ()
    optional: bool = False

    @property
    def packages_index(self) -> dict[str, list[str]]:
        """The packages as the archive's index words them."""
        return {"apt": list(self.packages)} if self.packages else {}


# name, limit in seconds, parallel. All of them only look, each at something else, so all run beside each other. Those
# in Python start isolated and without `site` (-IS): on a slow machine the start of Python is most of what they cost.
_INDEX = (
    ("10-firmware", 120, True),
    ("20-cpu", 120, True),
    ("20-memory", 120, True),
    ("20-network", 120, True),
    ("20-storage", 120, True),
    ("30-bmc", 120, True),
    ("30-lldp", 120, True),
    ("40-apt-probe", 120, True),
    ("50-support-info", 120, True),
    # It has a limit of its own, of 20 s, unless the kernel does not let it go.
    ("maas-lshw", 30, True),
)
LSHW = "maas-lshw"
OPTIONAL = frozenset({LSHW})
# What facts are read from. The others are for people, and say more than is taken from a machine that nobody knows.
OF_FACTS = ("10-firmware", "20-cpu", "20-memory", "20-network", "20-storage", "30-bmc", "30-lldp")


def script_index() -> tuple[Script, ...]:
    """Return all scripts in the order of their names."""
    folder = files(__package__) / "scripts"
    return tuple(
        Script(name, timeout_s, parallel, (folder / name).read_bytes(), optional=name in OPTIONAL)
        for name, timeout_s, parallel in _INDEX
    )


# A disk's own tests, and how long each may take.
_SELF_TESTS = {"short": "00:30:00", "long": "72:00:00", "conveyance": "02:00:00"}
_SELF_TEST = "smartctl-selftest"


@dataclass(frozen=True, slots=True)
class Test:
    """One of the region's own tests. What it is stands in its metadata block, as in those of operators."""

    metadata: Metadata
    body: bytes


@cache
def tests() -> tuple[Test, ...]:
    """The region's own tests in the order of their names. Who runs which is said when it is asked for."""
    texts = {path.name: path.read_text("utf-8") for path in (files(__package__) / "tests").iterdir() if path.is_file()}
    self_test = texts.pop(_SELF_TEST)
    for kind, limit in _SELF_TESTS.items():
        texts[kind] = self_test.replace("@KIND@", kind).replace("@LIMIT@", limit)
    bodies = [text.encode() for text in texts.values()]
    found = [Test(script_metadata.read(body, {}), body) for body in bodies]
    return tuple(sorted(found, key=lambda test: test.metadata.name))


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A script of an operator or a test, and the id of the row that its result goes to."""

    result_id: int
    metadata: Metadata
    body: bytes


def build_archive(result_ids: Mapping[str, int], uploaded: Sequence[Uploaded] = ()) -> bytes:
    """Return the ``maas-scripts`` tar archive for the scripts named in ``result_ids``, and those of operators.

    ``result_ids`` maps a script's name to the id of the row its result goes to. The bytes depend on nothing else.
    """
    scripts = [script for script in script_index() if script.name in result_ids]
    members = {f"commissioning-scripts/{script.name}": (script.body, 0o755) for script in scripts}
    index = [
        {
            "name": script.name,
            "path": f"commissioning-scripts/{script.name}",
            "script_result_id": result_ids[script.name],
            "timeout_seconds": script.timeout_s,
            "parallel": script.parallel,
            "packages": script.packages_index,
            "optional": script.optional,
        }
        for script in scripts
    ]
    members |= {_path(script): (script.body, 0o755) for script in uploaded}
    wanted = {"commissioning_scripts": index, "uploaded": [_entry(script) for script in uploaded]}
    members["index.json"] = (json.dumps({"1.0": wanted}).encode(), 0o644)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, (content, mode) in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _path(script: Uploaded) -> str:
    return f"uploaded-scripts/{script.metadata.name}"


def _entry(script: Uploaded) -> dict[str, Any]:
    """As the runner reads it: apart from the region's own, which it runs first."""
    known = script.metadata
    return {
        "name": known.name,
        "path": _path(script),
        "script_result_id": script.result_id,
        "timeout_seconds": known.timeout,
        "testing": known.script_type == "testing",
        "parallel": known.parallel,
        "packages": known.packages,
        "parameters": known.parameters,
        "for_hardware": known.for_hardware,
    }
