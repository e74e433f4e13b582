# SPDX-License-Identifier: GPL-3.0-or-later
"""Journal lines as evidence; machines choose names and URLs, so most of these are hostile."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackyard.rack.evidence import from_journal


def entry(identifier: str, message: Any, cursor: str = "c1") -> dict[str, Any]:
    return {
        "__CURSOR": cursor,
        "__REALTIME_TIMESTAMP": "1760000000123456",
        "SYSLOG_IDENTIFIER": identifier,
        "MESSAGE": message,
    }


def http(**changes: Any) -> str:
    line = {
        "remote": "10.20.0.100", "local": "10.20.0.2", "method": "GET", "uri": "/ipxe.cfg", "status": 200,
        "bytes": 250, "length": "250", "complete": "OK", "seconds": 0.001,
    }  # fmt: skip
    return json.dumps({**line, **changes})


def test_lease_gets_a_padded_mac_a_time_and_a_key() -> None:
    found = from_journal(entry("dhcpd", "rackyard-lease commit 10.20.0.100 52:54:0:a:b:1 600"))
    assert found is not None
    assert found.kind == "leases"
    assert found.item == {
        "key": found.item["key"],
        "at": "2025-10-09T08:53:20.123456+00:00",
        "action": "commit",
        "ip": "10.20.0.100",
        "mac": "52:54:00:0a:0b:01",
        "lease_s": 600,
    }


def test_key_follows_the_cursor_only() -> None:
    line = "rackyard-lease release 10.20.0.100 52:54:00:0a:0b:01 0"
    keys = [from_journal(entry("dhcpd", line, cursor)).item["key"] for cursor in ("c1", "c1", "c2")]
    assert keys[0] == keys[1] != keys[2]


@pytest.mark.parametrize(
    "line",
    [
        "DHCPACK on 10.20.0.100 to 52:54:00:00:00:01 via eth0",
        "rackyard-lease commit 10.20.0.100 52:54:00:00:00:01 600 extra",
        "rackyard-lease steal 10.20.0.100 52:54:00:00:00:01 600",
        "rackyard-lease commit 999.20.0.100 52:54:00:00:00:01 600",
        "rackyard-lease commit 10.20.0.100 52:54:00:00:00 600",
        'client says "rackyard-lease commit 10.20.0.100 52:54:00:00:00:01 600"',
    ],
)
def test_other_dhcpd_lines_are_no_leases(line: str) -> None:
    assert from_journal(entry("dhcpd", line)) is None


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ("RRQ from 10.20.0.100 filename bootx64.efi", "bootx64.efi by TFTP"),
        ("RRQ from ::ffff:10.20.0.100 filename /lpxelinux.0", "lpxelinux.0 by TFTP"),
        ("RRQ from 10.20.0.100 filename boot\\bootx64.efi remapped to boot/bootx64.efi", "boot/bootx64.efi by TFTP"),
    ],
)
def test_loader_by_tftp(line: str, detail: str) -> None:
    found = from_journal(entry("in.tftpd", line))
    assert found is not None
    assert {key: found.item[key] for key in ("type", "ip", "detail", "daemon")} == {
        "type": "loader", "ip": "10.20.0.100", "detail": detail, "daemon": "in.tftpd",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "grub/x86_64-efi/command.lst",
        "grub/grub.cfg",
        "revocations_sbat.efi",
        "shim_certificate_0.efi",
        "a.efi\nrackyard-lease commit 10.20.0.9 52:54:00:00:00:01 9",
        "$(reboot).efi",
        "x" * 3000 + ".efi",
        "\x00.efi",
        "",
    ],
)
def test_hostile_and_meaningless_file_names_are_dropped(name: str) -> None:
    assert from_journal(entry("in.tftpd", f"RRQ from 10.20.0.100 filename {name}")) is None


def test_message_that_is_not_utf8_comes_as_numbers() -> None:
    assert from_journal(entry("in.tftpd", [*b"RRQ from 10.20.0.100 filename \xff\xfe.efi"])) is None
    assert from_journal(entry("in.tftpd", [*b"RRQ from 10.20.0.100 filename bootx64.efi"])) is not None
    assert from_journal(entry("in.tftpd", [300, -1, "x"])) is None


def test_squashfs_is_an_image_with_size_and_time() -> None:
    path = "/images/" + "a" * 64 + "/filesystem.squashfs"
    found = from_journal(entry("rackyard_http", http(uri=path, bytes=225000000, seconds=4.25)))
    assert found is not None
    assert found.item["type"] == "image"
    assert found.item["detail"] == "filesystem.squashfs, 214.6 MiB in 4.2 s"


@pytest.mark.parametrize("odd", ["9" * 400, "NaN", "1e999", "true", "null", '"many"'])
def test_odd_sizes_do_not_break_the_reader(odd: str) -> None:
    message = http(uri="/images/x/vmlinuz").replace('"bytes": 250', f'"bytes": {odd}')
    assert odd in message
    assert from_journal(entry("rackyard_http", message)) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"complete": ""},
        {"status": 404},
        {"method": "POST"},
        {"uri": "/images/../etc/passwd"},
        {"uri": "/images/a b"},
        {"remote": "nobody"},
    ],
)
def test_incomplete_or_odd_fetches_are_no_images(changes: dict[str, Any]) -> None:
    assert from_journal(entry("rackyard_http", http(**{"uri": "/images/x/vmlinuz", **changes}))) is None


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("/ipxe.cfg", "loader"),
        ("/boot/bootx64.efi", "loader"),
        ("/ldlinux.c32", "loader"),
        ("/ipxe.cfg-52-54-00-00-00-01", None),
        ("/grub/grub.cfg-52:54:00:00:00:01", None),
        ("/MAAS/metadata/latest/meta-data/instance-id", None),
    ],
)
def test_what_http_fetches_prove(uri: str, kind: str | None) -> None:
    found = from_journal(entry("rackyard_http", http(uri=uri)))
    assert (found.item["type"] if found else None) == kind


@given(st.sampled_from(["dhcpd", "in.tftpd", "rackyard_http", "sshd"]), st.text() | st.lists(st.integers()))
def test_no_message_breaks_the_reader(identifier: str, message: Any) -> None:
    from_journal(entry(identifier, message))


@pytest.mark.parametrize("message", ["[" * 100_000, '{"uri":' * 2000, "null", "[]"])
def test_deep_or_odd_json_is_no_evidence(message: str) -> None:
    assert from_journal(entry("rackyard_http", message)) is None
