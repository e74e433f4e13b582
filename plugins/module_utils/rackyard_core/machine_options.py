# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules ``machine`` and ``machines`` let an operator declare a machine."""

from __future__ import annotations

from typing import Any

from .power.registry import DRIVERS

UPDATE_PASSWORD = ("on_create", "always")


def machine_options() -> dict[str, dict[str, Any]]:
    """Argument spec of one machine."""
    return {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "hostname": {"type": "str", "required": True},
        "mac_addresses": {"type": "list", "elements": "str"},
        "architecture": {"type": "str"},
        "description": {"type": "str"},
        "commissioning_suite": {"type": "str"},
        "domain": {"type": "str"},
        "zone": {"type": "str"},
        "pool": {"type": "str"},
        "tags": {"type": "list", "elements": "str"},
        "owner_data": {"type": "dict"},
        "workload_annotations": {"type": "dict"},
        "expect": {"type": "dict"},
        "power": {
            "type": "dict",
            "options": {
                "type": {"type": "str", "choices": sorted(DRIVERS), "required": True},
                "address": {"type": "str"},
                "port": {"type": "int"},
                "user": {"type": "str"},
                "password": {"type": "str", "no_log": True},
                "cipher_suite_id": {"type": "str", "choices": ["", "3", "17"]},
                "boot_type": {"type": "str", "choices": ["auto", "efi", "legacy"]},
                "off_mode": {"type": "str", "choices": ["hard", "soft"]},
                "privilege_level": {"type": "str", "choices": ["OPERATOR", "ADMIN"]},
                "parameters": {"type": "dict"},
                "secrets": {"type": "dict", "no_log": True},
                "node_id": {"type": "str"},
                "verify_ssl": {"type": "str", "choices": ["y", "n"]},
                "tls_fingerprint": {"type": "str"},
            },
        },
    }


def update_password_option(**more: Any) -> dict[str, Any]:
    """Argument spec of option ``update_password``."""
    return {"type": "str", "choices": list(UPDATE_PASSWORD), "no_log": False, **more}
