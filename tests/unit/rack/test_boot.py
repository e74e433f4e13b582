# SPDX-License-Identifier: GPL-3.0-or-later
"""Boot configurations: what loaders get, and what must never reach them."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from rackyard.rack import boot, boot_config, boot_evidence
from rackyard.rack.config import RackConfig
from rackyard.rack.errors import RegionAway, RegionRefused
from rackyard.rack.spool import Spool

IMAGE = "/images/" + "a" * 64
ANSWER: dict[str, Any] = {
    "purpose": "commissioning",
    "hostname": "m1",
    "kernel": f"{IMAGE}/vmlinuz",
    "initrd": f"{IMAGE}/initrd.img",
    "params": ["boot=live", "console=ttyS0,115200n8", "cc:{'datasource_list': ['MAAS']}end_cc", "log_host=10.20.0.2"],
}
HEADERS = {"X-Real-IP": "10.20.0.100", "X-Server-Addr": "::ffff:10.20.0.2"}
PATHS = {
    "ipxe": "/ipxe.cfg-52-54-00-00-00-01",
    "grub": "/grub/grub.cfg-52:54:00:00:00:01",
    "pxelinux": "/pxelinux.cfg/01-52-54-00-00-00-01",
}


class World:
    """The boot service with a region that answers what the test says."""

    def __init__(self, home: Path) -> None:
        self.answer: Any = ANSWER
        self.asked: list[dict[str, Any]] = []
        config = RackConfig("rack1", (), home / "identity", home, home / "daemons")
        config.boot_evidence.mkdir(parents=True)
        self.client: FlaskClient = boot.create_app(config, self._ask).test_client()
        self.spool = Spool(config.spool)
        self.evidence = config.boot_evidence

    def _ask(self, path: str, body: dict[str, Any]) -> Any:
        assert path == "boot-config"
        self.asked.append(body)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def get(self, path: str) -> tuple[int, str]:
        with self.client.get(path, headers=HEADERS) as response:
            return response.status_code, response.get_data(as_text=True)

    def events(self) -> list[dict[str, Any]]:
        boot_evidence.collect(self.evidence, self.spool)
        return [item for batch in self.spool.batches() for item in batch.items]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize("firmware", PATHS)
def test_region_is_asked_with_the_machine_s_and_the_rack_s_address(world: World, firmware: str) -> None:
    world.get(PATHS[firmware])
    assert world.asked == [
        {
            "mac": "52:54:00:00:00:01",
            "arch": "amd64",
            "firmware": firmware,
            "client_ip": "10.20.0.100",
            "local_ip": "10.20.0.2",
        }
    ]


@pytest.mark.parametrize("firmware", PATHS)
def test_answer_given_reaches_the_agent_that_tells_the_region(world: World, firmware: str) -> None:
    world.get(PATHS[firmware])
    (event,) = world.events()
    assert (event["type"], event["mac"], event["ip"], event["daemon"]) == (
        "boot-config", "52:54:00:00:00:01", "10.20.0.100", "boot",
    )  # fmt: skip
    assert event["detail"] == f"{firmware}: commissioning"


def test_ipxe(world: World) -> None:
    _, text = world.get(PATHS["ipxe"])
    assert text.startswith("#!ipxe\n")
    assert (
        f"kernel --timeout 20000 http://10.20.0.2:5248{IMAGE}/vmlinuz initrd=initrd.img boot=live "
        "console=ttyS0,115200n8 cc:{'datasource_list': ['MAAS']}end_cc log_host=10.20.0.2 || goto failed\n"
    ) in text
    assert f"initrd --timeout 20000 --name initrd.img http://10.20.0.2:5248{IMAGE}/initrd.img || goto failed\n" in text


def test_ipxe_fetches_nothing_without_an_end() -> None:
    folder = Path(boot.__file__).with_name("templates")
    fetches = [
        (template.name, line)
        for template in folder.glob("ipxe.*")
        for line in template.read_text().splitlines()
        if line.split(" ")[0] in ("chain", "kernel", "initrd", "imgfetch")
    ]
    assert {name for name, _line in fetches} == {"ipxe.away.j2", "ipxe.boot.j2", "ipxe.start.j2"}
    assert [each for each in fetches if " --timeout 20000 " not in each[1]] == []


def test_grub_quotes_every_word_and_has_no_quote_inside(world: World) -> None:
    _, text = world.get(PATHS["grub"])
    assert (
        f'linux (http,10.20.0.2:5248){IMAGE}/vmlinuz "boot=live" "console=ttyS0,115200n8" '
        '"cc:{datasource_list:" "[MAAS]}end_cc" "log_host=10.20.0.2"; then\n'
    ) in text


def test_pxelinux(world: World) -> None:
    _, text = world.get(PATHS["pxelinux"])
    assert f"  LINUX http://10.20.0.2:5248{IMAGE}/vmlinuz\n  INITRD http://10.20.0.2:5248{IMAGE}/initrd.img\n" in text
    assert "  APPEND boot=live console=ttyS0,115200n8 cc:{'datasource_list': ['MAAS']}end_cc log_host=10.20.0.2" in text


@pytest.mark.parametrize(
    ("firmware", "words"),
    [
        ("ipxe", "sanboot --no-describe --drive 0x80"),
        ("grub", "configfile ($root)/EFI/debian/grub.cfg"),
        ("grub", "/EFI/BOOT/BOOTX64.EFI; do"),
        ("pxelinux", "COM32 chain.c32"),
        ("pxelinux", "LOCALBOOT"),
    ],
)
def test_local_machine_boots_from_disk(world: World, firmware: str, words: str) -> None:
    world.answer = {"purpose": "local", "hostname": "m1"}
    status, text = world.get(PATHS[firmware])
    assert status == 200
    assert words in text
    assert not re.search(r"^\s*(?:if )?(?:linux|kernel)\b", text, re.IGNORECASE | re.MULTILINE)


def test_grub_tries_menus_before_loaders_and_never_leaves_to_the_firmware(world: World) -> None:
    world.answer = {"purpose": "local", "hostname": "m1"}
    _, text = world.get(PATHS["grub"])
    lines = [line.strip() for line in text.splitlines()]
    assert not [line for line in lines if line.split(" ")[0] in ("exit", "normal_exit", "fwsetup")]
    assert lines[-1] == "reboot"
    order = [text.index(words) for words in ("/EFI/debian/grub.cfg", "chainloader", "/EFI/$vendor/grub.cfg", "reboot")]
    assert order == sorted(order)


@pytest.mark.parametrize("firmware", PATHS)
def test_unknown_machine_is_404_with_the_region_s_words_and_no_event(world: World, firmware: str) -> None:
    world.answer = RegionRefused(404, "no machine has the MAC address 52:54:00:00:00:01; register it")
    status, text = world.get(PATHS[firmware])
    assert status == 404
    assert "register it" in text
    assert world.events() == []


@pytest.mark.parametrize("firmware", PATHS)
def test_without_a_region_the_loader_says_so_and_asks_again(world: World, firmware: str) -> None:
    world.answer = RegionAway("nobody")
    status, text = world.get(PATHS[firmware])
    assert status == 200
    assert "rackyard: no region has an answer yet; retrying" in text
    assert PATHS[firmware] in text
    assert world.events() == []


@pytest.mark.parametrize("path", ["/ipxe.cfg", "/grub/grub.cfg"])
def test_first_file_leads_to_the_machine_s_own_without_asking_a_region(world: World, path: str) -> None:
    status, text = world.get(path)
    assert status == 200
    assert "10.20.0.2:5248" in text
    assert world.asked == []


@pytest.mark.parametrize(
    "path",
    [
        "/ipxe.cfg-default-amd64",
        "/grub/grub.cfg-default-amd64",
        "/pxelinux.cfg/default",
        "/pxelinux.cfg/0A140064",
        "/pxelinux.cfg/b8945908-d6a6-41a9-611d-74a6ab80b83d",
        "/pxelinux.cfg/01-52-54-00-00-00-zz",
        "/grub/x86_64-efi/command.lst",
        "/ipxe.cfg-../../etc/passwd",
    ],
)
def test_other_paths_are_404_without_asking_a_region(world: World, path: str) -> None:
    status, text = world.get(path)
    assert status == 404
    assert text.startswith("rackyard: ")
    assert world.asked == []


@pytest.mark.parametrize(
    "changes",
    [
        {"purpose": "local\n#"},
        {"hostname": "m1; reboot"},
        {"hostname": "${net0/mac}"},
        {"kernel": "/images/../../etc/shadow"},
        {"kernel": "http://evil/vmlinuz"},
        {"kernel": f"{IMAGE}/vmlinuz quiet"},
        {"initrd": None},
        {"params": "boot=live"},
        {"params": ["boot=live\nreboot"]},
        {"params": ["x=${net0/mac}"]},
        {"params": ["||"]},
        {"params": ["&&", "reboot"]},
        {"params": ["#comment"]},
        {"params": ['x="y']},
        {"params": ["x=$(reboot)"]},
        {"params": ["x=a\\b"]},
        {"params": ["x=\x1b[2J"]},
        {"params": ["x=" + "y" * 600]},
        {"params": ["x=y"] * 600},
    ],
)
@pytest.mark.parametrize("firmware", PATHS)
def test_unsafe_answer_never_reaches_a_loader(world: World, firmware: str, changes: dict[str, Any]) -> None:
    world.answer = {**ANSWER, **changes}
    status, text = world.get(PATHS[firmware])
    assert status == 404
    assert "cannot be used" in text
    assert world.events() == []


@pytest.mark.parametrize("page", [b"null", b"[]", b"{}", b'{"purpose": 1}', b'{"purpose": "commissioning"}', b"<html>"])
def test_answer_that_is_none_lets_the_loader_ask_again(tmp_path: Path, page: bytes) -> None:
    """Whatever stands where a region should: the machine waits for one that knows what to say."""

    class Region(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Region) as server:
        gateway = f"http://127.0.0.1:{server.server_port}"
        config = RackConfig("rack1", (), tmp_path, tmp_path, tmp_path, boot_gateway=gateway)
        answering = threading.Thread(target=server.handle_request)
        answering.start()
        answer = boot.create_app(config).test_client().get(PATHS["ipxe"], headers=HEADERS)
        answering.join()
    assert answer.status_code == 200
    assert "no region has an answer yet" in answer.text


def test_ipv6_rack_is_bracketed() -> None:
    assert "http://[fd00::2]:5248/ipxe.cfg-" in boot_config.render_start("ipxe", "fd00::2")
