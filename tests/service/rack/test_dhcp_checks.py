# SPDX-License-Identifier: GPL-3.0-or-later
"""A snippet's way to a rack and back: API, database, region's processes, agent, dhcpd's checker; then dhcpd's file."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import RackHost, Region, wait_until
from .test_agent import Site


@pytest.fixture
def site(region: Region, rack: RackHost, api: Any) -> Site:
    """An agent that serves 10.20.0.0/24."""
    found = Site(region, rack)
    rack.start()
    wait_until(lambda: found.rows("SELECT 1 FROM rack WHERE abilities @> '{dhcp_check}' AND alive"), "the rack", 60)
    ((rack_id, system_id),) = found.rows("SELECT id, system_id FROM rack")
    fabric = api.post("fabrics/", data={"name": "lab"}).json
    assert api.post("subnets/", data={"name": "boot", "cidr": "10.20.0.0/24", "fabric": fabric["id"], "vid": 0}).json
    dynamic = {"type": "dynamic", "start_ip": "10.20.0.100", "end_ip": "10.20.0.199"}
    assert api.post("ipranges/", data=dynamic).status_code == 200
    address = "INSERT INTO rack_interface (rack_id, name, address) VALUES (%s, 'pxe0', '10.20.0.2/24')"
    found.rows(address, rack_id)
    serving = {"dhcp_on": "true", "primary_rack": system_id}
    assert api.put(f"fabrics/{fabric['id']}/vlans/0/", data=serving).status_code == 200
    return found


def test_agent_judges_a_snippet_and_its_dhcpd_is_told_of_it(site: Site, api: Any) -> None:
    file = site.rack.config.daemons_root / "dhcp/dhcpd.conf"
    wait_until(lambda: b"subnet 10.20.0.0" in (file.read_bytes() if file.exists() else b""), "the file", 60)
    plain = file.read_bytes()
    wrong = {"name": "clock", "value": "option time-offset 0;\noption time-offset noon;", "subnet": "boot"}
    answer = api.post("dhcp-snippets/", data=wrong)
    assert answer.status_code == 400, answer.text
    words = "dhcpd of rack1 would not take it: line 2 of the snippet: expecting number."
    assert answer.json == {"value": [words]}, "said once"
    assert file.read_bytes() == plain
    made = api.post("dhcp-snippets/", data={**wrong, "value": "option time-offset 7200;"})
    assert made.status_code == 200, made.text
    told = b"    # Snippet clock\n    option time-offset 7200;\n"
    wait_until(lambda: told in file.read_bytes(), "the snippet in dhcpd's file", 40)
    assert api.delete(f"dhcp-snippets/{made.json['id']}/").status_code == 204
    wait_until(lambda: file.read_bytes() == plain, "the file as it was", 40)
