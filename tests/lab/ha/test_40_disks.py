# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks that are full, and a name server's journal that is damaged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gaps import until
from ha_site import RACKS, HaLab
from lab_site import eventually

CACHE = "/var/cache/nginx/rackyard"
JOURNAL = "/var/lib/bind/rackyard.internal.zone.jnl"

# Fetches sys.argv[1] from each of the racks sys.argv[2:], in turn and from where the one before left off, as a machine
# does; prints bytes by rack, and the SHA-256 of all of it.
FETCH = r"""
import hashlib, http.client, sys, urllib.error, urllib.request
digest, at, counts = hashlib.sha256(), 0, []
for rack in sys.argv[2:]:
    request = urllib.request.Request(f"http://{rack}:5248{sys.argv[1]}", headers={"Range": f"bytes={at}-"})
    before = at
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            while block := answer.read1(1 << 20):
                digest.update(block)
                at += len(block)
    except (OSError, http.client.HTTPException):
        pass
    counts.append(at - before)
print(*counts, digest.hexdigest())
"""


@contextmanager
def disk_of_cache(lab: HaLab, size_mib: int) -> Iterator[None]:
    """rack1's cache is empty, and on a disk of its own."""
    mount = f"mount -t tmpfs -o size={size_mib}m,mode=0700,uid=www-data,gid=www-data tmpfs {CACHE}"
    lab.ssh("rack1", f"{mount} && systemctl restart nginx")
    try:
        yield
    finally:
        lab.ssh("rack1", f"systemctl stop nginx; umount {CACHE}; systemctl start nginx")


def system_images(lab: HaLab) -> dict[str, tuple[str, int]]:
    """SHA-256 and size of each system that machines fetch, by its path at a rack."""
    found = lab.ssh("region1", "cd /var/lib/rackyard/images && sha256sum */*.squashfs && stat -c '%s' */*.squashfs")
    lines = found.splitlines()
    pairs = zip(lines[: len(lines) // 2], lines[len(lines) // 2 :], strict=True)
    return {f"/images/{line.split()[1]}": (line.split()[0], int(size)) for line, size in pairs}


def fetched(lab: HaLab, path: str, *racks: str) -> tuple[list[int], str]:
    """Bytes that each rack gave, and the SHA-256 of all of them."""
    *counts, digest = lab.ssh(
        "rack2", f"python3 - {path} {' '.join(RACKS[each] for each in racks)}", stdin=FETCH
    ).split()
    return [int(each) for each in counts], digest


def test_system_is_had_whole_though_a_racks_cache_cannot_hold_it(lab: HaLab) -> None:
    path, (digest, size) = next(iter(system_images(lab).items()))
    with disk_of_cache(lab, 40):
        (from_rack1, from_rack2), got = fetched(lab, path, "rack1", "rack2")
    lost = f"{(size - from_rack1) / size:.0%} of what rack1 was asked for, which rack2 gave"
    lab.note("cache-full", f"disk of rack1's image cache full (system of {size >> 20} MiB)", lost, {})
    assert (got, from_rack1 + from_rack2) == (digest, size)


def test_images_that_are_kept_give_way_to_the_one_that_is_asked_for(lab: HaLab) -> None:
    images = system_images(lab)
    assert len(images) > 1
    largest = max(size for _digest, size in images.values()) >> 20
    with disk_of_cache(lab, largest * 3 // 2):
        for path, (digest, size) in images.items():
            assert fetched(lab, path, "rack1") == ([size], digest)
            assert eventually(lambda: "0" in lab.ssh("rack1", f"find {CACHE} -type f | wc -l").split(), within_s=40)
    lab.note("cache-small", "a disk that holds one system on rack1", "the image that was kept", {})


def test_names_come_back_after_a_journal_was_damaged(lab: HaLab) -> None:
    lab.ssh("region2", f"test -s {JOURNAL}")
    damage = f"head -c 200 /dev/urandom | dd of={JOURNAL} bs=1 seek=70 conv=notrunc status=none"
    lab.ssh("region2", f"systemctl kill --signal=KILL named; {damage}; systemctl restart named")
    seen = until({"named again": lambda: lab.named(*RACKS)}, within_s=90)
    lab.note("journal", "region2's named killed, its journal overwritten", "names at region2 meanwhile", seen)
    assert seen
