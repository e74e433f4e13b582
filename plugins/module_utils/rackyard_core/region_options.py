# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options that all modules of action group ``rackyard.metal.region`` share (doc fragment ``region``)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from .client import DEFAULT_TIMEOUT_S, RegionClient, RegionError
from .wire import urllib_transport

ENVIRONMENT = {
    "region_url": "RACKYARD_URL",
    "api_key": "RACKYARD_API_KEY",
    "validate_certs": "RACKYARD_VALIDATE_CERTS",
    "ca_path": "RACKYARD_CA_PATH",
    "request_timeout_s": "RACKYARD_REQUEST_TIMEOUT_S",
}
# Names a file that has the API key, for programs that hand out secrets as files (AWX, systemd, Kubernetes).
KEY_FILE = "RACKYARD_API_KEY_FILE"


def region_options(env_fallback: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Argument spec. ``env_fallback`` is Ansible's function of that name, which this library does not import."""
    spec: dict[str, dict[str, Any]] = {
        "region_url": {"type": "str", "required": True},
        "api_key": {"type": "str", "no_log": True},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path"},
        "request_timeout_s": {"type": "float", "default": DEFAULT_TIMEOUT_S},
    }
    return {name: {**spec[name], "fallback": (env_fallback, [ENVIRONMENT[name]])} for name in spec}


def region_client(options: Mapping[str, Any]) -> RegionClient:
    """The client that the options describe. Raises RegionError."""
    key = options["api_key"] or key_from_file()
    try:
        transport = urllib_transport(options["validate_certs"], options["ca_path"])
    except OSError as reason:
        raise RegionError(f"ca_path '{options['ca_path']}' is no readable PEM file: {reason}") from reason
    return RegionClient(options["region_url"], key, options["request_timeout_s"], transport)


def key_from_file() -> str:
    """The API key in the file that the environment names. Raises RegionError."""
    name = os.environ.get(KEY_FILE, "")
    if not name:
        raise RegionError(
            f"No API key: give api_key, or set the environment variable {ENVIRONMENT['api_key']}, "
            f"or {KEY_FILE} to the path of a file that has it"
        )
    try:
        return Path(name).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as reason:
        raise RegionError(f"{KEY_FILE} names '{name}', which cannot be read: {reason}") from reason
