# SPDX-License-Identifier: GPL-3.0-or-later
"""Posts of machines that wait on a rack: in order, within limits, never half."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from rackyard.daemons import files
from rackyard.rack import machine_posts
from rackyard.rack.machine_posts import MIB, MachinePosts, NoRoom, Post, summary

ONE, OTHER = "1" * 32, "2" * 32


def post(number: int, boot_id: str = ONE, body: bytes = b"--x\r\n\x00\n", final: bool = False) -> Post:
    return Post(
        key=f"{number:032x}", taken_at="2026-01-02T03:04:05+00:00", boot_id=boot_id, hostname="m1",
        path="/MAAS/metadata/2012-03-01/", content_type="multipart/form-data; boundary=x", address="10.20.0.101",
        final=final, authorization="OAuth hush-hush", body=body,
    )  # fmt: skip


@pytest.fixture
def posts(tmp_path: Path) -> MachinePosts:
    found = MachinePosts(tmp_path)
    assert found.own()
    return found


def drain(posts: MachinePosts, boot_id: str = ONE) -> list[Post | None]:
    found = []
    while posts.waits(boot_id):
        name, one = posts.first(boot_id)
        found.append(one)
        posts.done(boot_id, name)
    return found


def test_posts_come_back_in_order_and_to_the_byte_also_in_another_life(posts: MachinePosts, tmp_path: Path) -> None:
    sent = [post(number, body=os.urandom(50)) for number in (3, 1, 2)]
    for each in sent:
        posts.append(each)
    posts.append(post(9, OTHER, final=True))
    os.close(posts._owner)
    later = MachinePosts(tmp_path)
    assert later.own()
    assert sorted(later.boots()) == [ONE, OTHER]
    assert (later.ended(ONE), later.ended(OTHER)) == (False, True)
    later.append(post(4))
    assert drain(later) == [*sent, post(4)]
    assert not (tmp_path / ONE).exists()
    assert "hush" not in repr(post(1))


def test_only_one_process_owns_the_directory(posts: MachinePosts, tmp_path: Path) -> None:
    ask = "import sys, pathlib; from rackyard.rack.machine_posts import MachinePosts as M; "
    ask += "print(M(pathlib.Path(sys.argv[1])).own())"
    environment = {**os.environ, "PYTHONPATH": ":".join(path for path in sys.path if path)}
    command = [sys.executable, "-c", ask, str(tmp_path)]
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "False\n"
    os.close(posts._owner)
    assert subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout == "True\n"


def test_files_are_for_the_boot_service_only(posts: MachinePosts, tmp_path: Path) -> None:
    posts.append(post(1))
    (path,) = (tmp_path / ONE).iterdir()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("MAX_BOOT_POSTS", 2, "more than 2 posts of m1 would wait"),
        ("MAX_BOOT_BYTES", 900, "more than 900 bytes of m1 would wait"),
        ("MAX_POSTS", 2, "more than 2 posts would wait"),
        ("MAX_BYTES", 900, "more than 900 bytes would wait"),
    ],
)
def test_limit_is_kept_and_there_is_room_again_when_something_went(
    posts: MachinePosts, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, words: str
) -> None:
    monkeypatch.setattr(machine_posts, limit, value)
    for number in (1, 2):
        posts.append(post(number))
    with pytest.raises(NoRoom, match=words):
        posts.append(post(3))
    posts.done(ONE, posts.first(ONE)[0])
    posts.append(post(3))
    assert [each and each.key for each in drain(posts)] == [post(2).key, post(3).key]


def test_limits_of_one_machine_are_not_those_of_another(posts: MachinePosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_posts, "MAX_BOOT_POSTS", 1)
    posts.append(post(1))
    posts.append(post(2, OTHER))
    with pytest.raises(NoRoom):
        posts.append(post(3))


def test_one_post_may_not_be_larger_than_what_a_region_takes(posts: MachinePosts) -> None:
    posts.append(post(1, body=b"x" * (5 * MIB)))
    with pytest.raises(NoRoom, match="bytes in one post"):
        posts.append(post(2, body=b"x" * (5 * MIB + 1)))


def test_disk_is_never_filled(posts: MachinePosts, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage(0, 0, 256 * MIB))
    with pytest.raises(NoRoom, match="less than 256 MiB free; make room on that disk"):
        posts.append(post(1))


def test_post_that_could_not_be_written_does_not_wait(
    posts: MachinePosts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def full(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(files.os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            posts.append(post(1))
    assert not posts.waits(ONE)
    assert not (tmp_path / ONE).exists()
    posts.append(post(2))
    assert drain(posts) == [post(2)]


def test_damaged_post_is_told_and_holds_up_nothing(posts: MachinePosts, tmp_path: Path) -> None:
    posts.append(post(1))
    posts.append(post(2))
    first = min((tmp_path / ONE).iterdir())
    first.write_bytes(b"{")
    name, one = posts.first(ONE)
    assert (name, one) == (first.name, None)
    posts.refuse(ONE, name, "m1", "the file is damaged")
    assert drain(posts) == [post(2)]


def test_refused_posts_are_counted_with_their_reasons_and_the_oldest_go(
    posts: MachinePosts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(machine_posts, "MAX_REFUSED", 2)
    for number in range(4):
        posts.append(post(number))
        if number < 3:
            posts.refuse(ONE, posts.first(ONE)[0], "m1", f"HTTP 400: reason {number}")
    assert summary(tmp_path) == {
        "waiting": 1, "refused": 2, "reasons": ["m1: HTTP 400: reason 1", "m1: HTTP 400: reason 2"],
    }  # fmt: skip


def test_summary_of_what_a_hostile_boot_service_left_is_harmless(tmp_path: Path) -> None:
    aside = tmp_path / "refused"
    aside.mkdir()
    name = f"{1:020d}-{1:032x}-post"
    (aside / name).write_bytes(b"")
    (tmp_path / "secret").write_text('{"hostname": "m1", "reason": "of the agent"}')
    (aside / f"{name}.json").symlink_to(tmp_path / "secret")
    assert summary(tmp_path) == {"waiting": 0, "refused": 1, "reasons": []}
    assert summary(tmp_path / "nowhere") == {"waiting": 0, "refused": 0, "reasons": []}
