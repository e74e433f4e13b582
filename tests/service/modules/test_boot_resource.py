# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.rackyard.metal.plugins.modules import boot_resource

Result = dict[str, Any]
Run = Callable[..., Result]
pytestmark = pytest.mark.usefixtures("upload_worker")

# Three chunks.
CONTENT = random.Random(3).randbytes(9 * 2**20)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "custom-web.tar.gz"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def options(file: Path) -> dict[str, str]:
    return {"name": "web", "path": str(file), "title": "Web servers"}


def begin(api: Any, sent_bytes: int, **more: str) -> dict[str, Any]:
    """An upload that has stopped on the way; what the region has of it."""
    announced = {"name": "custom/web", "architecture": "amd64", "sha256": hashlib.sha256(CONTENT).hexdigest()}
    made = api.post("boot-resources/", data={**announced, "size": str(len(CONTENT)), **more}).json
    ((_version, known),) = made["sets"].items()
    path = known["files"]["root-tgz"]["upload_uri"].removeprefix("/MAAS/api/2.0/")
    answer = api.put(path, data=CONTENT[:sent_bytes], content_type="application/octet-stream")
    assert answer.json["received"] == sent_bytes
    return made


def test_upload_then_again_converges(run: Run, options: dict[str, str], ctx: Any) -> None:
    foretold, first = run(boot_resource, check=True, **options), run(boot_resource, **options)
    assert first["actions"] == foretold["actions"] == ["upload image custom/web (amd64/generic)"]
    image_id = first["boot_resource"].pop("id")
    assert first["boot_resource"] == foretold["boot_resource"] == {
        "name": "custom/web",
        "architecture": "amd64/generic",
        "title": "Web servers",
        "complete": True,
        "filetype": "root-tgz",
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "size": len(CONTENT),
    }  # fmt: skip
    assert first["progress"].startswith("sent 9.0 of 9.0 MiB in ")
    assert foretold["progress"] == ""
    assert first["diff"]["before"] == {}
    assert (ctx.config.images / first["boot_resource"]["sha256"] / "image").read_bytes() == CONTENT
    second = run(boot_resource, **options)
    assert not second["changed"]
    assert (second["boot_resource"]["id"], second["progress"]) == (image_id, "")


def test_changed_file_is_a_new_version(run: Run, options: dict[str, str], file: Path) -> None:
    first = run(boot_resource, **options)
    file.write_bytes(b"another one")
    foretold, done = run(boot_resource, check=True, **options), run(boot_resource, **options)
    assert done["actions"] == foretold["actions"] == ["upload image custom/web (amd64/generic)"]
    assert done["boot_resource"] == foretold["boot_resource"]
    assert (done["boot_resource"]["id"], done["boot_resource"]["size"]) == (first["boot_resource"]["id"], 11)
    assert done["diff"] == {"before": first["boot_resource"], "after": done["boot_resource"]}


def test_other_title_or_type_is_corrected_without_sending(run: Run, options: dict[str, str]) -> None:
    run(boot_resource, **options)
    retitled = run(boot_resource, **{**options, "title": "Web"})
    assert (retitled["actions"], retitled["progress"]) == (
        ["update image custom/web (amd64/generic)"],
        "the region had the content already",
    )
    assert not run(boot_resource, name="web", path=options["path"])["changed"], "what is not given is left"
    retyped = run(boot_resource, filetype="ddgz", **options)
    assert (retyped["boot_resource"]["filetype"], retyped["progress"]) == (
        "root-dd.gz",
        "the region had the content already",
    )


def test_upload_that_broke_off_is_gone_on_with(run: Run, options: dict[str, str], api: Any) -> None:
    begun = begin(api, 5 * 2**20, title="Web servers")
    done = run(boot_resource, **options)
    assert done["progress"].startswith("sent 4.0 of 9.0 MiB in ")
    assert done["progress"].endswith("; 5.0 MiB were there from an earlier run")
    assert done["boot_resource"]["id"] == begun["id"]
    assert done["boot_resource"]["complete"]


@pytest.mark.parametrize("other", [{"sha256": "0" * 64}, {"title": "Databases"}])
def test_upload_of_another_file_is_begun_anew(
    run: Run, options: dict[str, str], api: Any, other: dict[str, str]
) -> None:
    begin(api, 5 * 2**20, **{"title": "Web servers", **other})
    assert run(boot_resource, **options)["progress"].startswith("sent 9.0 of 9.0 MiB in ")


def test_image_is_removed(run: Run, options: dict[str, str]) -> None:
    known = run(boot_resource, **options)["boot_resource"]
    assert run(boot_resource, check=True, name="web", state="absent")["changed"]
    gone = run(boot_resource, name="web", state="absent")
    assert (gone["actions"], gone["boot_resource"]) == (["delete image custom/web (amd64/generic)"], {})
    assert gone["diff"] == {"before": known, "after": {}}
    assert not run(boot_resource, name="web", state="absent")["changed"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("web.iso", b"x", "does not say of which type it is; give one of tgz"),
        ("web.tar.gz", b"", "is empty"),
        ("web.tar.gz", None, "cannot be read: No such file"),
    ],
)
def test_file_that_cannot_be_used_is_refused(
    run: Run, tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    refused = run(boot_resource, check=True, name="web", path=str(path))
    assert refused["failed"]
    assert words in refused["msg"]


def test_regions_refusal_is_worded(run: Run, options: dict[str, str]) -> None:
    refused = run(boot_resource, **{**options, "name": "a b"})
    assert (refused["failed"], refused["status"]) == (True, 400)
    assert "names no image" in refused["msg"]
