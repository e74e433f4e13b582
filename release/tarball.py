# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection's file from a commit, the same bytes whenever, wherever and by whomever it is made.

    python release/tarball.py COMMIT FOLDER [REPOSITORY]

`ansible-galaxy collection build` notes who made it and when, and takes files in the order in which the disk has them.
What it made is packed again: files by name, of root, with the moment of the commit."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
# What a collection's file begins with: what is signed, with the sum of the list that has the sums of all others.
MANIFEST, FILES = "MANIFEST.json", "FILES.json"


def build(commit: str, folder: Path, repository: Path = ROOT) -> Path:
    """Makes the file of a commit in a folder; what is not committed is not in it."""
    moment = int(said_by(repository, "git", "log", "-1", "--format=%ct", commit))
    with tempfile.TemporaryDirectory() as place:
        tree, snapshot = Path(place, "tree"), Path(place, "tree.tar")
        tree.mkdir()
        said_by(repository, "git", "archive", "--format=tar", "--output", str(snapshot), commit)
        said_by(tree, "tar", "-xf", str(snapshot))
        said_by(tree, "ansible-galaxy", "collection", "build", "--output-path", place)
        (made,) = Path(place).glob("*.tar.gz")
        packed = folder / made.name
        packed.write_bytes(pack(made, moment))
    return packed


def said_by(folder: Path, *command: str) -> str:
    """Runs a command in a folder, and ends with its words when it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def pack(made: Path, moment: int) -> bytes:
    """The same collection with nothing in it that depends on who packed it and when; `moment` in seconds of Unix."""
    with tarfile.open(made) as archive:
        entries = {entry.name: entry for entry in archive}
        content = {name: read(archive, entry) for name, entry in entries.items()}
    content[FILES], content[MANIFEST] = in_order(content[FILES], content[MANIFEST])
    whole = io.BytesIO()
    # Without a name and of a fixed time: gzip notes both.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=whole, mtime=moment) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in (MANIFEST, FILES, *sorted(set(entries) - {MANIFEST, FILES})):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = entries[name].type, entries[name].linkname
            entry.mode = 0o755 if entries[name].mode & 0o100 or entry.isdir() else 0o644
            entry.mtime, entry.size = moment, len(content[name])
            archive.addfile(entry, io.BytesIO(content[name]))
    return whole.getvalue()


def read(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    """What a file holds; nothing for a folder or a link."""
    file = archive.extractfile(entry) if entry.isreg() else None
    return file.read() if file else b""


def in_order(files: bytes, manifest: bytes) -> tuple[bytes, bytes]:
    """The list of files by name, and the manifest with the sum of that."""
    listed, head = json.loads(files), json.loads(manifest)
    listed["files"].sort(key=lambda file: file["name"])
    files = as_json(listed)
    head["file_manifest_file"]["chksum_sha256"] = hashlib.sha256(files).hexdigest()
    return files, as_json(head)


def as_json(value: dict[str, Any]) -> bytes:
    """The one text of a value."""
    return json.dumps(value, indent=1, sort_keys=True).encode() + b"\n"


if __name__ == "__main__":
    where = Path(sys.argv[2]).resolve()
    where.mkdir(parents=True, exist_ok=True)
    print(build(sys.argv[1], where, *map(Path, sys.argv[3:])))
