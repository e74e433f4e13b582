# SPDX-License-Identifier: GPL-3.0-or-later
"""A BMC (OpenIPMI's ipmi_sim), a region's RPC behind nginx, and a rack with its agent: all real processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import front
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from roles.namespace import program, wait_until

from rackyard.daemons.http import REGION_NAME
from rackyard.rack.config import RackConfig
from rackyard.region.clock import Clock
from rackyard.region.config import Config
from rackyard.region.context import Context
from rackyard_core.power.base import Bmc
from rackyard_core.power.ipmi import bmc as ipmi_bmc

REPOSITORY = Path(__file__).resolve().parents[3]
CODE = f"{REPOSITORY}/src:{REPOSITORY}/plugins/module_utils"


CHASSIS = """#!/bin/sh
# Called by ipmi_sim: "0x20 get power boot", "0x20 set power 1". A soft shutdown arrives as "set shutdown 1".
state="$(dirname "$0")/chassis.state"
mkdir -p "$state"
echo "$*" >> "$state/calls"
verb="$2"
shift 2
case "$verb" in
  get) for key in "$@"; do echo "$key:$(cat "$state/$key" 2>/dev/null || echo 0)"; done ;;
  set)
    [ "$1" = boot ] && [ -e "$state/refuse-boot" ] && exit 1
    [ "$1" = power ] && [ "$2" = 1 ] && [ -e "$state/stuck" ] && exit 0
    [ "$1" = power ] && [ "$2" = 0 ] && [ -e "$state/slow-off" ] && exit 0
    [ "$1" = shutdown ] && [ -e "$state/slow-shutdown" ] && exit 0
    [ "$1" = shutdown ] && echo 0 > "$state/power" || echo "$2" > "$state/$1"
    ;;
esac
"""


@dataclass
class SimulatedBmc:
    """One ipmi_sim: login, and what the machine behind it looks like."""

    bmc: Bmc
    home: Path
    process: subprocess.Popen[bytes]

    @property
    def state(self) -> Path:
        return self.home / "chassis.state"

    @property
    def power(self) -> str:
        path = self.state / "power"
        return "on" if path.exists() and path.read_text().strip() == "1" else "off"

    @power.setter
    def power(self, value: str) -> None:
        (self.state / "power").write_text("1" if value == "on" else "0")

    def restart(self) -> None:
        """As when its firmware is updated: every session is gone."""
        self.process.kill()
        self.process.wait()
        self.process = start_sim(self.home, self.bmc.port)

    def calls(self) -> list[str]:
        """What was changed, in order."""
        lines = (self.state / "calls").read_text().splitlines() if (self.state / "calls").exists() else []
        return [line.removeprefix("0x20 set ") for line in lines if line.startswith("0x20 set ")]


@pytest.fixture
def sim(tmp_path: Path) -> Iterator[SimulatedBmc]:
    """A BMC on a free port of the loopback, user admin, password secret."""
    home = tmp_path / "bmc"
    (home / "chassis.state").mkdir(parents=True)
    (home / "state").mkdir()
    (home / "chassis").write_text(CHASSIS)
    (home / "chassis").chmod(0o755)
    port = front.free_port(socket.SOCK_DGRAM)
    levels = "\n".join(
        f"allowed_auths_{level} none md2 md5 straight" for level in ("callback", "user", "operator", "admin")
    )
    (home / "lan.conf").write_text(
        f'name "bmc"\nset_working_mc 0x20\nstartlan 1\naddr 127.0.0.1 {port}\npriv_limit admin\n{levels}\n'
        "guid a123456789abcdefa123456789abcdef\nendlan\n"
        f'chassis_control "{home}/chassis 0x20"\n'
        'user 2 true "admin" "secret" admin 10 none md2 md5 straight\n'
    )
    (home / "emu").write_text(
        "mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n"
        "sel_enable 0x20 1000 0x0a\nmc_enable 0x20\n"
    )
    made = SimulatedBmc(ipmi_bmc("127.0.0.1", "admin", "secret", port), home, start_sim(home, port))
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


def start_sim(home: Path, port: int) -> subprocess.Popen[bytes]:
    """ipmi_sim with the configuration in ``home``, listening."""
    arguments = ["-c", str(home / "lan.conf"), "-f", str(home / "emu"), "-s", str(home / "state"), "-n"]
    command = [program("ipmi_sim", "openipmi"), *arguments]
    with (home / "log").open("ab") as log:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=home)
    wait_until(lambda: _bound(port), "ipmi_sim listening")
    return running


def _bound(port: int) -> bool:
    """Seen from outside: a probe that binds the port itself may be what keeps ipmi_sim from it."""
    return f" 0100007F:{port:04X} " in Path("/proc/net/udp").read_text()


def make_certificates(config: Config) -> None:
    """A CA and the region's server certificate for its addresses, as the role controller_identity makes them."""
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Rackyard certificate authority")])
    ca_id = x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key())

    def builder(name: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        dated = (
            x509.CertificateBuilder()
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=9))
        )
        return (
            dated.subject_name(name).issuer_name(ca_name).public_key(public).serial_number(x509.random_serial_number())
        )

    ca = (
        builder(ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(ca_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    names = [*(x509.IPAddress(ip_address(address)) for address in config.addresses), x509.DNSName(REGION_NAME)]
    server = (
        builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, config.name)]), key.public_key())
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(ca_id), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = (pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    config.ca_cert.write_bytes(ca.public_bytes(pem))
    config.ca_key.write_bytes(ca_key.private_bytes(*plain))
    config.tls_cert.write_bytes(server.public_bytes(pem))
    config.tls_key.write_bytes(key.private_bytes(*plain))


@dataclass
class Region:
    """A region of which only the RPC runs, nginx and one port's processes; its services are called here by ``ctx``."""

    ctx: Context
    url: str
    home: Path
    running: ExitStack | None = None

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def start(self) -> None:
        sockets = self.home / "run"
        sockets.mkdir(exist_ok=True)
        self.running = ExitStack()
        binds = {kind: sockets / f"{kind}-{self.port}.sock" for kind in ("rpc", "polls")}
        for kind, bind in binds.items():
            self.running.enter_context(front.process(kind, bind, self.home / "region.toml", self.home / f"{kind}.log"))
        for kind, bind in binds.items():
            wait_until(lambda each=bind: front.answers(each), f"{kind} listening", timeout_s=60)
        config = self.ctx.config
        nginx = front.region_nginx(
            self.home / "nginx", ports=[self.port], plain_port=front.free_port(), sockets=sockets,
            tls=config.ca_cert.parent, images=config.images,
        )  # fmt: skip
        self.running.callback(nginx.stop)
        nginx.start()

    def stop(self) -> None:
        if self.running is not None:
            self.running.close()
            self.running = None


@pytest.fixture
def region(config: Config, tmp_path: Path) -> Iterator[Region]:
    """A running region on the loopback."""
    port = front.free_port(socket.SOCK_STREAM)
    local = replace(config, addresses=("127.0.0.1",), rpc_ports=(port,))
    make_certificates(local)
    local.tsig_key.write_text("")
    (tmp_path / "region.toml").write_text(
        f'[region]\nname = "region1"\nurl = "{local.url}"\naddresses = ["127.0.0.1"]\nrpc_ports = [{port}]\n'
        f'[database]\ndsn = "{local.dsn}"\n'
        f'[keys]\nsecrets = "{local.secrets_key}"\ntsig = "{local.tsig_key}"\n'
        f'[tls]\nca_cert = "{local.ca_cert}"\nca_key = "{local.ca_key}"\n'
        f'cert = "{local.tls_cert}"\nkey = "{local.tls_key}"\n'
        f'[paths]\nimages = "{local.images}"\n[dns]\nserver = "127.0.0.1"\ndomain = "rackyard.internal"\n'
    )
    context = replace(Context.from_config(local), clock=Clock())
    running = Region(context, f"https://127.0.0.1:{port}", tmp_path)
    running.start()
    yield running
    running.stop()
    context.close()


SYSTEMCTL = """#!/bin/sh
# There is no systemd where tests run: everything is active but what the file "failed" names, and what was asked for is
# written down.
echo "$*" >> "$(dirname "$0")/systemctl.calls"
failed="$(cat "$(dirname "$0")/failed" 2>/dev/null)"
case "$*" in
  show*--value*) echo active ;;
  show*) for name in "$@"; do
    state=active result=success
    [ "$name" = "$failed" ] && state=failed result=exit-code
    case "$name" in
      *.service) printf 'Id=%s\\nLoadState=loaded\\nActiveState=%s\\nResult=%s\\n\\n' "$name" $state $result ;;
    esac
  done ;;
esac
"""
JOURNALCTL = """#!/bin/sh
exec tail -n +1 -F "$(dirname "$0")/journal"
"""


@dataclass
class RackHost:
    """A rack's files, and its agent as a process, which may run `code` of another release."""

    config: RackConfig
    home: Path
    process: subprocess.Popen[bytes] | None = None
    code: str = CODE

    @property
    def config_file(self) -> Path:
        return self.home / "rack.toml"

    @property
    def systemctl_calls(self) -> list[str]:
        path = self.home / "bin/systemctl.calls"
        return path.read_text().splitlines() if path.exists() else []

    def log(self, line: str) -> None:
        """Append one line (JSON) to the journal."""
        with (self.home / "bin/journal").open("a") as stream:
            stream.write(line + "\n")

    def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": self.code, "PYTHONDONTWRITEBYTECODE": "1"}
        environment["PATH"] = f"{self.home}/bin:{environment['PATH']}"
        command = [sys.executable, "-m", "rackyard.rack.cli", "--config", str(self.config_file), "agent"]
        with (self.home / "agent.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, cwd="/", start_new_session=True
            )

    def stop(self) -> None:
        """As systemd does it: everybody in the group is told."""
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(timeout=10)
            self.process = None

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def prepare_rack(home: Path, url: str, name: str = "rack1") -> RackHost:
    """The files of a rack whose region is at ``url``; it is not enrolled yet."""
    (home / "bin").mkdir(parents=True)
    for program_name, text in (("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)):
        (home / "bin" / program_name).write_text(text)
        (home / "bin" / program_name).chmod(0o755)
    (home / "bin/journal").touch()
    (home / "state").mkdir()
    config = RackConfig(name, (url,), home / "identity", home / "state", home / "daemons", power_workers=2)
    (home / "rack.toml").write_text(
        f'[rack]\nname = "{name}"\nregions = ["{url}"]\n'
        f'[paths]\nidentity = "{config.identity}"\nstate = "{config.state}"\n'
        f'[daemons]\nroot = "{config.daemons_root}"\n[power]\nworkers = 2\n'
    )
    return RackHost(config, home)


@pytest.fixture
def rack(region: Region, tmp_path: Path) -> Iterator[RackHost]:
    """A rack called rack1 that is not enrolled yet."""
    host = prepare_rack(tmp_path / "rack", region.url)
    yield host
    host.kill()
