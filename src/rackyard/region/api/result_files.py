# SPDX-License-Identifier: GPL-3.0-or-later
"""What scripts said, as files: one text, or an archive."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from types import MappingProxyType

from flask import Response

from rackyard.region.db.machines.results import ScriptResult
from rackyard.region.errors import Invalid
from rackyard.region.services.machines.results import ResultSet
from rackyard.region.services.site import validation

# By MAAS's names of them: which of a script's words, and how its file ends.
OUTPUTS: Mapping[str, str] = MappingProxyType({"combined": "txt", "stdout": "out", "stderr": "err", "result": "yaml"})
ALL = "all"
FILETYPES = ("txt", "tar.xz")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]")


def answer(known: ResultSet, output: str, filetype: str) -> Response:
    """The outputs of these results, those that are not empty. Raises Invalid for what there is not."""
    if output not in (*OUTPUTS, ALL):
        raise Invalid.field("output", f"{validation.shown(output)} is none; use one of {', '.join((*OUTPUTS, ALL))}.")
    if filetype not in FILETYPES:
        raise Invalid.field("filetype", f"{validation.shown(filetype)} is none; use one of {', '.join(FILETYPES)}.")
    files = dict(_files(known, tuple(OUTPUTS) if output == ALL else (output,)))
    name = f"results-{known.boot_id}"
    if filetype == "txt":
        return _attachment(_text(files), f"{name}.txt", "text/plain")
    return _attachment(_archive(files, name), f"{name}.tar.xz", "application/x-tar")


def _files(known: ResultSet, outputs: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for result in known.results:
        for output in outputs:
            content = _said(result, output)
            if content:
                yield f"{_NOT_IN_NAMES.sub('_', result.name)}.{OUTPUTS[output]}", content


def _said(result: ScriptResult, output: str) -> bytes:
    said = {"combined": result.output, "stdout": result.stdout, "stderr": result.stderr, "result": result.result}
    return bytes(said[output] or b"")


def _text(files: Mapping[str, bytes]) -> bytes:
    """One file as it is; several each below its name."""
    if len(files) == 1:
        return next(iter(files.values()))
    return b"".join(b"%s\n# %s\n%s\n%s\n" % (b"-" * 80, name.encode(), b"-" * 80, said) for name, said in files.items())


def _archive(files: Mapping[str, bytes], folder: str) -> bytes:
    made = io.BytesIO()
    # Somebody waits while it is compressed.
    with tarfile.open(fileobj=made, mode="w:xz", preset=1) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def _attachment(content: bytes, name: str, mimetype: str) -> Response:
    response = Response(content, mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
