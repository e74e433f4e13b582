# SPDX-License-Identifier: GPL-3.0-or-later
"""`op=download` of the results of a boot: what scripts said, as files."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Mapping

from flask import Response

from rackyard.region.api import nodes
from rackyard.region.api.dispatch import Call
from rackyard.region.api.takes import Kind
from rackyard.region.db.machines.results import ScriptResult
from rackyard.region.errors import Invalid
from rackyard.region.services.site import validation

# What a script said, by the end of its file's name; MAAS's `combined` is what stdout and stderr said in turn.
_OUTPUTS: Mapping[str, tuple[str, Callable[[ScriptResult], bytes | None]]] = {
    "combined": (".out", lambda known: known.output),
    "stdout": (".stdout", lambda known: known.stdout),
    "stderr": (".stderr", lambda known: known.stderr),
    "result": (".yaml", lambda known: known.result),
}
_ALL, _TEXT, _TAR = "all", "txt", "tar.xz"


@nodes.one_result.read("download", takes={"output": Kind.TEXT, "filters": Kind.WORDS, "filetype": Kind.TEXT})
def download_result(call: Call, system_id: str, boot_id: int) -> Response:
    """What scripts said in one boot: `output` is combined (of itself), stdout, stderr, result or all; `filters` names
    the scripts, all by default; `filetype` is txt, one text in which each file follows its name, or tar.xz."""
    output, filetype = call.params.text("output") or "combined", call.params.text("filetype") or _TEXT
    _one_of("output", output, (*_OUTPUTS, _ALL))
    _one_of("filetype", filetype, (_TEXT, _TAR))
    known = nodes.boot_results(call, system_id, boot_id, with_output=True).results
    wanted = call.params.words("filters")
    names = {result.name for result in known}
    unknown = sorted(set(wanted or ()) - names)
    if unknown:
        shown = ", ".join(validation.shown(name) for name in unknown[:10])
        raise Invalid.field("filters", f"There is no script {shown}; there are {', '.join(sorted(names)) or 'none'}.")
    files = list(_files([result for result in known if not wanted or result.name in wanted], output))
    name = f"{system_id}-{boot_id}"
    if filetype == _TAR:
        return _attached(_tar(name, files), f"{name}.{_TAR}", "application/x-tar")
    return _attached(_text(files), f"{name}.{_TEXT}", "text/plain")


def _files(results: Iterable[ScriptResult], output: str) -> Iterable[tuple[str, bytes]]:
    for result in results:
        for kind, (suffix, said) in _OUTPUTS.items():
            content = said(result)
            if output in (kind, _ALL) and content:
                yield result.name + suffix, content


def _text(files: Iterable[tuple[str, bytes]]) -> bytes:
    """One file by itself is as it was; of several, each follows a line with its name."""
    known = list(files)
    if len(known) == 1:
        return known[0][1]
    return b"\n".join(b"==> %s <==\n%s" % (name.encode(), content) for name, content in known)


def _tar(folder: str, files: Iterable[tuple[str, bytes]]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:xz") as archive:
        for name, content in files:
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _attached(content: bytes, name: str, mimetype: str) -> Response:
    response = Response(content, mimetype=mimetype)
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _one_of(field: str, text: str, known: Iterable[str]) -> None:
    if text not in known:
        raise Invalid.field(field, f"{validation.shown(text)} is none of {', '.join(known)}.")
