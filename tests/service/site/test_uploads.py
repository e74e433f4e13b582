# SPDX-License-Identifier: GPL-3.0-or-later
"""Images that people upload, in chunks, to any region."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import pytest

from rackyard.region.app import create_app
from rackyard.region.context import Context
from rackyard.region.db.site import uploads as rows
from rackyard.region.errors import Unavailable
from rackyard.region.services.site import images
from rackyard.region.services.site.uploads import PIECE_BYTES
from rackyard.region.worker.tasks import uploads

CHUNK = 700_000
CONTENT = random.Random(7).randbytes(3 * CHUNK + 5)
OTHER = random.Random(8).randbytes(CHUNK)
RAW = "application/octet-stream"
Json = dict[str, Any]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def announcement(content: bytes, **more: str) -> Json:
    file = {"name": "custom/web", "architecture": "amd64", "sha256": sha256(content), "size": str(len(content))}
    return {**file, **more}


def announce(api, content: bytes = CONTENT, **more: str) -> Json:
    answer = api.post("boot-resources/", data=announcement(content, **more))
    assert answer.status_code == 201, answer.text
    return answer.json


def newest(image: Json) -> Json:
    """As clients find it: the only file of the highest version."""
    (file,) = image["sets"][max(image["sets"])]["files"].values()
    return file


def put(api, uri: str, content: bytes, start: int | None = None):
    headers = {} if start is None else {"Content-Range": f"bytes {start}-{start + len(content) - 1}/*"}
    return api.request("PUT", uri.removeprefix("/MAAS/api/2.0/"), data=content, content_type=RAW, more=headers)


def chunks(content: bytes = CONTENT) -> Iterator[bytes]:
    for start in range(0, len(content), CHUNK):
        yield content[start : start + CHUNK]


def upload(api, content: bytes = CONTENT, **more: str) -> Json:
    """An image that is complete."""
    image = announce(api, content, **more)
    for chunk in chunks(content):
        answer = put(api, newest(image)["upload_uri"], chunk)
        assert answer.status_code == 200, answer.text
    assert answer.json["complete"]
    return api.get(f"boot-resources/{image['id']}/").json


def path_of(ctx: Context, content: bytes) -> Path:
    return ctx.config.images / sha256(content) / "image"


@pytest.fixture
def elsewhere(ctx: Context, tmp_path: Path) -> Iterator[Context]:
    """Another region of the site, with a disk of its own."""
    config = replace(ctx.config, name="region2", images=tmp_path / "images2")
    config.images.mkdir()
    context = replace(Context.from_config(config), clock=ctx.clock)
    yield context
    context.close()


@pytest.fixture
def other_api(elsewhere: Context, api, admin_key: str):
    return type(api)(create_app(elsewhere.config, elsewhere).test_client(), admin_key)


@pytest.mark.usefixtures("upload_worker")
def test_what_is_sent_in_chunks_becomes_a_file(api, ctx, execute) -> None:
    image = announce(api, title="Web servers", filetype="txz", base_image="debian/bookworm")
    file = newest(image)
    assert (file["filename"], file["size"], file["complete"], file["progress"]) == ("root-txz", len(CONTENT), False, 0)
    parts = list(chunks())
    for chunk in parts[:-1]:
        answer = put(api, file["upload_uri"], chunk)
        assert (answer.status_code, answer.json["complete"]) == (200, False)
    assert answer.json["received"] == 3 * CHUNK
    ((longest,),) = execute("SELECT max(length(content)) FROM image_chunk")
    assert longest == PIECE_BYTES, "no more of a chunk than that is in memory"
    done = put(api, file["upload_uri"], parts[-1]).json
    assert done == {
        "filename": "root-txz",
        "filetype": "root-txz",
        "sha256": sha256(CONTENT),
        "size": len(CONTENT),
        "complete": True,
    }
    path = path_of(ctx, CONTENT)
    assert path.read_bytes() == CONTENT
    assert path.stat().st_mode & 0o777 == 0o644
    uploads.drop_pieces(ctx)
    assert execute("SELECT count(*) FROM image_chunk") == [(0,)]
    (listed,) = api.get("boot-resources/").json
    assert listed == {
        "id": image["id"],
        "type": "Uploaded",
        "name": "custom/web",
        "architecture": "amd64/generic",
        "subarches": "generic",
        "title": "Web servers",
        "base_image": "debian/bookworm",
        "resource_uri": f"/MAAS/api/2.0/boot-resources/{image['id']}/",
    }
    assert execute("SELECT count(*) FROM image") == [(0,)], "nothing that machines boot from the network"
    assert execute("SELECT level, username, description FROM event WHERE type = 'IMAGES' ORDER BY id") == [
        (20, "", f"Image custom/web is complete: {len(CONTENT)} bytes"),
    ]
    told = [event["description"] for event in api.get("events/?op=query&level=AUDIT").json["events"]]
    of_image = "custom/web (amd64/generic)"
    assert told[:2] == [f"Upload of {of_image} was begun", f"Image {of_image} was created"]


def test_each_chunk_may_go_to_another_region_and_any_makes_the_file(
    api, other_api, ctx, elsewhere, monkeypatch
) -> None:
    monkeypatch.setattr("rackyard.region.services.site.uploads.VERDICT_S", 0)
    uri = newest(announce(api))["upload_uri"]
    for number, chunk in enumerate(chunks()):
        assert put((api, other_api)[number % 2], uri, chunk).status_code == 200
    assert uploads.assemble(elsewhere)
    assert path_of(elsewhere, CONTENT).read_bytes() == CONTENT
    assert [entry.place for entry in images.missing(ctx)] == [f"{sha256(CONTENT)}/image"], "which it fetches"
    assert images.missing(elsewhere) == []


def test_another_region_takes_over_from_one_that_dies_over_a_file(api, ctx, elsewhere, monkeypatch) -> None:
    monkeypatch.setattr("rackyard.region.services.site.uploads.VERDICT_S", 0)
    uri = newest(announce(api, OTHER))["upload_uri"]
    assert not put(api, uri, OTHER).json["complete"]
    (elsewhere.config.images / ".upload-left").write_text("of a worker that was killed")
    with ctx.db.transaction() as tx:
        assert rows.take_arrived(tx) is not None
        assert not uploads.assemble(elsewhere), "somebody is at it"
    # What it held goes with its connection, also when it is killed.
    assert uploads.assemble(elsewhere)
    assert [path.name for path in elsewhere.config.images.iterdir()] == [sha256(OTHER)]


def test_region_that_cannot_write_the_file_leaves_it_to_others(api, ctx, elsewhere, monkeypatch) -> None:
    monkeypatch.setattr("rackyard.region.services.site.uploads.VERDICT_S", 0)
    uri = newest(announce(api, OTHER))["upload_uri"]
    put(api, uri, OTHER)
    elsewhere.config.images.rmdir()
    with pytest.raises(Unavailable, match=r"image custom/web was uploaded, .* cannot be written .*; make room there"):
        uploads.tend(elsewhere)
    uploads.tend(ctx)
    assert path_of(ctx, OTHER).read_bytes() == OTHER


@pytest.mark.usefixtures("upload_worker")
def test_another_content_than_announced_is_refused(api, ctx, execute) -> None:
    image = announce(api)
    uri = newest(image)["upload_uri"]
    forged = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    answers = [put(api, uri, chunk) for chunk in chunks(forged)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400]
    words = f"What was sent of image custom/web has the SHA-256 {sha256(forged)}, not {sha256(CONTENT)}."
    assert answers[-1].text == words
    assert newest(api.get(f"boot-resources/{image['id']}/").json)["refusal"] == words
    assert put(api, uri, b"more").text.startswith(words)
    assert list(ctx.config.images.iterdir()) == []
    uploads.drop_pieces(ctx)
    assert execute("SELECT count(*) FROM image_chunk") == [(0,)]
    assert newest(upload(api))["complete"], "announced again, it begins anew"


@pytest.mark.usefixtures("upload_worker")
def test_too_much_is_refused_whole(api) -> None:
    uri = newest(announce(api))["upload_uri"]
    parts = list(chunks())
    for chunk in parts[:-1]:
        put(api, uri, chunk)
    refused = put(api, uri, parts[-1] + b"x")
    assert refused.status_code == 400
    assert "2100000 of 2100005 bytes are there, and the chunk has 6; nothing of it was taken" in refused.text
    assert put(api, uri, parts[-1]).json["complete"]
    refused = put(api, uri, b"x")
    assert (refused.status_code, "file is complete" in refused.text) == (400, True)


def test_chunk_that_does_not_come_next_is_told_what_does(api) -> None:
    uri = newest(announce(api))["upload_uri"]
    assert put(api, uri, CONTENT[:10], start=0).status_code == 200
    for start in (0, 5, 20):
        refused = put(api, uri, CONTENT[:10], start=start)
        assert refused.status_code == 409
        assert f"begins at byte {start}, and 10 of {len(CONTENT)} bytes are there; go on from there" in refused.text
    assert put(api, uri, CONTENT[10:20], start=10).json["received"] == 20


def test_two_that_send_the_same_chunk_do_not_spoil_it(api, app, admin_key) -> None:
    uri = newest(announce(api))["upload_uri"]
    clients = [type(api)(app.test_client(), admin_key) for _number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda client: put(client, uri, CONTENT[:CHUNK], start=0).status_code, clients))
    assert sorted(answers) == [200, 409, 409, 409]


@pytest.mark.usefixtures("upload_worker")
def test_newer_upload_of_an_image_ends_the_one_under_way(api, execute) -> None:
    first, second = newest(announce(api))["upload_uri"], newest(announce(api))["upload_uri"]
    assert first != second
    refused = put(api, first, CONTENT[:CHUNK])
    assert (refused.status_code, "another upload of it was begun" in refused.text) == (404, True)
    answers = [put(api, second, chunk) for chunk in chunks()]
    assert answers[-1].json["complete"]
    assert execute("SELECT count(*) FROM image_upload") == [(1,)]


@pytest.mark.usefixtures("upload_worker")
def test_older_version_stays_until_the_new_one_is_complete(api, ctx, clock) -> None:
    image = upload(api)
    again = announce(api, OTHER)
    assert again["id"] == image["id"]
    assert [known["complete"] for _version, known in sorted(again["sets"].items())] == [True, False]
    done = upload(api, OTHER)
    assert (len(done["sets"]), newest(done)["sha256"]) == (1, sha256(OTHER))
    assert images.remove_unnamed(ctx, spared_s=inf) == [], "not at once"
    clock.advance(images.UPLOADED_SPARED_S + 60)
    assert images.remove_unnamed(ctx, spared_s=inf) == [sha256(CONTENT)]
    assert path_of(ctx, OTHER).exists()


@pytest.mark.usefixtures("upload_worker")
def test_content_that_is_there_is_complete_at_once(api, ctx, clock, execute) -> None:
    first = upload(api)
    assert announce(api, title="Same")["sets"] == first["sets"], "nothing new, but for its title"
    assert api.get("boot-resources/").json[0]["title"] == "Same"
    second = announce(api, name="custom/db")
    assert second["id"] != first["id"]
    assert (newest(second)["complete"], "upload_uri" in newest(second)) == (True, False)
    assert newest(announce(api, filetype="ddraw"))["filetype"] == "root-dd.raw"
    wrong = api.post("boot-resources/", data=announcement(CONTENT, size="12"))
    assert "is there, and has 2100005 bytes, not 12" in wrong.json["size"][0]
    clock.advance(3600)
    for image, left in ((first, []), (second, [sha256(CONTENT)])):
        assert api.delete(f"boot-resources/{image['id']}/").status_code == 204
        assert images.remove_unnamed(ctx, spared_s=inf) == left
    assert execute("SELECT count(*) FROM image_upload") == [(0,)]
    assert api.get(f"boot-resources/{first['id']}/").status_code == 404


@pytest.mark.usefixtures("upload_worker")
def test_content_that_was_lost_is_sent_again(api, ctx) -> None:
    upload(api)
    shutil.rmtree(path_of(ctx, CONTENT).parent)
    assert newest(upload(api))["complete"]
    assert path_of(ctx, CONTENT).read_bytes() == CONTENT


def test_upload_that_nobody_goes_on_with_is_given_up(api, ctx, clock, execute) -> None:
    uri = newest(announce(api))["upload_uri"]
    put(api, uri, CONTENT[:CHUNK])
    clock.advance(5 * 3600)
    put(api, uri, CONTENT[CHUNK : 2 * CHUNK])
    clock.advance(5 * 3600)
    uploads.tend(ctx)
    assert execute("SELECT received_bytes FROM image_upload") == [(2 * CHUNK,)], "the last chunk counts"
    clock.advance(2 * 3600)
    uploads.tend(ctx)
    assert execute("SELECT id FROM uploaded_image") == []
    assert execute("SELECT id FROM image_upload") == []
    assert execute("SELECT upload_id FROM image_chunk") == []
    assert put(api, uri, CONTENT[:CHUNK]).status_code == 404
    told = execute("SELECT level, description FROM event WHERE type = 'IMAGES' ORDER BY id DESC LIMIT 1")
    assert told == [(30, "The upload of image custom/web was given up: nothing has come for 6 hours")]


@pytest.mark.usefixtures("upload_worker")
def test_complete_version_survives_an_upload_that_is_given_up(api, ctx, clock) -> None:
    image = upload(api)
    announce(api, OTHER)
    clock.advance(7 * 3600)
    uploads.give_up(ctx)
    assert newest(api.get(f"boot-resources/{image['id']}/").json)["sha256"] == sha256(CONTENT)


def test_ids_are_unique_among_all_images(api, execute) -> None:
    register = (
        "INSERT INTO image (name, arch, suite, manifest, manifest_sha256, registered_at) "
        "VALUES (%s, 'amd64', 'bookworm', '{\"files\": []}', sha256(%s), now())"
    )
    for number in range(3):
        execute(register, (f"i{number}", f"{number}".encode()))
        announce(api, name=f"custom/{number}")
    listed = api.get("boot-resources/").json
    assert len({image["id"] for image in listed}) == 6
    for image in listed:
        assert api.get(f"boot-resources/{image['id']}/").json["name"] == image["name"]


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"name": ""}, "name", "required"),
        ({"name": "../etc"}, "name", "names no image"),
        ({"name": "a/b/c"}, "name", "names no image"),
        ({"name": "a b"}, "name", "names no image"),
        ({"architecture": "sparc"}, "architecture", "amd64/generic"),
        ({"filetype": "iso"}, "filetype", "use one of tgz, tbz"),
        ({"sha256": "abc"}, "sha256", "64 hexadecimal digits"),
        ({"sha256": ""}, "sha256", "required"),
        ({"size": "-1"}, "size", "not a whole number"),
        ({"size": "0"}, "size", "1 byte to 8192 MiB"),
        ({"size": str(8 * 2**30 + 1)}, "size", "largest_upload_mib"),
        ({"size": "9" * 18}, "size", "largest_upload_mib"),
        ({"base_image": "a b"}, "base_image", "names no image"),
        ({"title": "a\x07b"}, "title", "control characters"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(api, execute, given, field, words) -> None:
    refused = api.post("boot-resources/", data=announcement(CONTENT, **given))
    assert (refused.status_code, list(refused.json)) == (400, [field])
    assert words in refused.json[field][0]
    assert execute("SELECT count(*) FROM uploaded_image") == [(0,)]


def test_largest_image_is_a_setting(api) -> None:
    api.post("maas/?op=set_config", data={"name": "largest_upload_mib", "value": "1"})
    assert api.post("boot-resources/", data=announcement(CONTENT)).status_code == 400
    assert api.post("boot-resources/", data=announcement(OTHER)).status_code == 201


def test_file_for_which_there_is_no_room_is_refused(api, monkeypatch) -> None:
    """Of the disk; uploads that are under way count."""
    disk = namedtuple("disk", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: disk(2**40, 0, 512 * 2**20 + 3 * len(CONTENT)))
    announce(api)
    refused = api.post("boot-resources/", data=announcement(CONTENT, name="custom/db"))
    assert refused.status_code == 400
    assert "Region region1 has 519 MiB left for images, and needs 521" in refused.json["size"][0]
    assert newest(announce(api))["received"] == 0, "the one under way ends for it"


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"x", 400, "no part of a file"),
        ({"Content-Type": RAW}, b"", 400, "The chunk is empty"),
        ({"Content-Type": RAW, "Content-Range": "bytes 0-5/10"}, b"x", 400, "where the body belongs"),
        ({"Content-Type": RAW, "Content-Range": "lines 0-0/10"}, b"x", 400, "where the body belongs"),
        ({"Content-Type": RAW, "Content-Range": "nonsense"}, b"x", 400, "where the body belongs"),
        ({"Content-Type": RAW}, bytes(8 * 2**20 + 1), 413, "send at most 8388608 at once"),
    ],
)
def test_body_that_is_no_chunk_is_refused(api, headers, body, status, words) -> None:
    path = newest(announce(api))["upload_uri"].removeprefix("/MAAS/api/2.0/")
    refused = api.request("PUT", path, data=body, more=headers)
    assert (refused.status_code, words in refused.text) == (status, True), refused.text


def test_chunk_of_another_image_is_refused(api) -> None:
    one, two = announce(api), announce(api, name="custom/db")
    mixed = newest(one)["upload_uri"].replace(f"resources/{one['id']}/", f"resources/{two['id']}/")
    assert put(api, mixed, b"x").status_code == 404
