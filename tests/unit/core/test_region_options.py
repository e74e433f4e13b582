# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the connection's options come from when a task does not give them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import env_fallback
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from rackyard_core.client import RegionError
from rackyard_core.region_options import key_from_file, region_client, region_options


def options(**given: Any) -> dict[str, Any]:
    """Options as a module has them."""
    result = ArgumentSpecValidator(region_options(env_fallback)).validate(given)
    assert result.error_messages == []
    validated: dict[str, Any] = result.validated_parameters
    return validated


def test_everything_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "RACKYARD_URL": "https://region1:5443/MAAS",
        "RACKYARD_API_KEY": "a:b:c",
        "RACKYARD_VALIDATE_CERTS": "false",
        "RACKYARD_CA_PATH": "/etc/ca.pem",
        "RACKYARD_REQUEST_TIMEOUT_S": "7.5",
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    assert options() == {
        "region_url": "https://region1:5443/MAAS",
        "api_key": "a:b:c",
        "validate_certs": False,
        "ca_path": "/etc/ca.pem",
        "request_timeout_s": 7.5,
    }
    assert options(api_key="d:e:f", validate_certs=True)["api_key"] == "d:e:f"


def test_key_comes_from_an_injected_file_with_an_empty_ca_beside_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """AWX makes a file of each secret that a credential may have, also of those that it has not."""
    (tmp_path / "key").write_text("a:b:c\n", encoding="utf-8")
    (tmp_path / "ca").touch()
    monkeypatch.setenv("RACKYARD_URL", "https://127.0.0.1:1/MAAS")
    monkeypatch.setenv("RACKYARD_API_KEY", "")
    monkeypatch.setenv("RACKYARD_API_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("RACKYARD_CA_PATH", str(tmp_path / "ca"))
    assert key_from_file() == "a:b:c"
    with pytest.raises(RegionError, match="cannot be reached"):  # so the key is taken, and no CA missed
        region_client(options()).get("version/")


def test_a_key_that_is_missing_or_unreadable_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RACKYARD_API_KEY", raising=False)
    monkeypatch.delenv("RACKYARD_API_KEY_FILE", raising=False)
    wanted = options(region_url="http://127.0.0.1:1/MAAS")
    with pytest.raises(RegionError, match="set the environment variable RACKYARD_API_KEY, or RACKYARD_API_KEY_FILE"):
        region_client(wanted)
    monkeypatch.setenv("RACKYARD_API_KEY_FILE", str(tmp_path / "gone"))
    with pytest.raises(RegionError, match=r"RACKYARD_API_KEY_FILE names '.*gone', which cannot be read"):
        region_client(wanted)
    (tmp_path / "ca").write_text("no certificate", encoding="utf-8")
    with pytest.raises(RegionError, match="is no readable PEM file"):
        region_client({**wanted, "api_key": "a:b:c", "ca_path": str(tmp_path / "ca")})
