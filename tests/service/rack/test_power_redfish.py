# SPDX-License-Identifier: GPL-3.0-or-later
"""Power through sushy-tools' Redfish emulator over TLS, in child processes as the agent uses it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import front
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from roles.namespace import wait_until

from rackyard_core.power import registry
from rackyard_core.power.base import Bmc, PowerAuthError, PowerBusy, PowerError, PowerRefused, PowerUnreachable
from rackyard_core.power.pool import PowerPool
from rackyard_core.power.process import PowerProcess, power_in_process

EMULATOR = Path(__file__).with_name("redfish_bmc.py")
SYSTEM = "27946b59-9e44-4fa7-8e91-f3527a1ef094"


@dataclass
class RedfishBmc:
    """The emulator: where it is, and what the machine behind it looks like."""

    home: Path
    port: int
    fingerprint: str

    def bmc(self, password: str = "secret", **options: str) -> Bmc:
        pinned = {} if "power_verify_ssl" in options else {"power_tls_fingerprint": self.fingerprint}
        power = {"address": "127.0.0.1", "port": self.port, "user": "admin", "password": password}
        return registry.driver("redfish").bmc({**power, "options": {**pinned, **options}})

    def reset(self) -> None:
        for name in ("calls", "logins", "odd", "sessions", "refuse-boot", "refuse-mode"):
            (self.home / name).unlink(missing_ok=True)
        for name, text in (("user", "admin:secret"), ("systems", SYSTEM), ("power", "Off"), ("mode", "UEFI")):
            (self.home / name).write_text(text)

    def lines(self, name: str) -> list[str]:
        path = self.home / name
        return path.read_text().splitlines() if path.exists() else []


def certificate(home: Path) -> str:
    """One that its own key has signed, as BMCs come with; returns its fingerprint."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC).replace(tzinfo=None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (home / "cert.pem").write_bytes(made.public_bytes(pem))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (home / "key.pem").write_bytes(key.private_bytes(pem, *plain))
    return made.fingerprint(hashes.SHA256()).hex()


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedfishBmc]:
    home = tmp_path_factory.mktemp("redfish")
    made = RedfishBmc(home, front.free_port(socket.SOCK_STREAM), certificate(home))
    made.reset()
    command = [sys.executable, str(EMULATOR), str(home), str(made.port)]
    with (home / "log").open("ab") as log:
        running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_until(lambda: b"Running on" in (home / "log").read_bytes(), "the emulator listening", timeout_s=30)
        yield made
    finally:
        running.kill()
        running.wait()


@pytest.fixture
def redfish(emulator: RedfishBmc) -> RedfishBmc:
    emulator.reset()
    return emulator


@pytest.fixture(scope="module")
def process() -> Iterator[PowerProcess]:
    made = PowerProcess()
    yield made
    made.close()


def test_orders_switch_the_only_machine_with_its_boot_device_first(redfish: RedfishBmc) -> None:
    result = power_in_process(redfish.bmc(), "on", "pxe")
    assert (result.before, result.state, result.changed, result.warnings) == ("off", "on", True, ())
    assert power_in_process(redfish.bmc(), "on", "pxe").changed is False
    power_in_process(redfish.bmc(), "soft-off")
    wanted = ["boot Pxe", "On", "GracefulShutdown"]
    assert redfish.lines("calls") == [f"{SYSTEM} {call}" for call in wanted]


def test_boot_mode_is_set_only_when_it_differs_and_may_be_refused(redfish: RedfishBmc, process: PowerProcess) -> None:
    def boot(**options: str) -> list[str]:
        (redfish.home / "calls").unlink(missing_ok=True)
        process.call(redfish.bmc(**options), "set_boot_device", {"device": "pxe", "uefi": not options})
        return [line.removeprefix(f"{SYSTEM} ") for line in redfish.lines("calls")]

    assert boot() == ["boot Pxe"]
    assert boot(power_boot_type="legacy") == ["boot Pxe", "mode Legacy"]
    (redfish.home / "mode").write_text("Legacy")
    assert boot() == ["boot Pxe", "mode UEFI"]
    (redfish.home / "refuse-mode").touch()
    assert boot()[-1] == "boot Pxe"


def test_refused_boot_device_is_a_warning_and_the_machine_is_reset(redfish: RedfishBmc) -> None:
    (redfish.home / "refuse-boot").touch()
    (redfish.home / "power").write_text("On")
    result = power_in_process(redfish.bmc(), "reset", "pxe")
    assert redfish.lines("calls") == [f"{SYSTEM} ForceRestart"]
    assert "refused to boot from pxe next" in result.warnings[0]


def test_one_session_is_kept_for_several_calls_and_ended(redfish: RedfishBmc) -> None:
    (redfish.home / "sessions").touch()
    process = PowerProcess()
    try:
        for _again in range(3):
            assert process.call(redfish.bmc(), "state", {}) == "off"
        assert redfish.lines("logins") == ["login"]
    finally:
        process.close()
    assert redfish.lines("logins") == ["login", "logout"]


@pytest.mark.parametrize("sessions", [False, True])
def test_wrong_password_is_named_after_one_try(redfish: RedfishBmc, process: PowerProcess, sessions: bool) -> None:
    if sessions:
        (redfish.home / "sessions").touch()
    with pytest.raises(PowerAuthError, match=r"refused user 'admin'.*correct power_user and power_pass"):
        process.call(redfish.bmc("wrong"), "state", {})
    assert redfish.lines("logins") == ["refused"]


def test_certificate_is_verified_unless_that_is_switched_off(
    redfish: RedfishBmc, process: PowerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"is not trusted .*power_tls_fingerprint={redfish.fingerprint}"
    with pytest.raises(PowerError, match=words):
        process.call(redfish.bmc(power_verify_ssl="y"), "state", {})
    with pytest.raises(PowerError, match=f"another certificate .* is {redfish.fingerprint}"):
        process.call(redfish.bmc(power_tls_fingerprint="ab" * 32), "state", {})
    assert redfish.lines("logins") == []
    assert process.call(redfish.bmc(power_verify_ssl="n"), "state", {}) == "off"
    # A host that knows the authority, and an environment that says otherwise to requests.
    monkeypatch.setenv("SSL_CERT_FILE", str(redfish.home / "cert.pem"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/dev/null")
    assert power_in_process(redfish.bmc(power_verify_ssl="y"), "query").state == "off"


def test_several_systems_are_listed_until_one_is_named(redfish: RedfishBmc, process: PowerProcess) -> None:
    (redfish.home / "systems").write_text("blade1 blade2")
    for options in ({}, {"node_id": "blade3"}):
        with pytest.raises(PowerRefused, match="set node_id to one of blade1, blade2"):
            power_in_process(redfish.bmc(**options), "query")
    process.call(redfish.bmc(node_id="blade2"), "control", {"action": "on"})
    assert redfish.lines("calls") == ["blade2 On"]


@pytest.mark.parametrize(
    ("odd", "error", "words"),
    [
        ("rubbish", PowerError, "something that is not Redfish"),
        ("list", PowerError, "something that is not Redfish"),
        ("empty", PowerError, "something that is not Redfish"),
        ("megabytes", PowerError, "sent more than 1024 KiB"),
        ("busy", PowerBusy, "failed with 503"),
        ("elsewhere", PowerRefused, "sends elsewhere"),
    ],
)
def test_bmc_that_answers_oddly_is_a_named_error(
    redfish: RedfishBmc, process: PowerProcess, odd: str, error: type[PowerError], words: str
) -> None:
    (redfish.home / "odd").write_text(odd)
    with pytest.raises(error, match=words) as caught:
        process.call(redfish.bmc(), "state", {})
    assert type(caught.value) is error


def test_silent_and_dead_bmcs_are_unreachable_within_their_limits(redfish: RedfishBmc) -> None:
    (redfish.home / "odd").write_text("silent")
    late = PowerProcess()
    began = time.monotonic()
    with pytest.raises(PowerUnreachable, match="no usable answer within 1 s"):
        late.call(redfish.bmc(), "state", {}, limit_s=1.0)
    late.close()
    dead = registry.driver("redfish").bmc({"address": "127.0.0.1", "port": front.free_port(socket.SOCK_STREAM)})
    with pytest.raises(PowerUnreachable, match="does not answer Redfish"):
        registry.driver("redfish").knock(dead)
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"node_id": "../Managers"}, "no part of a path"),
        ({"power_tls_fingerprint": "abc"}, "64 hexadecimal digits"),
    ],
)
def test_option_that_cannot_be_honoured_is_refused_in_words(options: dict[str, str], words: str) -> None:
    with pytest.raises(PowerRefused, match=words):
        registry.driver("redfish").bmc({"address": "192.0.2.1", "options": options})


def test_pool_gives_a_bmc_one_worker_and_one_session(redfish: RedfishBmc) -> None:
    (redfish.home / "sessions").touch()
    pool = PowerPool(2)
    try:
        with ThreadPoolExecutor(2) as callers:
            states = callers.map(lambda bmc: pool.call(bmc, "state", lambda: None), [redfish.bmc()] * 4)
            assert list(states) == ["off"] * 4
    finally:
        pool.close()
    assert redfish.lines("logins")[:2] in (["login"], ["login", "logout"])
