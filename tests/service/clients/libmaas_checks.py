# SPDX-License-Identifier: GPL-3.0-or-later
"""What the parts of libmaas_program.py share: a client, and checks that run at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from maas.client import connect

url, key = sys.argv[1:]
outcomes: dict[str, str] = {}
it = SimpleNamespace()  # what later checks need of earlier ones
client = connect(url, apikey=key)
calls = client._origin.session  # what the library's objects are made of, which has all that is described


def check(name: str, expected: Any) -> Callable[[Callable[[], Any]], None]:
    """A check that runs at once. One that fails leaves its reason, and the others go on."""

    def run(do: Callable[[], Any]) -> None:
        try:
            found = do()
        except Exception as error:  # whatever the library makes of an answer
            outcomes[name] = f"{type(error).__name__}: {error}"
        else:
            outcomes[name] = "passed" if found == expected else f"saw {found!r}"

    return run
