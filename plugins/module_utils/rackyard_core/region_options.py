# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection options that all modules of action group ``rackyard.metal.region`` share (doc fragment ``region``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .client import DEFAULT_TIMEOUT_S, RegionClient, RegionError
from .wire import urllib_transport

ENVIRONMENT = {"region_url": "RACKYARD_URL", "api_key": "RACKYARD_API_KEY", "ca_path": "RACKYARD_CA_PATH"}


def region_options(env_fallback: Callable[..., Any]) -> dict[str, dict[str, Any]]:
    """Argument spec. ``env_fallback`` is Ansible's function of that name, which this library does not import."""

    def fallback(option: str) -> tuple[Callable[..., Any], list[str]]:
        return env_fallback, [ENVIRONMENT[option]]

    return {
        "region_url": {"type": "str", "required": True, "fallback": fallback("region_url")},
        "api_key": {"type": "str", "required": True, "no_log": True, "fallback": fallback("api_key")},
        "validate_certs": {"type": "bool", "default": True},
        "ca_path": {"type": "path", "fallback": fallback("ca_path")},
        "request_timeout_s": {"type": "float", "default": DEFAULT_TIMEOUT_S},
    }


def region_client(options: Mapping[str, Any]) -> RegionClient:
    """The client that the options describe. Raises RegionError."""
    try:
        transport = urllib_transport(options["validate_certs"], options["ca_path"])
    except OSError as reason:
        raise RegionError(f"ca_path '{options['ca_path']}' is no readable PEM file: {reason}") from reason
    return RegionClient(options["region_url"], options["api_key"], options["request_timeout_s"], transport)
