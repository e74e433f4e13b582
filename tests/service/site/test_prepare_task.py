# SPDX-License-Identifier: GPL-3.0-or-later
"""Role region_service brings the database up to date: what its tasks say in check mode, with the real command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
CODE = f"{ROOT / 'src'}{os.pathsep}{ROOT / 'plugins' / 'module_utils'}"
TOML = """
[region]
name = "region1"
url = "http://10.10.0.11:5240/MAAS/"
addresses = ["10.10.0.11"]
rpc_ports = [5250]
[database]
dsn = "{dsn}"
[keys]
secrets = "{home}/secrets.key"
tsig = "{home}/tsig.key"
[tls]
ca_cert = "{home}/ca.crt"
ca_key = "{home}/ca.key"
cert = "{home}/region.crt"
key = "{home}/region.key"
[paths]
images = "{home}/images"
[dns]
server = "127.0.0.1"
domain = "rackyard.internal"
"""


def install(folder: Path, dsn: str | None) -> None:
    """The command, and its configuration unless that is yet to be written."""
    command = folder / "rackyard-region"
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH={CODE} {sys.executable} -m rackyard.region.cli "$@" --config {folder}/region.toml\n'
    )
    command.chmod(0o755)
    if dsn is not None:
        (folder / "region.toml").write_text(TOML.format(dsn=dsn, home=folder))


def check(folder: Path, dsn: str) -> tuple[int, str]:
    """Run the role's tasks in check mode; exit status and what was said."""
    text = (ROOT / "roles/region_service/tasks/database.yml").read_text(encoding="utf-8")
    tasks = yaml.safe_load(text.replace("/usr/local/bin/rackyard-region", f"{folder}/rackyard-region"))
    variables: dict[str, Any] = {
        "ansible_python_interpreter": sys.executable, "region_service_makes_admin": False,
        "__region_service_settings_argv": [], "region_service_database": dsn,
    }  # fmt: skip
    play = {"hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": tasks}
    (folder / "play.yml").write_text(json.dumps([play]))
    (folder / "ansible.cfg").write_text("[defaults]\n")
    environment = {
        **os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_STDOUT_CALLBACK": "default",
    }  # fmt: skip
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "--check"]
    done = subprocess.run(
        [*command, "play.yml"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout


def test_configured_region_without_its_database_fails_and_says_which_and_what_to_do(config, tmp_path: Path) -> None:
    dsn = f"dbname=rackyard user=rackyard host={tmp_path}"
    install(tmp_path, dsn)
    status, said = check(tmp_path, dsn)
    assert status != 0
    assert f"The database of localhost ({dsn}) does not answer" in said
    assert "systemctl status 'postgresql@*'" in said
    assert "changed=0" in said


@pytest.mark.parametrize("installed", [False, True], ids=["no-command", "no-configuration"])
def test_fresh_host_would_be_changed(tmp_path: Path, installed: bool) -> None:
    if installed:
        install(tmp_path, None)
    status, said = check(tmp_path, "dbname=rackyard")
    assert status == 0, said
    assert "changed=1" in said


def test_database_that_lacks_nothing_is_not_changed(config, tmp_path: Path) -> None:
    install(tmp_path, config.dsn)
    status, said = check(tmp_path, config.dsn)
    assert status == 0, said
    assert "changed=0" in said
