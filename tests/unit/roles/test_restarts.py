# SPDX-License-Identifier: GPL-3.0-or-later
"""What dies is started again by systemd: by our units and drop-ins, or by the package's own unit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rackyard.daemons.registry import UNITS

ROLES = Path(__file__).resolve().parents[3] / "roles"
PACKAGED = Path("/lib/systemd/system")
# Drop-ins whose unit has a name that depends on the host.
DROP_INS = {"postgresql@": ROLES / "postgres/templates/etc/systemd/system/restart.conf.j2"}
OWN = [
    "rackyard-region", "rackyard-region-metadata", "rackyard-region-rpc@", "rackyard-region-polls@",
    "rackyard-region-worker", "rackyard-rack", "rackyard-rack-boot",
]  # fmt: skip


@pytest.mark.parametrize("unit", [*UNITS.values(), *DROP_INS, *OWN])
def test_daemon_that_dies_is_started_again(unit: str) -> None:
    places = "*/templates/etc/systemd/system"
    ours = [*ROLES.glob(f"{places}/{unit}.service.j2"), *ROLES.glob(f"{places}/{unit}.service.d/*.j2")]
    packaged = [PACKAGED / f"{unit}.service"] if not any(each.name == f"{unit}.service.j2" for each in ours) else []
    files = [*ours, *([DROP_INS[unit]] if unit in DROP_INS else []), *packaged]
    text = "\n".join(each.read_text(encoding="utf-8") for each in files)
    assert re.search(r"^Restart=(always|on-failure)$", text, re.MULTILINE), f"{unit} stays dead: {files}"
