# SPDX-License-Identifier: GPL-3.0-or-later
"""Who asks gets what was read after it asked, and all who ask meanwhile share one reading."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rackyard.region.shared import Shared


class Source:
    """Something that takes as long to read as a test wants."""

    def __init__(self) -> None:
        self.value = 0
        self.readings = 0
        self.under_way = threading.Event()
        self.go_on = threading.Event()

    def read(self) -> int:
        value = self.value
        self.readings += 1
        self.under_way.set()
        assert self.go_on.wait(10)
        if value < 0:
            raise ValueError(f"it is {value}")
        return value


def ask_during_a_reading(source: Source, value: int) -> tuple[Future[int], list[Future[int]]]:
    """A first caller whose reading is under way while the value changes, and ten who ask after that."""
    shared, pool = Shared(), ThreadPoolExecutor(11)
    first = pool.submit(shared.get, source.read)
    assert source.under_way.wait(10)
    source.value = value
    later = [pool.submit(shared.get, source.read) for _each in range(10)]
    time.sleep(0.3)
    assert not any(each.done() for each in (first, *later))
    source.go_on.set()
    pool.shutdown()
    return first, later


def test_all_who_ask_during_a_reading_share_the_next_one_and_nobody_gets_an_old_value() -> None:
    source = Source()
    first, later = ask_during_a_reading(source, 1)
    assert (first.result(), {each.result() for each in later}, source.readings) == (0, {1}, 2)


def test_reading_that_fails_fails_for_all_who_share_it_and_for_nobody_after_them() -> None:
    source = Source()
    first, later = ask_during_a_reading(source, -1)
    assert first.result() == 0
    for each in later:
        with pytest.raises(ValueError, match="it is -1"):
            each.result()
    assert source.readings == 2


def test_one_after_the_other_each_reads_anew() -> None:
    source, shared = Source(), Shared()
    source.go_on.set()
    assert [shared.get(source.read) for source.value in (3, 4)] == [3, 4]
