# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: Rackyard contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Controller side of code_tree: hash the trees here, transfer one archive only when the host lacks it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

HASH_CHARACTERS = 10


def read_sources(sources: dict[str, str]) -> dict[str, bytes]:
    """File contents by path inside the release. Raises AnsibleActionFail for a source that is not there or empty."""
    contents = {}
    for name, root in sources.items():
        before = len(contents)
        for folder, subfolders, files in os.walk(root, followlinks=True):
            subfolders[:] = [entry for entry in subfolders if entry != "__pycache__" and not entry.startswith(".")]
            for file_name in files:
                if file_name.startswith(".") or file_name.endswith(".pyc"):
                    continue
                path = os.path.join(folder, file_name)
                with open(path, "rb") as file:
                    contents[os.path.join(name, os.path.relpath(path, root))] = file.read()
        if len(contents) == before:
            raise AnsibleActionFail(f"{root} holds no files; install the collection again, or correct `sources`")
    return contents


def make_manifest(contents: dict[str, bytes]) -> dict[str, str]:
    """Hash and mode by path. A file that starts as a script is executable."""
    manifest = {}
    for path, content in sorted(contents.items()):
        mode = "0755" if content.startswith(b"#!") else "0644"
        manifest[path] = f"{hashlib.sha256(content).hexdigest()} {mode}"
    return manifest


def release_name(version: str, manifest: dict[str, str]) -> str:
    """Version and content hash, as a local version (PEP 440)."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return f"{version}+{digest[:HASH_CHARACTERS]}"


def make_archive(contents: dict[str, bytes]) -> bytes:
    """The contents as a compressed tar."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=6) as archive:
        for path, content in sorted(contents.items()):
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


class ActionModule(ActionBase):
    """Ask the host what it has; send what it lacks."""

    _supports_check_mode = True
    _supports_diff = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module once to compare, and once more with the archive when something is missing."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        contents = read_sources(arguments.get("sources") or {})
        manifest = make_manifest(contents)
        arguments["manifest"] = manifest
        arguments["release"] = release_name(str(arguments.get("version", "")), manifest)

        result = self._call(arguments, task_vars)
        if result.get("archive_needed") and not self._task.check_mode and not result.get("failed"):
            arguments["archive"] = self._send(make_archive(contents))
            result = self._call(arguments, task_vars)
            self._remove_tmp_path(self._connection._shell.tmpdir)
        result.pop("invocation", None)
        return result

    def _call(self, arguments: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        result: dict[str, Any] = self._execute_module(
            module_name="rackyard.metal.code_tree", module_args=arguments, task_vars=task_vars
        )
        return result

    def _send(self, archive: bytes) -> str:
        remote_folder = self._connection._shell.tmpdir or self._make_tmp_path()
        with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
            file.write(archive)
            file.flush()
            return str(self._transfer_file(file.name, self._connection._shell.join_path(remote_folder, "code.tar.gz")))
