# SPDX-License-Identifier: GPL-3.0-or-later
"""What loaders get from their rack while no region is there, and that no machine is commissioned by accident."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from kept_boots import ADDRESS, IDLE_MAC, IMAGE, MAC, ONE, OTHER_RACK_IP, OTHERS_MAC, RACK_IP, answer, config

from rackyard.rack import boot
from rackyard.rack.boot_cache import BootCache
from rackyard.rack.boot_index import BootIndex
from rackyard.rack.config import RackConfig
from rackyard.rack.errors import RegionAway, RegionBusy, RegionFailed

PATHS = {"ipxe": "/ipxe.cfg-{}", "grub": "/grub/grub.cfg-{}", "pxelinux": "/pxelinux.cfg/01-{}"}
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there
AGAIN = "no region has an answer yet"
LOCAL = "booting from disk"


class World:
    """A rack's boot service, and a region that is there or not."""

    def __init__(self, home: Path) -> None:
        self.region: Any = RegionAway("nobody")
        self.config = RackConfig(
            "rack1", (), home, home, home / "daemons", boot_gateway=NOBODY, boot_keys=home / "keys"
        )
        for place in (self.config.boot_evidence, self.config.boot_cache, self.config.machine_posts):
            place.mkdir(parents=True)
        self.config.boot_keys.mkdir()
        self.cache = BootCache(self.config.boot_cache, self.config.boot_keys)
        self.cache.put(answer(config=config(MAC, RACK_IP, OTHER_RACK_IP)))
        self.index = BootIndex(self.config.boot_index)
        self.index.write({MAC: ONE}, {IDLE_MAC})
        self.client: FlaskClient = boot.create_app(self.config, self._ask).test_client()

    def _ask(self, _path: str, _body: dict[str, Any]) -> Any:
        if isinstance(self.region, Exception):
            raise self.region
        return self.region

    def get(self, mac: str = MAC, firmware: str = "ipxe", address: str = ADDRESS, rack: str = RACK_IP) -> str:
        path = PATHS[firmware].format(mac.replace(":", "-"))
        with self.client.get(path, headers={"X-Real-IP": address, "X-Server-Addr": rack}) as response:
            assert response.status_code == 200
            return response.get_data(as_text=True)

    def evidence(self) -> list[str]:
        return [json.loads(path.read_text())["detail"] for path in sorted(self.config.boot_evidence.iterdir())]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("firmware", PATHS)
@pytest.mark.parametrize("rack", [RACK_IP, OTHER_RACK_IP])
def test_machine_of_a_boot_gets_what_a_region_would_answer_at_each_rack(world: World, firmware: str, rack: str) -> None:
    kept = world.get(firmware=firmware, rack=rack)
    assert (f"log_host={rack}" in kept, f"{rack}:5248" in kept) == (True, True)
    assert world.evidence() == [f"{firmware}: commissioning, while no region answered"]
    world.region = {
        "purpose": "commissioning", "hostname": "m1", "kernel": f"{IMAGE}/vmlinuz", "initrd": f"{IMAGE}/initrd.img",
        "params": config(MAC, rack)["lines"][0]["params"],
    }  # fmt: skip
    assert world.get(firmware=firmware, rack=rack) == kept
    assert f"{firmware}: commissioning" in world.evidence()


@pytest.mark.parametrize("firmware", PATHS)
def test_idle_machine_boots_its_disk(world: World, firmware: str) -> None:
    assert LOCAL in world.get(IDLE_MAC, firmware)
    assert world.evidence() == [f"{firmware}: local, while no region answered"]


@pytest.mark.parametrize(
    "asked",
    [
        {"mac": OTHERS_MAC},
        {"address": "10.20.0.150"},
        {"rack": "10.20.0.4"},
    ],
    ids=["unknown machine", "address of another", "rack's address that no region knew"],
)
def test_whoever_the_rack_cannot_be_sure_of_asks_again(world: World, asked: dict[str, str]) -> None:
    assert AGAIN in world.get(**asked)
    assert world.evidence() == []


@pytest.mark.parametrize("trouble", [RegionBusy("HTTP 425"), RegionFailed("HTTP 500")])
@pytest.mark.parametrize("mac", [MAC, IDLE_MAC])
def test_region_that_is_there_is_not_spoken_for(world: World, trouble: Exception, mac: str) -> None:
    world.region = trouble
    assert AGAIN in world.get(mac)


def test_boot_that_ran_out_or_whose_key_is_gone_is_asked_for_again(world: World) -> None:
    world.cache.put(answer(ends_in_s=-1))
    assert AGAIN in world.get()
    world.cache.put(answer())
    assert AGAIN not in world.get()
    next(world.config.boot_keys.glob(f"{ONE}.*")).unlink()
    assert AGAIN in world.get()


def test_region_of_the_release_before_told_nothing_of_loaders(world: World) -> None:
    world.cache.put(answer(config=None))
    assert AGAIN in world.get()


def test_machine_whose_last_word_waits_here_boots_its_disk(world: World) -> None:
    signed = 'OAuth oauth_consumer_key="consumer", oauth_token="token1111", oauth_signature="%26hush-hush"'
    headers = {"X-Real-IP": ADDRESS, "Authorization": signed}
    word = {"op": "signal", "status": "OK"}
    assert world.client.post("/MAAS/metadata/latest/", data=word, headers=headers).status_code == 200
    assert LOCAL in world.get()


def test_unsafe_words_do_not_reach_a_loader_from_here_either(world: World) -> None:
    unsafe = config(MAC, RACK_IP)
    unsafe["lines"][0]["params"] = ["x=${net0/mac}"]
    world.cache.put(answer(config=unsafe))
    with world.client.get(
        "/ipxe.cfg-52-54-00-00-00-01", headers={"X-Real-IP": ADDRESS, "X-Server-Addr": RACK_IP}
    ) as response:
        assert (response.status_code, "cannot be used" in response.get_data(as_text=True)) == (404, True)
