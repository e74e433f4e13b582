# SPDX-License-Identifier: GPL-3.0-or-later
"""Metadata that a rack keeps: sealed, only with its key, only while its boot lasts."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from kept_boots import ADDRESS, IDLE_MAC, MAC, ONE, OTHER, OTHERS_MAC, RACKS_NAME, answer

from rackyard.rack.boot_cache import BootCache
from rackyard.rack.boot_index import BootIndex
from rackyard.rack.boot_keeper import BootKeeper
from rackyard.rack.errors import RegionAway, RegionRefused


@pytest.fixture
def cache(tmp_path: Path) -> BootCache:
    (tmp_path / "sealed").mkdir()
    (tmp_path / "keys").mkdir()
    return BootCache(tmp_path / "sealed", tmp_path / "keys")


def test_boot_is_found_by_its_id_and_by_its_credentials(cache: BootCache) -> None:
    cache.put(answer())
    cache.put(answer(OTHER, hostname="m2"))
    by_id, by_token = cache.by_id(ONE), cache.by_token("token2222")
    assert by_id is not None
    assert (by_id.hostname, by_id.documents["user-data"]) == ("m1", b"user-data")
    assert by_token is not None
    assert by_token.hostname == "m2"
    assert by_id.signed_by("consumer", "hush-hush")
    for wrong in (("consumer", "hush"), ("other", "hush-hush"), ("", "")):
        assert not by_id.signed_by(*wrong)
    assert cache.by_token("token") is None
    assert cache.by_id("../" + ONE) is None
    assert "hush" not in repr(by_id)


def test_disk_has_nothing_that_can_be_read_without_the_key(cache: BootCache, tmp_path: Path) -> None:
    cache.put(answer(hostname="sealed-machine"))
    (sealed,) = (tmp_path / "sealed").iterdir()
    content = sealed.read_bytes()
    for word in (b"hush", b"consumer", b"preseed", b"machine", b"10.20.0.101"):
        assert word not in content
    (key,) = (tmp_path / "keys").iterdir()
    assert (sealed.stat().st_mode & 0o777, key.stat().st_mode & 0o777) == (0o640, 0o640)
    key.unlink()  # the host was restarted
    assert cache.by_id(ONE) is None
    cache.drop_others({ONE})
    assert not list((tmp_path / "sealed").iterdir()), "what nobody can open goes"


def test_boot_that_is_over_is_not_here(cache: BootCache, tmp_path: Path) -> None:
    cache.put(answer(ends_in_s=-1))
    assert cache.by_id(ONE) is cache.by_token("token1111") is None
    cache.put(answer(OTHER))
    cache.drop_others({OTHER})
    assert [path.name for path in (tmp_path / "sealed").iterdir()] == [OTHER]
    assert len(cache) == 1


@pytest.mark.parametrize("content", [b"", b"torn"])
def test_damaged_file_is_as_if_it_were_not_there(cache: BootCache, tmp_path: Path, content: bytes) -> None:
    cache.put(answer())
    (tmp_path / "sealed" / ONE).write_bytes(content)
    assert cache.by_id(ONE) is None
    cache.put(answer())
    assert cache.by_id(ONE) is not None


@pytest.fixture
def index(tmp_path: Path) -> BootIndex:
    return BootIndex(tmp_path / "keys/machines.json")


class Told:
    """The regions, as a keeper knows them."""

    def __init__(self, *boots: dict[str, Any], elsewhere: tuple[str, ...] = ()) -> None:
        self.boots = {boot["boot_id"]: boot for boot in boots}
        self.macs: list[str] | None = list(elsewhere)
        self.fetched: list[str] = []
        self.away = False

    def call(self, method: str, path: str, body: Any) -> Any:
        if self.away:
            raise RegionAway("nobody is there")
        if (method, path) == ("GET", "boots"):
            fields = ("boot_id", "addresses", "macs", "ends_at")
            told = {"boots": [{key: boot[key] for key in fields} for boot in self.boots.values()], "macs": self.macs}
            return {key: value for key, value in told.items() if value is not None}
        self.fetched.append(body["boot_id"])
        if body["boot_id"] not in self.boots:
            raise RegionRefused(404, "it is over")
        return self.boots[body["boot_id"]]


def test_keeper_fetches_each_boot_once_and_again_when_its_address_changes(cache: BootCache, index: BootIndex) -> None:
    told = Told(answer(), answer(OTHER))
    keeper = BootKeeper(cache, index, told.call, threading.Event())
    for _pass in range(3):
        keeper.refresh()
    assert told.fetched == [ONE, OTHER]
    told.boots[ONE] = {**told.boots[ONE], "addresses": ["10.20.0.102"]}
    keeper.refresh()
    moved = cache.by_id(ONE)
    assert moved is not None
    assert moved.addresses == ("10.20.0.102",)
    del told.boots[ONE]
    keeper.refresh()
    assert (cache.by_id(ONE), len(cache)) == (None, 1)


def test_keeper_that_starts_while_no_region_is_there_keeps_what_was_kept_until_it_is_over(
    cache: BootCache, index: BootIndex
) -> None:
    cache.put(answer())
    cache.put(answer(OTHER, ends_in_s=-1))
    told = Told()
    told.away = True
    keeper = BootKeeper(cache, index, told.call, threading.Event())
    with pytest.raises(RegionAway):
        keeper.refresh()
    assert cache.by_id(ONE) is not None
    assert len(cache) == 1
    told.away = False
    keeper.refresh()
    assert len(cache) == 0


def test_registered_machine_is_idle_once_a_region_has_said_that_it_is_in_no_boot(
    cache: BootCache, index: BootIndex
) -> None:
    told = Told(answer(), elsewhere=("52:54:00:00:00:09",))
    keeper = BootKeeper(cache, index, told.call, threading.Event())
    keeper.registered([MAC, IDLE_MAC, "52:54:00:00:00:09"])
    assert not index.is_idle(IDLE_MAC), "it may just have been registered to be commissioned"
    keeper.refresh()
    assert [index.is_idle(mac) for mac in (MAC, IDLE_MAC, "52:54:00:00:00:09", OTHERS_MAC)] == [
        False, True, False, False,
    ]  # fmt: skip
    assert index.boot_of(MAC) == ONE
    del told.boots[ONE]
    keeper.refresh()
    assert (index.boot_of(MAC), index.is_idle(MAC)) == (None, True)
    told.macs = None  # a region of the release before
    keeper.refresh()
    assert not index.is_idle(IDLE_MAC)


def test_keeper_that_starts_without_a_region_still_knows_who_is_idle_unless_the_host_was_off(
    cache: BootCache, index: BootIndex, tmp_path: Path
) -> None:
    told = Told(answer())
    keeper = BootKeeper(cache, index, told.call, threading.Event())
    keeper.registered([MAC, IDLE_MAC])
    keeper.refresh()
    again = BootIndex(tmp_path / "keys/machines.json")
    BootKeeper(cache, again, told.call, threading.Event()).refresh()
    assert again.is_idle(IDLE_MAC)
    (tmp_path / "keys/machines.json").unlink()
    assert not again.is_idle(IDLE_MAC)


def test_address_leased_by_this_rack_counts_before_a_region_knows_it(cache: BootCache, index: BootIndex) -> None:
    told = Told(answer(), answer(OTHER, addresses=["10.20.0.102"]))
    keeper = BootKeeper(cache, index, told.call, threading.Event())
    keeper.refresh()

    def addresses(boot_id: str) -> tuple[str, ...]:
        found = cache.by_id(boot_id)
        assert found is not None
        return found.addresses

    keeper.leased("10.20.0.103", MAC)
    assert (addresses(ONE), addresses(OTHER)) == (("10.20.0.103", ADDRESS), ("10.20.0.102",))
    keeper.leased(ADDRESS, OTHERS_MAC)
    assert (addresses(ONE), addresses(OTHER)) == (("10.20.0.103",), (ADDRESS, "10.20.0.102"))
    keeper.leased("10.20.0.102", "52:54:00:00:00:99")
    assert addresses(OTHER) == (ADDRESS,), "a stranger has it now"
    keeper.refresh()
    assert addresses(ONE) == ("10.20.0.103",), "what the region says is not news"
    told.boots[ONE] = {**told.boots[ONE], "addresses": [ADDRESS, "10.20.0.104"]}
    keeper.refresh()
    assert addresses(ONE) == (ADDRESS, "10.20.0.104")


def test_what_the_release_before_kept_is_fetched_again_for_its_configuration(
    cache: BootCache, index: BootIndex
) -> None:
    old = {key: value for key, value in answer().items() if key not in ("config", "macs")}
    cache.put(old)
    told = Told(answer())
    BootKeeper(cache, index, told.call, threading.Event()).refresh()
    assert told.fetched == [ONE]


@pytest.mark.parametrize("kept_by_an_earlier_life", [False, True])
def test_names_of_boots_are_asked_for_in_each_pass_also_while_no_region_answers(
    cache: BootCache, index: BootIndex, kept_by_an_earlier_life: bool
) -> None:
    told, stop, asked = Told(answer(), answer(OTHER)), threading.Event(), list[list[str]]()
    if kept_by_an_earlier_life:
        BootKeeper(cache, index, told.call, threading.Event()).refresh()
        told.away = True

    def resolve(names: Iterable[str]) -> None:
        asked.append(list(names))
        told.away = True
        stop.set() if len(asked) == 2 else keeper.look_now()

    keeper = BootKeeper(cache, index, told.call, stop, resolve=resolve)
    keeper.run()
    assert asked == [[RACKS_NAME]] * 2


def test_no_name_is_asked_for_when_no_boot_is_kept(cache: BootCache, index: BootIndex) -> None:
    told, stop, asked = Told(answer()), threading.Event(), list[list[str]]()

    def resolve(names: Iterable[str]) -> None:
        asked.append(list(names))
        told.boots.clear()
        stop.set() if len(asked) == 2 else keeper.look_now()

    keeper = BootKeeper(cache, index, told.call, stop, resolve=resolve)
    keeper.run()
    assert asked == [[RACKS_NAME], []]
