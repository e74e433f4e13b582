# SPDX-License-Identifier: GPL-3.0-or-later
"""A region that lacks files of a registered image gets them from one that has them."""

from __future__ import annotations

import functools
import hashlib
import shutil
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rackyard.region.context import Context
from rackyard.region.db.site import images as rows
from rackyard.region.db.site import uploads
from rackyard.region.errors import Unavailable
from rackyard.region.services.site import images
from rackyard.region.worker.tasks.images import fetch_missing

CONTENTS = {"vmlinuz": b"kernel" * 500_000, "initrd": b"initrd", "filesystem.squashfs": b"squashfs"}
ROLES = {"vmlinuz": "kernel", "initrd": "initrd", "filesystem.squashfs": "squashfs"}


def digest(name: str) -> str:
    return hashlib.sha256(CONTENTS[name]).hexdigest()


@pytest.fixture
def other_region(ctx: Context, tmp_path: Path) -> Path:
    """Images of a region whose files a server gives at ctx's port; this one knows of the image by the database only."""
    store = tmp_path / "other" / "MAAS" / "images"
    for name, content in CONTENTS.items():
        (store / digest(name)).mkdir(parents=True)
        (store / digest(name) / name).write_bytes(content)
    manifest = {
        "name": "debian-bookworm-amd64", "arch": "amd64", "suite": "bookworm",
        "files": [
            {"role": ROLES[name], "name": name, "sha256": digest(name), "size_bytes": len(content)}
            for name, content in CONTENTS.items()
        ],
    }  # fmt: skip
    with ctx.db.transaction() as tx:
        rows.add(tx, manifest, "0" * 64, ctx.clock.now())
        tx.run("site.processes.beat", name="region2", pid=1, address="127.0.0.1", port=5250)
        tx.run("site.processes.beat", name="region1", pid=1, address=ctx.config.addresses[0], port=5250)
    return store


@pytest.fixture
def port(other_region: Path) -> Iterator[int]:
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(other_region.parents[1]))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_all_files_arrive_one_at_a_time(ctx: Context, port: int) -> None:
    fetched = {fetch_missing(ctx, port), fetch_missing(ctx, port), fetch_missing(ctx, port)}
    assert fetched == {f"{digest(name)}/{name}" for name in CONTENTS}
    assert fetch_missing(ctx, port) is None
    assert images.missing(ctx) == []
    for name, content in CONTENTS.items():
        path = ctx.config.images / digest(name) / name
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("content", [b"forged" * 500_000, b"short", b"kernel" * 500_000 + b"and more"])
def test_another_file_is_not_taken(ctx: Context, port: int, other_region: Path, content: bytes) -> None:
    (other_region / digest("vmlinuz") / "vmlinuz").write_bytes(content)
    with pytest.raises(Unavailable, match=r"3 files .* no region gives .*/vmlinuz \(127\.0\.0\.1: "):
        fetch_missing(ctx, port)
    assert list(ctx.config.images.iterdir()) == []


def test_uploaded_file_arrives_after_those_that_machines_boot(ctx: Context, port: int, other_region: Path) -> None:
    content = b"root" * 500_000
    sha256 = hashlib.sha256(content).hexdigest()
    with ctx.db.transaction() as tx:
        image_id = uploads.ensure(tx, "custom/web", "amd64/generic", None, None)
        uploads.add(tx, image_id, "tgz", sha256, len(content), ctx.clock.now(), complete=True)
    fetched = [fetch_missing(ctx, port) for _name in CONTENTS]
    with pytest.raises(Unavailable, match=r"no region gives .*404\); delete the image and upload it again"):
        fetch_missing(ctx, port)
    (other_region / sha256).mkdir()
    (other_region / sha256 / "image").write_bytes(content)
    assert fetch_missing(ctx, port) == f"{sha256}/image" not in fetched
    assert (ctx.config.images / sha256 / "image").read_bytes() == content


def test_what_nobody_has_is_said(ctx: Context, port: int, other_region: Path) -> None:
    shutil.rmtree(other_region / digest("vmlinuz"))
    (ctx.config.images / ".fetch-left").write_text("of a worker that was killed")
    with pytest.raises(Unavailable, match=r"it answered 404\); run the image playbook"):
        fetch_missing(ctx, port)
    assert list(ctx.config.images.iterdir()) == []
