# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON of boot resources: images that machines boot from the network, and those that people upload."""

from __future__ import annotations

from typing import Any

from rackyard.region.api.shapes import ROOT, moment
from rackyard.region.db.site.images import Image
from rackyard.region.db.site.uploads import Upload, UploadedImage
from rackyard.region.services.site import images
from rackyard.region.services.site.images import ImageFile
from rackyard_core import filetypes

# MAAS's names of what an image consists of; a loader has none there.
_ROLES = {"kernel": "boot-kernel", "initrd": "boot-initrd", "squashfs": "squashfs"}


def registered(known: Image) -> dict[str, Any]:
    """An image that machines boot."""
    return {
        **_common(known.id, known.name, f"{known.arch}/generic"),
        "title": known.suite,
        "is_default": known.is_default,
        "is_current": known.is_current,
        "manifest_sha256": known.manifest_sha256,
        "registered_at": moment(known.registered_at),
    }


def registered_with_files(known: Image) -> dict[str, Any]:
    """The same with what it consists of, as MAAS shows it and as the manifest has it."""
    files = [_registered_file(entry) for entry in images.files(known.manifest)]
    version = f"{known.registered_at:%Y%m%d}.{known.id:012d}"
    return {
        **registered(known),
        "sets": {version: _set(version, "ephemeral", files, complete=True)},
        "manifest": known.manifest,
    }


def uploaded(known: UploadedImage) -> dict[str, Any]:
    """An image that somebody uploaded."""
    return {
        **_common(known.id, known.name, known.architecture),
        "title": known.title,
        "base_image": known.base_image,
    }


def uploaded_with_files(known: UploadedImage) -> dict[str, Any]:
    """The same with its uploads: sets, the newest of which has the highest version as a text."""
    sets = {}
    for each in known.uploads:
        version = f"{each.created_at:%Y%m%d}.{each.id:012d}"
        sets[version] = _set(version, "uploaded", [upload(each)], complete=each.is_complete)
    return {**uploaded(known), "sets": sets}


def upload(known: Upload) -> dict[str, Any]:
    """The file of an upload; where to send it and how much there is, as long as it is not complete."""
    name = filetypes.FILES[known.filetype]
    shown: dict[str, Any] = {
        "filename": name,
        "filetype": name,
        "sha256": known.sha256,
        "size": known.size_bytes,
        "complete": known.is_complete,
    }
    if not known.is_complete:
        shown |= {
            "progress": round(100 * known.received_bytes / known.size_bytes, 2),
            "received": known.received_bytes,
            "refusal": known.refusal,
            "upload_uri": f"{ROOT}/boot-resources/{known.image_id}/upload/{known.id}/",
        }
    return shown


def _common(image_id: int, name: str, architecture: str) -> dict[str, Any]:
    return {
        "id": image_id,
        "type": "Uploaded",
        "name": name,
        "architecture": architecture,
        "subarches": architecture.partition("/")[2],
        "resource_uri": f"{ROOT}/boot-resources/{image_id}/",
    }


def _registered_file(entry: ImageFile) -> dict[str, Any]:
    return {
        "filename": entry.name,
        "filetype": _ROLES.get(entry.role, entry.role),
        "sha256": entry.sha256,
        "size": entry.size_bytes,
        "complete": True,
    }


def _set(version: str, label: str, files: list[dict[str, Any]], *, complete: bool) -> dict[str, Any]:
    return {
        "version": version,
        "label": label,
        "size": sum(file["size"] for file in files),
        "complete": complete,
        "files": {file["filename"]: file for file in files},
    }
