# SPDX-License-Identifier: GPL-3.0-or-later
"""host_info: what it says of this machine, and how it reads what Debian writes."""

from __future__ import annotations

import json
import os
import pwd
import shutil
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.rackyard.metal.plugins.modules import host_info

BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\nVERSION_ID="12"\nID=debian\n'
SID = 'PRETTY_NAME="Debian GNU/Linux trixie/sid"\nID=debian\n'
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04 LTS"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOOKWORM, ("12", "Debian GNU/Linux 12 (bookworm)")),
        (SID, ("", "Debian GNU/Linux trixie/sid")),
        (UBUNTU, ("", "Ubuntu 24.04 LTS")),
        ("# nothing\n", ("", "an unknown system")),
    ],
    ids=["bookworm", "sid", "ubuntu", "nothing"],
)
def test_only_a_numbered_debian_has_a_release(text: str, said: tuple[str, str]) -> None:
    assert host_info.system(text) == said


def test_packages_that_are_gone_or_half_there_are_not_installed() -> None:
    lines = ["installed nginx", "config-files squid", "half-configured bind9", "not-installed chrony"]
    assert host_info.installed(lines) == ["nginx"]


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="no Debian")
def test_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    me = pwd.getpwuid(os.getuid())
    arguments = {"users": [me.pw_name, "nobody-at-all"], "_ansible_remote_tmp": "/tmp"}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        host_info.main()
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert "dpkg" in said["packages"]
    assert "root" in said["groups"]
    assert list(said["users"]) == [me.pw_name]
    assert said["users"][me.pw_name]["home"] == me.pw_dir
    assert said["users"][me.pw_name]["shell"] == me.pw_shell
    assert said["users"][me.pw_name]["groups"]
