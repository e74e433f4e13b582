# SPDX-License-Identifier: GPL-3.0-or-later
"""The event source as ansible-rulebook runs it, at a real region: killed between events, and with the region away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ansible
import front
import psycopg2
import pytest
from authority import Authority

from rackyard.region.config import Config

from .conftest import write_toml

SERVICE = Path(__file__).parents[1]
ROOT = SERVICE.parents[1]
# By the way that an installed collection has: its folder has a link to that of this tree.
COLLECTION = ROOT / "collections/ansible_collections/rackyard/metal"
SOURCE = COLLECTION / "extensions/eda/plugins/event_source/events.py"


class Region:
    """nginx of a region and the process behind it, which can be restarted."""

    def __init__(self, config: Config, place: Path) -> None:
        self._toml, self._bind, self._log = place / "region.toml", place / "run/region.sock", place / "region.log"
        self._bind.parent.mkdir()
        self._process = ExitStack()
        write_toml(config, self._toml)
        port = front.free_port()
        self.url = f"http://127.0.0.1:{port}/MAAS"
        self.nginx = front.region_nginx(
            place / "nginx", ports=[front.free_port()], plain_port=port, sockets=self._bind.parent,
            tls=config.ca_cert.parent, images=config.images,
        )  # fmt: skip

    def start(self) -> None:
        self._process.enter_context(front.process("region", self._bind, self._toml, self._log))
        front.wait_for(lambda: front.answers(self._bind), "the region's process", 90)

    def stop(self) -> None:
        self._process.close()


@pytest.fixture
def region(config: Config, authority: Authority, tmp_path: Path) -> Iterator[Region]:
    """It shows the authority's certificates."""
    running = Region(config, tmp_path)
    running.start()
    running.nginx.start()
    yield running
    running.nginx.stop()
    running.stop()


class Rules:
    """ansible-rulebook, as far as a source sees it."""

    def __init__(self, log: Path, options: dict[str, Any]) -> None:
        self.log = log
        command = [sys.executable, str(SERVICE / "rules.py"), str(SOURCE)]
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._input, self._output = self._process.stdin, self._process.stdout
        self._tell(json.dumps(options))

    def take(self) -> dict[str, Any]:
        self._tell("")
        line = self._output.readline()
        assert line, self.log.read_text()
        event: dict[str, Any] = json.loads(line)
        return event

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)

    def _tell(self, line: str) -> None:
        self._input.write(line + "\n")
        self._input.flush()


@pytest.fixture
def rules(region: Region, admin_key: str, tmp_path: Path) -> Iterator[Callable[..., Rules]]:
    """The source with these options besides the region's."""
    runs: list[Rules] = []

    def run(**options: Any) -> Rules:
        options = {"region_url": region.url, "api_key": admin_key, "interval_s": 0.1, **options}
        runs.append(Rules(tmp_path / f"rules{len(runs)}.log", options))
        return runs[-1]

    yield run
    for each in runs:
        each.kill()


@pytest.fixture
def register(api) -> Callable[[str], str]:
    """A new machine, which is an event; its system_id."""

    def machine(name: str) -> str:
        body = {"commission": "false", "hostname": name, "mac_addresses": f"52:54:00:00:00:{int(name[1:]):02}"}
        system_id: str = api.post("machines/", data=body).json["system_id"]
        return system_id

    return machine


def test_source_goes_on_where_it_was_killed_and_when_regions_are_back(
    region: Region, rules: Callable[..., Rules], register: Callable[[str], str], config: Config, tmp_path: Path, execute
) -> None:
    register("m1")
    nobody = f"http://127.0.0.1:{front.free_port()}/MAAS"
    state = tmp_path / "state.json"
    options = {"state_file": str(state), "filters": {"type": ["NODE_CREATED", "SLOW"]}}
    first = rules(region_url=[nobody, region.url], **options)
    front.wait_for(state.exists, "the first note")
    system_id = register("m2")
    event = first.take()
    assert event["machine"] == {"hostname": "m2", "system_id": system_id}
    assert (event["type"], event["level"], event["username"]) == ("NODE_CREATED", "INFO", "admin")
    # What is still being written when others with higher ids have been committed.
    slow = psycopg2.connect(config.dsn)
    with slow.cursor() as cursor:
        cursor.execute("INSERT INTO event (type, created_at) VALUES ('SLOW', now())")
        for name in ("m3", "m4", "m5"):
            register(name)
        slow.commit()
    slow.close()
    assert first.take()["type"] == "SLOW"
    assert first.take()["machine"]["hostname"] == "m3"
    first.kill()  # m4 was given, but only its queue had it
    second = rules(region_url=f"{nobody},{region.url}", **options)
    event = second.take()
    if event["machine"]["hostname"] == "m3":  # at least once: it may have had no time to note it
        event = second.take()
    assert [event["machine"]["hostname"], second.take()["machine"]["hostname"]] == ["m4", "m5"]
    region.stop()
    front.wait_for(lambda: "No events until" in second.log.read_text(), "the warning")
    register("m6")
    region.start()
    event = second.take()
    assert event["machine"]["hostname"] == "m6"
    said = second.log.read_text().splitlines()
    assert [line.split(":")[0] for line in said] == [
        "No events until a region answers again",
        "A region answers again; nothing was left out.",
    ]
    ((last,),) = execute("INSERT INTO event (type, created_at) VALUES ('NOBODY_WANTS_IT', now()) RETURNING id")
    front.wait_for(lambda: json.loads(state.read_text())["after"] == last, "the note of all that was seen", 5)


def test_source_from_the_beginning_by_level_and_name(
    rules: Callable[..., Rules], register: Callable[[str], str], add_rack: Callable[[str, str], str], execute
) -> None:
    register("m1")
    rack = add_rack("rack1", "10.20.0.2/24")
    execute("INSERT INTO event (rack_id, level, type, created_at) SELECT id, 30, 'RACK_SILENT', now() FROM rack")
    execute("INSERT INTO event (level, type, created_at) VALUES (30, 'SITE_RESTORED', now())")
    events = rules(start="beginning", filters={"level": "WARNING"})
    event = events.take()
    assert (event["type"], event["rack"]) == ("RACK_SILENT", {"hostname": "rack1", "system_id": rack})
    event = events.take()
    assert event["type"] == "SITE_RESTORED"
    assert not {"machine", "rack"} & set(event)
    assert rules(start="beginning", filters={"hostname": "m1"}).take()["machine"]["hostname"] == "m1"
    event = rules(start="beginning", filters={"level": "AUDIT", "hostname": "m1"}).take()
    assert (event["level"], event["machine"]["hostname"], event["username"]) == ("AUDIT", "m1", "admin")


def test_source_ends_with_the_regions_words_when_asking_again_is_no_use(rules: Callable[..., Rules]) -> None:
    for options, words in (({"filters": {"level": "LOUD"}}, "Unknown level"), ({"api_key": "a:b:c"}, "API key")):
        refused = rules(**options)
        with pytest.raises(AssertionError, match=words):
            refused.take()


def test_mark_broken_marks_once(region: Region, admin_key: str, register: Callable[[str], str], api, execute) -> None:
    system_id = register("m1")
    execute("UPDATE machine SET status = 4, commissioned_at = now()")  # Ready
    said = json.dumps({"rackyard_broken": ["m1"], "rackyard_broken_comment": "a disk is gone: 100% & more"})
    command = ["ansible-playbook", "-i", "localhost,", "-c", "local", "-e", said]
    command.append(str(ROOT / "playbooks/mark_broken.yml"))
    there = os.pathsep.join((str(ROOT / "collections"), str(Path(ansible.__file__).parents[1])))
    access = {"RACKYARD_URL": region.url, "RACKYARD_API_KEY": admin_key, "ANSIBLE_COLLECTIONS_PATH": there}
    runs = [
        subprocess.run(command, env={**os.environ, **access}, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    machine = api.get(f"machines/{system_id}/").json
    assert (machine["status_name"], machine["status_message"]) == ("Broken", "a disk is gone: 100% & more")
    assert ["changed=1 " in runs[0], "changed=0 " in runs[1]] == [True, True]
