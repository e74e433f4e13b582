# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from signed_repository import Signer

from ansible_collections.rackyard.metal.plugins.modules import package_repository

Result = dict[str, Any]
Run = Callable[..., Result]

OPTIONS = {"name": "vendor", "url": "https://packages.example.org/debian", "components": ["main", "tools"]}


def test_what_the_region_keeps_in_another_form_is_the_same(run: Run, tmp_path: Path) -> None:
    signer = Signer.make(tmp_path / "home")
    key = f"  {signer.public}\n"
    signer.end()
    made = run(package_repository, **OPTIONS, key=key)
    assert {**OPTIONS, "key": key.strip(), "arches": ["amd64", "arm64"]}.items() <= made["package_repository"].items()
    again = {**OPTIONS, "components": ["main", "tools", "main"], "arches": ["arm64", "amd64"]}
    assert not run(package_repository, **again, key=key)["changed"]
    assert run(package_repository, **again, key="")["package_repository"]["key"] == ""


@pytest.mark.parametrize("check", [True, False])
def test_new_one_without_its_url_is_refused(run: Run, check: bool) -> None:
    refused = run(package_repository, check=check, name="vendor")
    assert refused["failed"]
    assert "give its url" in refused["msg"]


def test_regions_refusal_is_worded(run: Run) -> None:
    refused = run(package_repository, name="vendor", url="ppa:vendor/tools")
    assert refused["failed"]
    assert "A PPA is for Ubuntu" in refused["msg"]
    assert refused["status"] == 400
