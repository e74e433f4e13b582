# SPDX-License-Identifier: GPL-3.0-or-later
"""Pure decisions of the region: rack for a BMC, kernel line, names, tokens, statuses."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rackyard.region.errors import BadRequest, Conflict
from rackyard.region.metadata import preseed
from rackyard.region.services.boots import kernel_line
from rackyard.region.services.boots.kernel_line import KernelLine
from rackyard.region.services.racks import identity, names
from rackyard.region.status import FAILURES, TRANSITIONS, Status, check, label

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def line(**changes) -> KernelLine:
    fields = {
        "boot_id": "0" * 32, "mac": "52:54:00:00:00:01", "rack_address": "10.20.0.2",
        "subnet_name": "10-20-0-0--24.rackyard.internal", "squashfs_path": "/images/abc/filesystem.squashfs",
    }  # fmt: skip
    return KernelLine(**(fields | changes))


def test_kernel_line_has_no_ip_parameter_and_no_secret():
    words = kernel_line.build(line(options=("console=ttyS0",)))
    assert not any(word.startswith("ip=") for word in words)
    assert words[0] == "boot=live"
    assert words.index("panic=20") < words.index("console=ttyS0"), "what a site says comes later, and wins"
    assert words[5] == "cc:{'datasource_list': ['MAAS']}end_cc"
    assert kernel_line.build(line(rack_address="fd00::2"))[1].startswith("fetch=http://[fd00::2]:5248/")


@pytest.mark.parametrize("option", ["a'b", "a b", "$(x)", "a{b}", "a;b", 'a"b', "a\\b", "a\nb", ""])
def test_kernel_options_cannot_break_out_of_a_loaders_configuration(option: str):
    with pytest.raises(BadRequest, match="kernel parameter"):
        kernel_line.build(line(options=(option,)))


@pytest.mark.parametrize("options", [("a" * 200,) * 10, ("a",) * 200])
def test_kernel_line_that_a_kernel_or_a_rack_would_not_take_is_refused(options: tuple[str, ...]):
    assert kernel_line.build(line(options=options[:4]))
    with pytest.raises(BadRequest, match="shorten the kernel_opts"):
        kernel_line.build(line(options=options))


@given(st.text(max_size=40))
def test_what_stands_on_the_line_is_plain_whatever_the_option_was(option: str):
    try:
        words = kernel_line.build(line(options=(option,)))
    except BadRequest:
        return
    assert all(re.fullmatch(r"[!-~]+", word) for word in words if not word.startswith("cc:"))


@pytest.mark.parametrize(
    ("cidr", "label"),
    [("10.20.0.0/24", "10-20-0-0--24"), ("fd00:1::/64", "fd00-1----64"), ("10.0.0.0/8", "10-0-0-0--8")],
)
def test_subnet_names(cidr: str, label: str):
    assert names.subnet_label(cidr) == label
    assert names.is_subnet_label(label)


def test_token_text_goes_there_and_back_and_forgeries_are_named():
    token = identity.encode_token(["https://10.10.0.11:5250"], "ab" * 32, "s3cret")
    assert token.startswith("rye1.")
    assert "\n" not in token
    assert identity.decode_token(f" {token}\n")["secret"] == "s3cret"
    for wrong in ("", "rye1.", "rye1.####", "rye2." + token[5:], token[:-10]):
        with pytest.raises(BadRequest, match="not an enrolment token"):
            identity.decode_token(wrong)


def test_status_names_are_those_of_maas_and_forbidden_changes_are_named():
    assert [status.label for status in Status] == [
        "New", "Commissioning", "Failed commissioning", "Missing", "Ready", "Reserved", "Deployed", "Retired", "Broken",
        "Deploying", "Allocated", "Failed deployment", "Releasing", "Releasing failed", "Disk erasing",
        "Failed disk erasing", "Rescue mode", "Entering rescue mode", "Failed to enter rescue mode",
        "Exiting rescue mode", "Failed to exit rescue mode", "Testing", "Failed testing",
    ]  # fmt: skip
    assert list(Status) == list(range(23))
    assert set(TRANSITIONS) == set(Status)
    assert label(4) == "Ready"
    assert label(99) == "Status 99"
    for running, failed in FAILURES.items():
        assert failed in TRANSITIONS[running]
    with pytest.raises(
        Conflict, match=r"machine m1 is Commissioning and cannot become Commissioning; possible now: New"
    ):
        check("m1", Status.COMMISSIONING, Status.COMMISSIONING)


def test_preseed_uses_the_subnets_name_for_everything():
    document = preseed.render(
        preseed.Preseed("abc123", "m1", "10-20-0-0--24.rackyard.internal", preseed.Credentials("c", "t", "s"))
    )
    assert document.startswith("#cloud-config\n")
    assert '"http_proxy": "http://10-20-0-0--24.rackyard.internal:8000"' in document
    assert '"10-20-0-0--24.rackyard.internal:5247"' in document
    assert '"endpoint": "http://10-20-0-0--24.rackyard.internal:5248/MAAS/metadata/status/abc123"' in document
