# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk that was used before: RAID, LVM, bcache, swap and a file system that a careless system would write to.

``used_disk.bin`` holds the blocks that are not zero: zlib over entries of 8 bytes of offset (little endian) and 4096
bytes of content. Seven partitions of 64 MiB, first at 1 MiB: two halves of a RAID1 (md superblock 1.2, the kernel's
include/uapi/linux/raid/md_p.h, never synchronised and different, so that whoever assembles it starts a resync), an LVM
physical volume with a volume group (pvcreate, vgcreate of lvm2 2.03), a bcache backing and a bcache cache device
attached to each other (make-bcache --bucket 16k of bcache-tools 1.0.8), swap (mkswap), ext4 (mke2fs).
"""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

MIB = 1 << 20
BLOCK = 4096
PARTITION_MIB = 64
RAID, LVM, LINUX, SWAP = (
    "A19D880F-05FC-4D3B-A006-743F0F84911E",
    "E6D6D379-F507-44C2-A23C-238F2A3DF928",
    "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
    "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F",
)
TYPES = (RAID, RAID, LVM, LINUX, LINUX, SWAP, LINUX)


def write(image: Path, size_mib: int) -> None:
    """Make ``image`` a raw disk of that size which was used before."""
    with image.open("wb") as disk:
        disk.truncate(size_mib * MIB)
    table = "label: gpt\n" + "".join(f",{PARTITION_MIB}M,{kind}\n" for kind in TYPES)
    subprocess.run(["sfdisk", "--quiet", str(image)], input=table, text=True, check=True)
    packed = zlib.decompress(Path(__file__).with_suffix(".bin").read_bytes())
    with image.open("r+b") as disk:
        for at in range(0, len(packed), 8 + BLOCK):
            disk.seek(int.from_bytes(packed[at : at + 8], "little"))
            disk.write(packed[at + 8 : at + 8 + BLOCK])
