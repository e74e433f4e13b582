# SPDX-License-Identifier: GPL-3.0-or-later
"""`boot-resources/`: images that machines boot from the network, and those that people upload in chunks."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request
from werkzeug.http import parse_content_range_header

from rackyard.region.api import image_shapes
from rackyard.region.api.dispatch import Call, RawResource, Resource
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.errors import BadRequest
from rackyard.region.services.site import images, uploads
from rackyard.region.services.site.uploads import Chunk, Wish

image_collection = Resource("/boot-resources/", "BootResources", "All images.")
one_image = Resource("/boot-resources/<int:image_id>/", "BootResource", "One image.", image_id="id")
one_upload = RawResource(
    "/boot-resources/<int:image_id>/upload/<int:upload_id>/", "BootResourceFileUpload", "The file of an image.",
    image_id="resource_id", upload_id="id",
)  # fmt: skip

_FILE: Takes = {
    "name": Kind.TEXT,
    "architecture": Kind.TEXT,
    "filetype": Kind.TEXT,
    "sha256": Kind.TEXT,
    "size": Kind.INTEGER,
    "title": Kind.TEXT,
    "base_image": Kind.TEXT,
}
_BYTES = "application/octet-stream"


@image_collection.read()
def list_images(call: Call) -> list[dict[str, Any]]:
    """Every image: those that machines boot from the network, then those that were uploaded."""
    registered = [image_shapes.registered(image) for image in images.list_all(call.ctx)]
    return registered + [image_shapes.uploaded(image) for image in uploads.list_all(call.ctx)]


@image_collection.read("is_importing")
def is_importing(_call: Call) -> bool:
    """False: images are built or uploaded, never imported from an index."""
    return False


@image_collection.create(takes=_FILE)
def announce_file(call: Call) -> Response:
    """Announce the file of an image; the newest of its sets says where to send it (upload_uri).

    It says complete at once when the region has a file with that SHA-256."""
    params = call.params
    wish = Wish(
        name=params.text("name"),
        architecture=params.text("architecture"),
        filetype=params.text("filetype"),
        sha256=params.text("sha256"),
        size_bytes=params.integer("size"),
        title=params.text("title"),
        base_image=params.text("base_image"),
    )
    made = uploads.create(call.ctx, call.actor, wish)
    # MAAS says 201 too.
    answer = jsonify(image_shapes.uploaded_with_files(made))
    answer.status_code = 201
    return answer


@one_image.read()
def read_image(call: Call, image_id: int) -> dict[str, Any]:
    """One image with its files."""
    uploaded = uploads.find(call.ctx, image_id)
    if uploaded is not None:
        return image_shapes.uploaded_with_files(uploaded)
    return image_shapes.registered_with_files(images.read(call.ctx, image_id))


@one_image.delete()
def delete_image(call: Call, image_id: int) -> None:
    """Forget an image; one that machines boot from the network stays."""
    images.remove(call.ctx, call.actor, image_id)


@one_upload.update()
def receive_chunk(call: Call, image_id: int, upload_id: int) -> dict[str, Any]:
    """Send the next bytes of the file, as they are (application/octet-stream), at most 8 MiB.

    With Content-Range the region refuses bytes that do not come next, so that one may send a chunk again."""
    return image_shapes.upload(uploads.receive(call.ctx, call.actor, image_id, upload_id, _chunk()))


def _chunk() -> Chunk:
    size_bytes = request.content_length or 0
    if request.mimetype not in ("", _BYTES):
        raise BadRequest(f"A body of {request.mimetype[:80]} is no part of a file; send the bytes as {_BYTES}.")
    if "Content-Range" not in request.headers:
        return Chunk(request.stream, size_bytes)
    given = parse_content_range_header(request.headers["Content-Range"])
    if given is None or given.units != "bytes" or given.start is None or given.stop != given.start + size_bytes:
        raise BadRequest("The Content-Range does not say where the body belongs; write bytes START-END/SIZE.")
    return Chunk(request.stream, size_bytes, given.start)
