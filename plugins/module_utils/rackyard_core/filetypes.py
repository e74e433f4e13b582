# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Types of images that can be uploaded, in MAAS's words: tarballs of a root file system, and disks (dd…)."""

from __future__ import annotations

from collections.abc import Mapping

# What the file of each type is called in MAAS.
FILES: Mapping[str, str] = {
    "tgz": "root-tgz",
    "tbz": "root-tbz",
    "txz": "root-txz",
    "ddtgz": "root-dd",
    "ddtbz": "root-dd.tar.bz2",
    "ddtxz": "root-dd.tar.xz",
    "ddtar": "root-dd.tar",
    "ddbz2": "root-dd.bz2",
    "ddgz": "root-dd.gz",
    "ddxz": "root-dd.xz",
    "ddraw": "root-dd.raw",
}
# The longest first: .dd.tar.gz ends like .tar.gz.
_SUFFIXES = (
    ("ddtgz", (".dd.tar.gz", ".dd.tgz")),
    ("ddtbz", (".dd.tar.bz2", ".dd.tbz")),
    ("ddtxz", (".dd.tar.xz", ".dd.txz")),
    ("ddtar", (".dd.tar",)),
    ("tgz", (".tar.gz", ".tgz")),
    ("tbz", (".tar.bz2", ".tbz", ".tbz2")),
    ("txz", (".tar.xz", ".txz")),
    ("ddgz", (".dd.gz", ".raw.gz", ".img.gz")),
    ("ddbz2", (".dd.bz2", ".raw.bz2", ".img.bz2")),
    ("ddxz", (".dd.xz", ".raw.xz", ".img.xz")),
    ("ddraw", (".dd", ".raw", ".img")),
)


def of_name(file_name: str) -> str | None:
    """The type that the end of a file's name says, as packer-maas and others name them; None when it says none."""
    lower = file_name.lower()
    return next((filetype for filetype, suffixes in _SUFFIXES if lower.endswith(suffixes)), None)
