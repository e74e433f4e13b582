# SPDX-License-Identifier: GPL-3.0-or-later
"""`files/` and `files/<filename>/`: what programs keep here, each for its account. A file's own key opens it to anybody
who knows it, without an account."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import quote

from flask import Response

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind
from rackyard.region.db.site.files import ListedFile, StoredFile
from rackyard.region.errors import Invalid
from rackyard.region.services.site import files

# A file of 10 MiB in base64, in lines, with room for the names of the parts.
MAX_BODY_BYTES = 15 * 1024 * 1024

collection = Resource("/files/", "Files", "The files of whoever asks.", max_body_bytes=MAX_BODY_BYTES)
one = Resource("/files/<filename>/", "File", "One file of whoever asks.")


@collection.read(takes={"prefix": Kind.TEXT})
def list_files(call: Call) -> list[dict[str, Any]]:
    """One's own files by name, without what is in them; those whose names begin with `prefix`."""
    return [_shape(file) for file in files.list_own(call.ctx, call.actor, call.params.text("prefix") or "")]


@collection.create(takes={"filename": Kind.TEXT, "file": Kind.FILE})
def store_file(call: Call) -> Response:
    """Keep `file` by the name `filename`; one of this name is replaced."""
    content = call.params.file("file")
    if content is None:
        raise Invalid.field("file", "What shall be in it is missing; send it as the part `file` of a form.")
    files.put_own(call.ctx, call.actor, call.params.text("filename") or "", content)
    return Response("", status=201, mimetype="text/plain")


@collection.delete(takes={"filename": Kind.TEXT})
def delete_named_file(call: Call) -> None:
    """Remove the file `filename`."""
    files.delete_own(call.ctx, call.actor, call.params.text("filename") or "")


@collection.read("get", takes={"filename": Kind.TEXT})
def get_file(call: Call) -> Response:
    """What is in the file `filename`, as it is."""
    return _content(files.read_own(call.ctx, call.actor, call.params.text("filename") or ""))


@collection.read("get_by_key", takes={"key": Kind.TEXT}, is_open=True)
def get_file_by_key(call: Call) -> Response:
    """What is in the file that has this `key`, as it is: for anybody, as `anon_resource_uri` says."""
    return _content(files.read_by_key(call.ctx, call.params.text("key") or ""))


@one.read()
def read_file(call: Call, filename: str) -> dict[str, Any]:
    """One file, with what is in it as `content` in base64."""
    file = files.read_own(call.ctx, call.actor, filename)
    return {**_shape(file), "content": base64.b64encode(file.content).decode()}


@one.delete()
def delete_file(call: Call, filename: str) -> None:
    """Remove a file."""
    files.delete_own(call.ctx, call.actor, filename)


def _shape(file: ListedFile | StoredFile) -> dict[str, Any]:
    return {
        "filename": file.name,
        "anon_resource_uri": f"{ROOT}/files/?op=get_by_key&key={file.key}",
        "resource_uri": f"{ROOT}/files/{quote(file.name)}/",
    }


def _content(file: StoredFile) -> Response:
    """Nothing that a browser would show as a page of this region, whatever it is."""
    headers = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"}
    return Response(file.content, mimetype="application/octet-stream", headers=headers)
