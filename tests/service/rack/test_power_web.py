# SPDX-License-Identifier: GPL-3.0-or-later
"""Power through web servers, in child processes as the agent uses them: webhooks, and a stand-in for Proxmox VE."""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from authority import Authority

from rackyard.rack import cli
from rackyard.rack.jobs import JobRunner
from rackyard.rack.spool import Spool
from rackyard_core.power import registry
from rackyard_core.power.base import Bmc, PowerAuthError, PowerBusy, PowerError, PowerRefused, PowerUnreachable
from rackyard_core.power.pool import PowerPool
from rackyard_core.power.process import PowerProcess, power_in_process

from .conftest import wait_until
from .web_bmcs import Hook, Proxmox, certificate, served

LOOPBACK = ("127.0.0.0/8", "::1/128")


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    with served(made):
        yield made


@pytest.fixture
def trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """An authority that the children trust as if it were installed (OpenSSL's own variable)."""
    made = Authority()
    (tmp_path / "ca.crt").write_bytes(made.pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.crt"))
    return made


@pytest.fixture
def pve(trusted: Authority, tmp_path: Path) -> Iterator[Proxmox]:
    made = Proxmox()
    with served(made, certificate(trusted, tmp_path)):
        yield made


def webhook(port: int, networks=LOOPBACK, host: str = "127.0.0.1", scheme: str = "http", **given: str) -> Bmc:
    """The BMC as a region's job has it."""
    base = f"{scheme}://{host}:{port}/m1"
    who = {name: given.pop(name, "") for name in ("user", "password")}
    options = {"power_off_uri": f"{base}/off", "power_query_uri": f"{base}?of=power", **given}
    power = {"address": f"{base}/on", "options": options, "bmc_networks": networks, **who}
    return registry.driver("webhook").bmc(power)


def proxmox(port: int, vm: str = "web", password: str = "", host: str = "localhost", **given: str) -> Bmc:
    """The same; the certificate of `pve` is one of localhost."""
    token = {} if password else {"power_token_name": "rack", "power_token_secret": "0-1-2"}
    options = {"power_vm_name": vm, **token, **given}
    power = {"address": host, "port": port, "user": "root@pam", "password": password, "options": options}
    return registry.driver("proxmox").bmc({**power, "bmc_networks": LOOPBACK})


def state(bmc: Bmc, limit_s: float = 20.0) -> str:
    process = PowerProcess()
    try:
        return process.call(bmc, "state", {}, limit_s)
    finally:
        process.close()


def test_webhook_switches_and_says_that_it_sets_no_boot_device(hook: Hook) -> None:
    result = power_in_process(webhook(hook.port), "on", "pxe")
    assert (result.before, result.state, hook.power) == ("off", "on", "running")
    assert "cannot set the boot device" in result.warnings[0]
    assert "set network boot first in the firmware's boot order" in result.warnings[0]
    assert hook.asked == ["GET /m1?of=power", "POST /m1/on", "GET /m1?of=power"]
    assert power_in_process(webhook(hook.port), "off").state == "off"
    with pytest.raises(PowerRefused, match="has no soft-off"):
        power_in_process(webhook(hook.port, power_on_regex="stopped", power_off_regex="running"), "soft-off")


def test_job_of_a_region_is_done_within_the_networks_of_the_rack(
    hook: Hook, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"http://127.0.0.1:{hook.port}/m1"
    hook.wanted_header = "Bearer t0ken"
    options = {"power_off_uri": f"{base}/off", "power_query_uri": f"{base}?of=power", "power_token": "t0ken"}
    power = {"type": "webhook", "address": f"{base}/on", "port": None, "user": "", "password": "", "options": options}
    job = {"kind": "power_on", "epoch": 1, "machine": "abcdef", "hostname": "m1", "limit_s": 60, "boot_device": "pxe"}
    spool, pool = Spool(tmp_path / "spool"), PowerPool(1)
    for number, networks in enumerate(((), LOOPBACK)):
        runner = JobRunner(spool, pool, tmp_path / "jobs", bmc_networks=networks)
        runner.submit({**job, "id": number, "power": power})
        wait_until(lambda number=number: len(spool) > number, "the report", timeout_s=20)
    pool.close()
    refused, done = (item["result"] for batch in spool.batches() for item in batch.items)
    assert (refused["error_kind"], refused["given"]) == ("unreachable", [])
    assert (done["ok"], done["power_state"]) == (True, "on")
    assert "set network boot first" in done["warnings"][0]
    # The command of the rack goes by the same networks.
    (tmp_path / "rack.toml").write_text(
        '[rack]\nname="r"\n[paths]\nidentity="a"\nstate="b"\n[daemons]\nroot="c"\n[power]\nbmc_networks=["127.0.0.0/8"]'
    )
    command = ["--config", str(tmp_path / "rack.toml"), "power", "query", "--type", "webhook", "--user", ""]
    command += ["--address", f"{base}/on", "--parameter", f"power_off_uri={base}/off"]
    command += ["--parameter", f"power_query_uri={base}?of=power"]
    hook.wanted_header = ""
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert cli.main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "on"
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    assert cli.main([*command, "--parameter", "power_token=t0ken"]) == 1
    assert "t0ken" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ({"power_token": "t0ken", "user": "ann", "password": "x"}, "Bearer t0ken"),
        ({"user": "ann", "password": "gehéim"}, "Basic YW5uOmdlaMOpaW0="),
    ],
)
def test_webhook_logs_in_by_token_or_by_name(hook: Hook, given: dict[str, str], header: str) -> None:
    hook.wanted_header = header
    assert state(webhook(hook.port, **given)) == "off"
    with pytest.raises(PowerAuthError, match="refused the user, password or token"):
        state(webhook(hook.port))


@pytest.mark.parametrize(
    ("odd", "error", "words"),
    [
        (("500 Broken", {}, b"status: running"), PowerError, "answered 500 Broken to power_query_uri"),
        (("404 Not Found", {}, b""), PowerRefused, "answered 404"),
        (("503 Later", {}, b""), PowerBusy, "is busy"),
        (("302 Found", {"Location": "http://127.0.0.1:1/"}, b""), PowerRefused, "not followed"),
        (("200 OK", {}, b"x" * 3_000_000), PowerError, "more than 64 KiB"),
        (("200 OK", {"Content-Length": "9"}, b"status"), PowerError, "neither power_on_regex nor power_off_regex"),
        (("200 OK", {}, b"status: running, not stopped"), PowerError, "both expressions match"),
        (("200 OK", {}, b"\x00\xff" * 99), PowerError, "neither power_on_regex nor power_off_regex"),
        (("200 OK", {"X": "y" * 70_000}, b""), PowerError, "not HTTP"),
    ],
)
def test_odd_answers_are_errors_in_words(hook: Hook, odd, error: type[PowerError], words: str) -> None:
    hook.odd = lambda: odd
    with pytest.raises(PowerError, match=words) as raised:
        state(webhook(hook.port))
    assert type(raised.value) is error


def test_server_that_hangs_and_expression_that_never_ends_end_with_the_call(hook: Hook) -> None:
    hook.odd = lambda: (hook.released.wait(20), ("200 OK", {}, b""))[1]
    began = time.monotonic()
    with pytest.raises(PowerUnreachable, match="no usable answer within 1 s"):
        state(webhook(hook.port), 1.0)
    hook.released.set()
    hook.odd = lambda: ("200 OK", {}, b"a" * 60)
    with pytest.raises(PowerUnreachable, match="no usable answer within 1 s"):
        state(webhook(hook.port, power_on_regex="(a+)+$x"), 1.0)
    assert time.monotonic() - began < 6


def test_rack_asks_nobody_outside_the_networks_of_bmcs(hook: Hook) -> None:
    for networks, host in (((), "127.0.0.1"), (("10.30.0.0/24",), "127.0.0.1"), (("10.30.0.0/24",), "localhost")):
        bmc = webhook(hook.port, networks, host)
        for ask in (registry.driver("webhook").knock, state):
            with pytest.raises(PowerUnreachable, match=r"in no network of BMCs.*rack_service_bmc_networks"):
                ask(bmc)
    assert hook.asked == []
    with pytest.raises(PowerRefused, match="must have the same scheme, host and port"):
        webhook(hook.port, power_off_uri="http://127.0.0.2/off")
    registry.driver("webhook").knock(webhook(hook.port))
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(PowerUnreachable, match="does not answer"):
            registry.driver("webhook").knock(webhook(closed.getsockname()[1]))


def test_certificate_is_verified_unless_that_is_switched_off(
    pve: Proxmox, hook: Hook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert state(proxmox(pve.port)) == "off"
    with pytest.raises(PowerError, match=r"does not speak TLS"):
        state(proxmox(hook.port))
    with pytest.raises(PowerError, match=r"is not trusted.*IP address mismatch"):
        state(proxmox(pve.port, host="127.0.0.1"))
    (tmp_path / "other.crt").write_bytes(Authority("Somebody else").pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.crt"))
    with pytest.raises(PowerError, match=r"is not trusted.*power_verify_ssl=n"):
        state(proxmox(pve.port))
    assert state(proxmox(pve.port, power_verify_ssl="n")) == "off"


def test_proxmox_switches_a_vm_by_name_and_by_number(pve: Proxmox) -> None:
    result = power_in_process(proxmox(pve.port), "on", "pxe")
    assert (result.state, pve.vms[101]["status"]) == ("on", "running")
    assert "no boot device for the next boot only" in result.warnings[0]
    pve.vms[101]["node"] = "pve2"
    by_password = proxmox(pve.port, "101", "sesame & more")
    assert power_in_process(by_password, "reset").actions == ("reset",)
    pve.locked = 1
    assert power_in_process(by_password, "soft-off").state == "off", "a VM that is locked for a moment is tried again"
    assert pve.asked.count("POST /api2/json/nodes/pve2/qemu/101/status/shutdown") == 2


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"password": "wrong"}, PowerAuthError, "refused the user, password or token"),
        ({"power_token_secret": "9"}, PowerAuthError, "refused the user, password or token"),
        ({"vm": "twin"}, PowerRefused, r"several VMs of the name twin \(102, 103\)"),
        ({"vm": "box"}, PowerRefused, "shows no VM box"),
        ({"vm": "../101"}, PowerRefused, "shows no VM"),
    ],
)
def test_proxmox_that_refuses_is_told_in_words(
    pve: Proxmox, given: dict[str, str], error: type[PowerError], words: str
) -> None:
    with pytest.raises(error, match=words):
        state(proxmox(pve.port, **given))


def test_web_server_that_is_no_proxmox_is_told_so(pve: Proxmox, monkeypatch: pytest.MonkeyPatch) -> None:
    for body in (b"<html>", b"[" * 100_000, b'{"data": {"a": 1}}', b'{"data": [{"type": "qemu", "name": "web"}]}'):
        monkeypatch.setattr(pve, "answer", lambda *_asked, body=body: ("200 OK", {}, body))
        with pytest.raises(PowerError, match=r"BMC localhost port .* sent") as raised:
            state(proxmox(pve.port))
        assert type(raised.value) is PowerError
