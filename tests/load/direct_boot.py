# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the ephemeral image takes when QEMU boots it directly, with no Rackyard: the yardstick for commissioning.

Prints one line per run: seconds from the start of QEMU until it has exited. The image boots with kernel and initrd
given on the command line and fetches the squashfs over HTTP from this program, which also is the metadata service: a
preseed that says no more than to switch off, and no user data. Same processor model, CPUs and memory as the lab's
machines, no disks, one NIC on QEMU's user network, no firmware's network boot.

Usage: direct_boot.py IMAGE_DIR [--runs N] [--cpus N] [--memory-mib N] [--parallel N]
"""

from __future__ import annotations

import argparse
import functools
import http.server
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

MAC = "52:54:00:12:34:56"
PRESEED = """#cloud-config
datasource: {MAAS: {metadata_url: "%s/MAAS/metadata/", consumer_key: c, token_key: t, token_secret: s}}
power_state: {mode: poweroff, delay: now, timeout: 60}
"""
METADATA = {"/meta-data/instance-id": b"direct", "/meta-data/local-hostname": b"direct"}
# As roles/lab_machines has it: TCG emulates these two string instructions byte by byte.
TCG_CPU = "max,-erms,-fsrm"
LIMIT_S = 600.0


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves the image's files, the preseed and the least metadata that cloud-init accepts."""

    def do_GET(self) -> None:
        """One file, the preseed, or one item of metadata."""
        if self.path == "/preseed":
            self.answer((PRESEED % f"http://{self.headers['Host']}").encode())
        elif "/MAAS/metadata/" in self.path:
            item = "/meta-data/" + self.path.partition("/meta-data/")[2]
            self.answer(METADATA[item]) if item in METADATA else self.send_error(404)
        else:
            super().do_GET()

    def answer(self, body: bytes) -> None:
        """A whole small answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing: the figures are the output."""


def qemu(image: Path, port: int, accelerator: str, cpus: int, memory_mib: int) -> list[str]:
    """The command line of one machine."""
    base = f"http://10.0.2.2:{port}"
    kernel_line = (
        f"boot=live fetch={base}/filesystem.squashfs BOOTIF=01-{MAC.replace(':', '-')} console=ttyS0 "
        f"cc:{{'datasource_list': ['MAAS']}}end_cc cloud-config-url={base}/preseed"
    )
    accel = {"kvm": ["-accel", "kvm", "-cpu", "host"], "tcg": ["-accel", "tcg,thread=multi", "-cpu", TCG_CPU]}
    return [
        *("qemu-system-x86_64", "-machine", "q35", *accel[accelerator], "-smp", str(cpus), "-m", str(memory_mib)),
        *("-kernel", str(image / "vmlinuz"), "-initrd", str(image / "initrd.img"), "-append", kernel_line),
        *("-nic", f"user,model=virtio-net-pci,mac={MAC}", "-device", "virtio-rng-pci"),
        *("-display", "none", "-serial", "null", "-monitor", "none", "-no-reboot"),
    ]


def boot(image: Path, port: int, arguments: argparse.Namespace) -> float:
    """Seconds from power-on to power-off of one machine. Ends with an error when it takes longer than LIMIT_S."""
    began = time.monotonic()
    command = qemu(image, port, arguments.accelerator, arguments.cpus, arguments.memory_mib)
    subprocess.run(command, check=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
    return time.monotonic() - began


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("image", type=Path, help="directory with vmlinuz, initrd.img and filesystem.squashfs")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=1, help="machines at once, as the demo boots two")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory-mib", type=int, default=2048)
    parser.add_argument("--accelerator", choices=("tcg", "kvm"), default="tcg")
    arguments = parser.parse_args()
    handler = functools.partial(Server, directory=str(arguments.image))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        took: list[float] = []

        def one() -> None:
            took.append(boot(arguments.image, server.server_address[1], arguments))

        for number in range(arguments.runs):
            threads = [threading.Thread(target=one) for _ in range(arguments.parallel)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            latest = ", ".join(f"{value:.1f} s" for value in took[-arguments.parallel :])
            print(f"direct boot {number + 1}: {latest}", flush=True)
        if len(took) != arguments.runs * arguments.parallel:
            return 1
        print(f"median {statistics.median(took):.1f} s")
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
