# SPDX-License-Identifier: GPL-3.0-or-later
"""One address for API clients, on the hosts of the regions: whoever has it dies, and the other one answers."""

from __future__ import annotations

import json
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from ha_site import INVENTORY, HaLab
from lab_site import eventually, recap

VERSION = "https://10.10.0.10/MAAS/api/2.0/version/"
# A reader gives a request up after two seconds, and asks again.
PATIENCE_S, GAP_S = 2, 10


class Reader:
    """A client that asks again and again, and believes the site's authority only."""

    def __init__(self, authority: str) -> None:
        self._tls = ssl.create_default_context(cadata=authority)
        # Opening and ending of each request that was answered.
        self.answered: list[float] = []
        self.failed = 0

    def asks(self) -> bool:
        """Whether one request is answered."""
        try:
            with urllib.request.urlopen(VERSION, timeout=PATIENCE_S, context=self._tls) as answer:
                return bool(json.load(answer)["capabilities"])
        except OSError:
            return False

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Ask beside what a test does."""
        ended = threading.Event()

        def ask() -> None:
            while not ended.wait(0.05):
                if self.asks():
                    self.answered.append(time.monotonic())
                else:
                    self.failed += 1

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def gap_s(self) -> float:
        """The longest time between two answers, in seconds."""
        return max(later - earlier for earlier, later in zip(self.answered, self.answered[1:], strict=False))


def has_address(lab: HaLab) -> bool:
    """Whether region1 is the gateway that has the address."""
    return "10.10.0.10" in lab.ssh("region1", "ip -4 -o address show dev mgmt0", check=False)


def test_address_of_the_api_outlives_the_host_that_has_it(lab: HaLab) -> None:
    lab.playbook("gateway", inventory=INVENTORY)
    second = recap(lab.playbook("gateway", inventory=INVENTORY))
    assert {host: numbers["changed"] for host, numbers in second.items()} == {"region1": 0, "region2": 0}
    reader = Reader(lab.ssh("region1", "cat /etc/rackyard/tls/ca.crt"))
    assert eventually(reader.asks, within_s=30)
    assert has_address(lab), "the first one has it while all are well"
    with reader.reading():
        time.sleep(3)
        lab.run("lab", "kill", "region1")
        time.sleep(60)
    assert reader.asks()
    gone, failed = reader.gap_s(), reader.failed
    reader.answered.clear()
    with reader.reading():
        lab.run("lab", "start", "region1")
        assert eventually(lambda: has_address(lab), within_s=120)
        time.sleep(10)
    back = reader.gap_s()
    lab.note(
        "gateway",
        "the host dies that has the gateways' address, a region and a member of the database",
        f"{failed} of {failed + len(reader.answered)} requests",
        {"no answer for": gone, "no answer when it is back": back},
    )
    assert gone <= GAP_S + 35, "the database has to have another leader too"
    assert back <= GAP_S
