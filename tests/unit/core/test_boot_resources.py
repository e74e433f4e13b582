# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending a file to a region that breaks off: what is asked and sent then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rackyard_core import filetypes
from rackyard_core.boot_resources import CHUNK_BYTES, BadImage, LocalFile, Sender, Wish, view_of
from rackyard_core.client import RegionClient, RegionRefused, RegionUnreachable
from rackyard_core.patience import Patience
from rackyard_core.wire import Request, Response

SIZE = 2 * CHUNK_BYTES + 10
URI = "/MAAS/api/2.0/boot-resources/4/upload/9/"


class Region:
    """A region that has some of the file, and to which things happen before it answers chunks."""

    def __init__(self, sha256: str, *happens: str) -> None:
        self.sha256 = sha256
        self.received = 0
        self.complete = self.puts = 0
        self.refusal = ""
        self.uri = URI
        self.happens = list(happens)
        self.ranges: list[str] = []

    def __call__(self, request: Request, timeout_s: float) -> Response:
        if request.method == "PUT":
            return self._take(request)
        return self._said(201 if request.method == "POST" else 200, {"id": 4, "title": "", "sets": {"v": self._set()}})

    def _take(self, request: Request) -> Response:
        assert request.body is not None
        happens = self.happens.pop(0) if self.happens else ""
        self.ranges.append(request.headers["Content-Range"])
        start = int(self.ranges[-1].split()[1].split("-")[0])
        if happens == "refused":
            return Response(400, b"too much")
        if happens == "dies":
            raise ConnectionResetError("it died")
        if start != self.received:
            return Response(409, f"{self.received} bytes are there".encode())
        self.received += len(request.body)
        if happens == "answer is lost":
            raise ConnectionResetError("its answer was lost")
        if happens == "replaced":
            self.uri = URI.replace("9", "10")
            return Response(409, b"replaced")
        self.complete = self.received == SIZE and happens != "slow"
        return self._said(200, self._file())

    def _set(self) -> dict[str, Any]:
        return {"complete": bool(self.complete), "files": {"root-tgz": self._file()}}

    def _file(self) -> dict[str, Any]:
        return {
            "complete": bool(self.complete), "sha256": self.sha256, "size": SIZE, "received": self.received,
            "refusal": self.refusal, "upload_uri": self.uri, "filetype": "root-tgz",
        }  # fmt: skip

    @staticmethod
    def _said(status: int, document: dict[str, Any]) -> Response:
        return Response(status, json.dumps(document).encode())


@pytest.fixture
def file(tmp_path: Path) -> LocalFile:
    path = tmp_path / "web.tar.gz"
    path.write_bytes(bytes(SIZE))
    return LocalFile.read(str(path), None)


def sender(region: Region, file: LocalFile) -> Sender:
    client = RegionClient("http://region1:5240/MAAS", "a:b:c", transport=region, sleep=lambda _s: None)
    return Sender(client, Wish.of("web", "amd64", None), file, Patience(0.1, 0.01))


def test_whole_file_is_sent_in_chunks(file: LocalFile) -> None:
    region = Region(file.sha256)
    sent = sender(region, file)
    sent.send({})
    assert region.complete
    ends = [(0, CHUNK_BYTES), (CHUNK_BYTES, 2 * CHUNK_BYTES), (2 * CHUNK_BYTES, SIZE)]
    assert region.ranges == [f"bytes {start}-{end - 1}/{SIZE}" for start, end in ends]
    assert sent.sent_bytes == SIZE


@pytest.mark.parametrize("happens", ["dies", "answer is lost"])
def test_region_that_breaks_off_is_asked_how_much_it_has(file: LocalFile, happens: str) -> None:
    region = Region(file.sha256, "", happens)
    sender(region, file).send({})
    assert (region.complete, region.received) == (True, SIZE)
    assert len(region.ranges) == (4 if happens == "dies" else 3), "nothing that arrived is sent again"


def test_region_that_is_slow_with_the_whole_is_waited_for(file: LocalFile) -> None:
    region = Region(file.sha256, "", "", "slow")
    with pytest.raises(BadImage, match=r"no region has put it together within 0\.1 s; see `journalctl"):
        sender(region, file).send({})
    region.complete = True
    sender(region, file).send({})


def test_region_that_stays_away_is_an_error_with_an_end(file: LocalFile) -> None:
    region = Region(file.sha256, *["dies"] * 100)
    with pytest.raises(RegionUnreachable, match="it died"):
        sender(region, file).send({})
    assert len(region.ranges) == 6


def test_upload_that_was_replaced_is_not_gone_on_with(file: LocalFile) -> None:
    with pytest.raises(BadImage, match=r"image custom/web \(amd64/generic\): another upload of it"):
        sender(Region(file.sha256, "replaced"), file).send({})


def test_refusal_of_the_whole_is_told(file: LocalFile) -> None:
    region = Region(file.sha256, "", "", "slow")
    region.refusal = "It has another SHA-256."
    with pytest.raises(BadImage, match=r"another SHA-256\. Has the file changed meanwhile"):
        sender(region, file).send({})


def test_other_refusals_are_the_regions(file: LocalFile) -> None:
    with pytest.raises(RegionRefused, match="too much"):
        sender(Region(file.sha256, "refused"), file).send({})


def test_image_without_a_complete_file_is_not_complete() -> None:
    row = {"id": 4, "name": "custom/web", "architecture": "amd64/generic", "title": "", "sets": {}}
    assert view_of(row)["complete"] is False


@pytest.mark.parametrize(
    ("name", "filetype"),
    [
        ("custom-cloudimg.tar.gz", "tgz"),
        ("a.TXZ", "txz"),
        ("a.dd.tar.gz", "ddtgz"),
        ("windows.dd.gz", "ddgz"),
        ("disk.img", "ddraw"),
        ("disk.raw.xz", "ddxz"),
        ("a.gz", None),
        ("a", None),
    ],
)
def test_type_is_known_by_the_end_of_the_name(name: str, filetype: str | None) -> None:
    assert filetypes.of_name(name) == filetype


def test_every_type_can_be_named_by_a_suffix() -> None:
    assert {filetype for filetype, _suffixes in filetypes._SUFFIXES} == filetypes.FILES.keys()
