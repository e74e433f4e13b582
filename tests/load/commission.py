# SPDX-License-Identifier: GPL-3.0-or-later
"""What commissioning adds to a boot: the lab's machines, commissioned all at once, against their images in bare QEMU.

Each machine of the lab boots its own image twice, both times beside the others: once directly (direct_boot.py: kernel
and initrd given to QEMU, a preseed that switches off), once commissioned, from power-on to facts stored and BMC off.
The boot timeline tells the machine's firmware (power-on to its DHCP request) apart from the rest, and the rack's log of
HTTP when its loader had kernel and initrd, which QEMU has at once. What is ours comes after that, and is compared with
the direct boot. Needs the lab of ./run demo, machines Ready.

Usage: commission.py --images DIR [--runs N] [--limit SECONDS]
"""

from __future__ import annotations

import argparse
import functools
import http.server
import json
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import direct_boot

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "plugins" / "module_utils"))
from rackyard_core.client import RegionClient

STATE = Path("/var/lib/rackyard-lab")
SSH = ("ssh", "-F", str(STATE / "ssh" / "config"))
REGION_URL = "http://10.10.0.11:5240/MAAS"
POWERED_ON, LEASED, CONFIG_GIVEN, IMAGE, STORED = 4, 5, 8, 9, 12
GIVE_UP_S = 900.0


@dataclass(frozen=True)
class Phases:
    """One commissioning in seconds."""

    firmware: float
    loader: float
    ours: float

    @property
    def total(self) -> float:
        """From power-on to facts stored and power off."""
        return self.firmware + self.loader + self.ours


def newest(images: Path, suite: str) -> Path:
    """The directory of the finished image of a release, or of the default's: the newest."""
    found = [path for path in images.glob("*/manifest.json") if len(path.parent.name) == 16]
    found = [path for path in found if json.loads(path.read_text())["suite"] == suite]
    if not found:
        raise SystemExit(f"commission.py: no finished {suite} image below {images}; make one with: ./run demo")
    return max(found, key=lambda path: path.stat().st_mtime).parent


def region() -> RegionClient:
    """A client with the administrator's key, which is on the region's host."""
    command = [*SSH, "region1", "cat /etc/rackyard/admin.apikey"]
    key = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return RegionClient(REGION_URL, key)


def commission(client: RegionClient, machine: dict[str, Any]) -> Phases:
    """Commission one machine and read its timeline. Ends the run when it is not Ready at the end."""
    path = f"machines/{machine['system_id']}/"
    client.post(path, op="commission")
    deadline = time.monotonic() + GIVE_UP_S
    while time.monotonic() < deadline:
        timeline = client.get(path, op="boot_timeline")
        steps = {row["step"]: row for row in timeline["steps"]}
        if steps[STORED]["outcome"] == "done" or "failed" in {row["outcome"] for row in steps.values()}:
            break
        time.sleep(1)
    if steps[STORED]["outcome"] != "done":
        raise SystemExit(f"commission.py: {machine['hostname']} did not get to step 12: {timeline['diagnosis']}")
    at = {step: datetime.fromisoformat(row["at"]).timestamp() for step, row in steps.items()}
    rack = steps[CONFIG_GIVEN]["by"].split()[0]
    loaded = initrd_given(rack, steps[LEASED]["detail"].split()[0], at[CONFIG_GIVEN], at[IMAGE])
    return Phases(
        firmware=at[LEASED] - at[POWERED_ON],
        loader=loaded - at[LEASED],
        ours=at[STORED] - loaded,
    )


def initrd_given(rack: str, address: str, since: float, until: float) -> float:
    """When the rack's nginx had sent an address the last byte of an initrd. Ends the run when its log does not tell."""
    look = f"journalctl --quiet --identifier rackyard_http --since @{int(since)} --output json"
    done = subprocess.run([*SSH, rack, look], check=True, capture_output=True, text=True)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    given = [
        int(entry["__REALTIME_TIMESTAMP"]) / 1e6
        for entry in entries
        for request in [json.loads(entry["MESSAGE"])]
        if request["remote"] == address and "initrd" in request["uri"] and request["complete"] == "OK"
    ]
    times = [time_s for time_s in given if since <= time_s <= until]
    if not times:
        raise SystemExit(f"commission.py: the log of {rack}'s nginx does not tell when {address} got its initrd")
    return max(times)


def direct(image: Path, spec: dict[str, Any], accelerator: str) -> float:
    """Seconds of a direct boot on the machine's processors and memory."""
    arguments = argparse.Namespace(accelerator=accelerator, cpus=spec["cpus"], memory_mib=spec["memory_mib"])
    handler = functools.partial(direct_boot.Server, directory=str(image))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        took = direct_boot.boot(image, server.server_address[1], arguments)
        server.shutdown()
    return took


def row(words: list[str]) -> str:
    """One line of the table."""
    return f"{words[0]:<8} {words[1]:<16} {words[2]:<9}" + "".join(f"{word:>10}" for word in words[3:])


def main() -> int:
    """Measure, print, and fail when ours is more than --limit seconds above the direct boot."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--images", type=Path, required=True, help="the cache of finished images")
    parser.add_argument("--default-suite", default="bookworm", help="release of machines that name none")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--limit", type=float, default=0.0, help="seconds; more above the direct boot is an error")
    arguments = parser.parse_args()
    client = region()
    machines = [one for one in client.get("machines/") if one["status_name"] == "Ready"]
    if not machines:
        raise SystemExit("commission.py: no machine is Ready; bring the lab there with: ./run demo")
    specs = [json.loads((STATE / "machines.d" / f"{one['hostname']}.json").read_text()) for one in machines]
    suites = [one["commissioning_suite"] or arguments.default_suite for one in machines]
    images = [newest(arguments.images, suite) for suite in suites]
    accelerator = (STATE / "accelerator").read_text().strip()
    directs: list[list[float]] = []
    phases: list[list[Phases]] = []
    with ThreadPoolExecutor(len(machines)) as together:
        for number in range(arguments.runs):
            print(f"run {number + 1}: {len(machines)} direct boots, then {len(machines)} commissionings", flush=True)
            try:
                directs.append(list(together.map(direct, images, specs, [accelerator] * len(machines))))
            except direct_boot.BootError as error:
                raise SystemExit(f"commission.py: no direct boot to compare with: {error}") from error
            phases.append(list(together.map(commission, [client] * len(machines), machines)))
    print(row(["machine", "firmware", "image", "direct", "firmware", "loader", "ours", "total", "above"]))
    above = []
    for place, machine in enumerate(machines):
        mine = [run[place] for run in phases]
        bare = statistics.median(run[place] for run in directs)
        parts = [
            statistics.median(getattr(one, name) for one in mine) for name in ("firmware", "loader", "ours", "total")
        ]
        above.append(parts[2] - bare)
        figures = [f"{value:.1f} s" for value in (bare, *parts, above[-1])]
        print(row([machine["hostname"], specs[place]["firmware"], suites[place], *figures]))
    print("above = ours - direct: what commissioning costs beyond booting the same image")
    return 1 if arguments.limit and max(above) > arguments.limit else 0


if __name__ == "__main__":
    sys.exit(main())
