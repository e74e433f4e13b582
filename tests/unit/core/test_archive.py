# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups as files: one that is damaged is refused by name, and one that is half written is not there."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from rackyard_core import archive
from rackyard_core.archive import ArchiveError, Facts

FACTS = Facts("0.1.0", 11, "2026-01-31T02:00:00+00:00", "region1", {"machines": 2, "racks": 1, "subnets": 1})
DUMP, KEY = b"PGDMP" + bytes(3 * 1024 * 1024), b"secret\n"


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, Path]:
    dumped, key = tmp_path / "dump", tmp_path / "key"
    dumped.write_bytes(DUMP)
    key.write_bytes(KEY)
    return {"database.dump": dumped, "etc/rackyard/secrets.key": key}


@pytest.fixture
def made(tmp_path: Path, sources: dict[str, Path]) -> Path:
    path = tmp_path / "site.tar"
    archive.write(path, FACTS, sources)
    return path


def rewritten(path: Path, change: dict[str, bytes | None], extra: dict[str, bytes] | None = None) -> Path:
    """The archive with members replaced, dropped (None) or added."""
    other = path.with_name("other.tar")
    with tarfile.open(path) as old, tarfile.open(other, "w") as new:
        contents = {info.name: old.extractfile(info).read() for info in old}  # type: ignore[union-attr]
        for name, content in {**contents, **change, **(extra or {})}.items():
            if content is not None:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                new.addfile(info, io.BytesIO(content))
    return other


def test_an_archive_says_what_is_in_it_and_gives_it_back(made: Path, tmp_path: Path) -> None:
    manifest = archive.verify(made)
    assert manifest.facts == FACTS
    assert manifest.paths("") == ["database.dump", "etc/rackyard/secrets.key"]
    assert archive.read(made, "etc/rackyard/secrets.key") == KEY
    archive.extract(made, "database.dump", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == DUMP
    assert (made.stat().st_mode & 0o777, (tmp_path / "out").stat().st_mode & 0o777) == (0o600, 0o600)


def test_two_backups_of_the_same_moment_are_one_and_others_are_not(made: Path, sources: dict[str, Path]) -> None:
    again = made.with_name("again.tar")
    assert archive.write(again, FACTS, sources).sha256 == archive.verify(made).sha256
    sources["etc/rackyard/secrets.key"].write_bytes(b"another\n")
    assert archive.write(again, FACTS, sources).sha256 != archive.verify(made).sha256


def test_a_damaged_file_is_named(made: Path) -> None:
    content = bytearray(made.read_bytes())
    content[content.index(KEY)] ^= 1
    made.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"etc/rackyard/secrets\.key in .*site\.tar is not what was backed up"):
        archive.verify(made)


@pytest.mark.parametrize(
    ("change", "extra", "words"),
    [
        ({"etc/rackyard/secrets.key": None}, {}, r"lacks etc/rackyard/secrets\.key"),
        ({}, {"etc/rackyard/other": b"x"}, "has etc/rackyard/other, which its manifest does not name"),
        ({"manifest.json": b"{}"}, {}, "manifest.json in .* cannot be understood"),
        ({"manifest.json": None}, {}, "does not begin with manifest.json"),
        ({"database.dump": DUMP[:-1]}, {}, r"database\.dump in .* is not what was backed up"),
    ],
    ids=["missing", "not named", "no manifest", "manifest gone", "shorter"],
)
def test_what_differs_from_the_manifest_is_named(
    made: Path, change: dict[str, bytes | None], extra: dict[str, bytes], words: str
) -> None:
    with pytest.raises(ArchiveError, match=words):
        archive.verify(rewritten(made, change, extra))


@pytest.mark.parametrize("name", ["/etc/shadow", "images/../../etc/shadow", "anything"])
def test_names_that_lead_elsewhere_are_refused(made: Path, name: str) -> None:
    document = json.loads(archive.read(made, "manifest.json"))
    document["files"].append({"path": name, "sha256": "0" * 64, "size_bytes": 1})
    with pytest.raises(ArchiveError, match="a file called"):
        archive.verify(rewritten(made, {"manifest.json": json.dumps(document).encode()}))


def test_a_later_format_is_refused(made: Path) -> None:
    document = json.loads(archive.read(made, "manifest.json")) | {"format": 2}
    with pytest.raises(ArchiveError, match="format 2, this release knows 1"):
        archive.verify(rewritten(made, {"manifest.json": json.dumps(document).encode()}))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.9999])
def test_an_archive_that_is_cut_off_is_refused(made: Path, share: float) -> None:
    os.truncate(made, int(made.stat().st_size * share) if share < 0.999 else made.stat().st_size - 12_000)
    with pytest.raises(ArchiveError, match=r"cut off|does not begin|lacks|is not what was backed up"):
        archive.verify(made)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="cannot read"):
        archive.verify(tmp_path / "none.tar")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ArchiveError, match="is no backup of a site"):
        archive.verify(tmp_path / "text")


def test_a_backup_that_fails_leaves_no_half_archive_and_keeps_the_former_one(
    made: Path, sources: dict[str, Path]
) -> None:
    before = made.read_bytes()
    grows = sources["database.dump"]

    class Shrinking(type(grows)):  # type: ignore[misc]
        """A file that is shorter the second time it is read."""

        opened = 0

        def open(self, *args: object, **kwargs: object) -> io.BytesIO:
            Shrinking.opened += 1
            return io.BytesIO(DUMP if Shrinking.opened == 1 else DUMP[:100])

    with pytest.raises(OSError, match="unexpected end of data"):
        archive.write(made, FACTS, {**sources, "database.dump": Shrinking(grows)})
    assert made.read_bytes() == before
    assert sorted(path.name for path in made.parent.iterdir()) == ["dump", "key", "site.tar"]
