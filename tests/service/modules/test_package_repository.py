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
MADE = {
    **OPTIONS, "distributions": [], "arches": ["amd64", "arm64"], "key": "", "enabled": True, "disable_sources": True,
}  # fmt: skip


def test_create_then_again_converges(run: Run) -> None:
    foretold, first = run(package_repository, check=True, **OPTIONS), run(package_repository, **OPTIONS)
    assert first["actions"] == foretold["actions"] == ["create package repository vendor"]
    assert first["package_repository"] == foretold["package_repository"] == MADE
    assert first["diff"] == {"before": {}, "after": MADE}
    assert not run(package_repository, **OPTIONS)["changed"]
    assert not run(package_repository, name="vendor")["changed"]
    again = {**OPTIONS, "components": ["main", "tools", "main"], "arches": ["arm64", "amd64"]}
    assert not run(package_repository, **again)["changed"]


def test_each_change_is_made_once_and_the_rest_is_left_alone(run: Run, tmp_path: Path) -> None:
    run(package_repository, **OPTIONS)
    signer = Signer.make(tmp_path / "home")
    changes: list[Result] = [
        {"url": "http://other.example.org"},
        {"components": []},
        {"distributions": ["trixie"]},
        {"arches": ["arm64"]},
        {"enabled": False},
        {"disable_sources": False},
        {"key": f"  {signer.public}\n"},
    ]
    signer.end()
    expected = dict(MADE)
    for change in changes:
        foretold = run(package_repository, check=True, name="vendor", **change)
        done = run(package_repository, name="vendor", **change)
        assert done["actions"] == foretold["actions"] == ["update package repository vendor"], change
        expected |= {name: value.strip() if name == "key" else value for name, value in change.items()}
        assert done["package_repository"] == foretold["package_repository"] == expected
        assert done["diff"]["after"] == expected
        assert not run(package_repository, name="vendor", **change)["changed"], change


def test_repository_is_removed_once(run: Run) -> None:
    run(package_repository, **OPTIONS)
    gone = {"name": "vendor", "state": "absent"}
    assert run(package_repository, check=True, **gone)["changed"]
    done = run(package_repository, **gone)
    assert (done["actions"], done["package_repository"]) == (["delete package repository vendor"], {})
    assert not run(package_repository, **gone)["changed"]


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
