# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the ephemeral image takes when QEMU boots it directly, with no Rackyard: the yardstick for commissioning.

Prints one line per run: seconds from the start of QEMU until it has exited. The image boots with kernel and initrd
given on the command line and fetches the squashfs over HTTP from this program, which also is the metadata service: a
preseed that says no more than to switch off, and no user data. Same processor model, CPUs and memory as the lab's
machines, no disks, one NIC on QEMU's user network, no firmware's network boot.

The image is the one that machines of the running lab boot; with no lab, the one that was finished last.

Usage: direct_boot.py IMAGES_DIR [--image NAME] [--runs N] [--cpus N] [--memory-mib N] [--parallel N]
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import http.server
import statistics
import subprocess
import sys
import tempfile
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
# A machine that boots says something on its console every few seconds.
SILENCE_S = 120.0
# QEMU's user network now and then stops taking packets. The kernel complains of it for ever, so that is not silence.
HUNG_NETWORK = b"NETDEV WATCHDOG"
LAST_LINES = 15
LAB_SSH = Path("/var/lib/rackyard-lab/ssh/config")
DEFAULT_IMAGE = "select manifest ->> 'key' from image where is_default and arch = 'amd64'"


class BootError(Exception):
    """A machine did not get to its end; the text says how far it got."""


class HungNetworkError(BootError):
    """QEMU's user network stopped: says nothing about the image."""


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


def lab_image() -> str:
    """The name (its folder's) of the image that the running lab's region gives to machines; "" without such a lab."""
    if not LAB_SSH.exists():
        return ""
    ssh = ["ssh", "-F", str(LAB_SSH), "-o", "BatchMode=yes", "-o", "ConnectTimeout=3", "region1"]
    query = [*ssh, "runuser -u rackyard -- psql -qtA rackyard"]
    done = subprocess.run(query, input=DEFAULT_IMAGE, capture_output=True, text=True, timeout=30, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def choose_image(images: Path, wanted: str, in_lab: str) -> tuple[Path, str]:
    """The folder of the image to boot, and why it is this one: it was wanted, the lab uses it, or it is the newest."""
    finished = sorted(images.glob("*/manifest.json"), key=lambda path: path.stat().st_mtime)
    there = {path.parent.name: path.parent for path in finished if len(path.parent.name) == 16}
    if wanted:
        if wanted not in there:
            raise BootError(f"no image {wanted} in {images}; there are: {', '.join(there) or 'none'}")
        return there[wanted], "as wanted"
    if in_lab in there:
        return there[in_lab], "the lab's machines boot it"
    if not there:
        raise BootError(f"no finished image in {images}; make one first with: ./run demo")
    newest = list(there)[-1]
    why = (
        f"the newest; the lab's own, {in_lab}, is not there any more" if in_lab else "the newest; no lab says otherwise"
    )
    return there[newest], why


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
        *("-display", "none", "-serial", "stdio", "-monitor", "none", "-no-reboot"),
    ]


def watch(machine: subprocess.Popen[bytes], console: Path, silence_s: float, limit_s: float) -> None:
    """Wait for the machine's end; kill it and raise when its console is silent or it takes too long."""
    began = spoke = time.monotonic()
    size = 0
    while machine.poll() is None:
        time.sleep(0.1)
        now, length = time.monotonic(), console.stat().st_size
        if length > size:
            size, spoke = length, now
            if HUNG_NETWORK in console.read_bytes():
                machine.kill()
                machine.wait()
                raise HungNetworkError(f"QEMU's user network hung. The machine's last lines:\n{last_lines(console)}")
        if now - spoke > silence_s or now - began > limit_s:
            machine.kill()
            machine.wait()
            why = (
                f"its console was silent for {silence_s:.0f} s"
                if now - spoke > silence_s
                else f"not off after {limit_s:.0f} s"
            )
            raise BootError(f"gave up: {why}. Its last lines:\n{last_lines(console)}")
    if machine.returncode:
        raise BootError(f"QEMU ended with {machine.returncode}:\n{last_lines(console)}")


def last_lines(console: Path) -> str:
    """What the console said last, without control characters."""
    lines = console.read_text(encoding="utf-8", errors="replace").replace("\r", "\n").splitlines()
    said = ["".join(char for char in line if char.isprintable()).strip() for line in lines]
    return "\n".join([line for line in said if line][-LAST_LINES:]) or "(none: it said nothing at all)"


def boot(image: Path, port: int, arguments: argparse.Namespace) -> float:
    """Seconds from power-on to power-off of one machine. Raises BootError when it does not get there.

    Says so and boots once more when QEMU's network hung: that figure would be QEMU's.
    """
    try:
        return boot_once(image, port, arguments)
    except HungNetworkError as error:
        print(f"{error}\nonce more", flush=True)
        return boot_once(image, port, arguments)


def boot_once(image: Path, port: int, arguments: argparse.Namespace) -> float:
    """As boot; raises HungNetworkError too."""
    began = time.monotonic()
    # It ends with this program, however that ends.
    command = ["setpriv", "--pdeathsig", "KILL", "--"]
    command += qemu(image, port, arguments.accelerator, arguments.cpus, arguments.memory_mib)
    with tempfile.NamedTemporaryFile(prefix="direct-boot-") as console:
        machine = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT)
        try:
            watch(machine, Path(console.name), SILENCE_S, LIMIT_S)
        finally:
            machine.kill()
    return time.monotonic() - began


def measure(image: Path, arguments: argparse.Namespace) -> list[float]:
    """Seconds of every boot; raises the first BootError."""
    took: list[float] = []
    handler = functools.partial(Server, directory=str(image))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with concurrent.futures.ThreadPoolExecutor(arguments.parallel) as machines:
            for number in range(arguments.runs):
                boots = [machines.submit(boot, image, port, arguments) for _ in range(arguments.parallel)]
                latest = [machine.result() for machine in boots]
                print(f"direct boot {number + 1}: {', '.join(f'{value:.1f} s' for value in latest)}", flush=True)
                took += latest
        server.shutdown()
    return took


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("images", type=Path, help="where the lab keeps finished images, one folder each")
    parser.add_argument("--image", default="", help="a folder there")
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--parallel", type=int, default=1, help="machines at once, as the demo boots two")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--memory-mib", type=int, default=2048)
    parser.add_argument("--accelerator", choices=("tcg", "kvm"), default="tcg")
    arguments = parser.parse_args()
    try:
        image, why = choose_image(arguments.images, arguments.image, "" if arguments.image else lab_image())
        print(f"image {image} ({why})", flush=True)
        print(f"median {statistics.median(measure(image, arguments)):.1f} s")
    except BootError as error:
        print(f"direct boot: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
