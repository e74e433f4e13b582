# SPDX-License-Identifier: GPL-3.0-or-later
"""What clients of MAAS 3.4 may call and this region does not do yet, or never. It says so, with 400: a 404 would be
taken for an object that is gone, and by some programs for success. `describe/` and `openapi.json` leave all of it
out."""

from __future__ import annotations

from rackyard.region.errors import BadRequest

# By MAAS's name of the URL's handler.
OPERATIONS = {
    "Machines": "add_chassis allocate clone release",
    "Machine": (
        "deploy exit_rescue_mode get_curtin_config get_token mount_special "
        "release rescue_mode restore_default_configuration restore_networking_configuration "
        "restore_storage_configuration set_storage_layout unmount_special"
    ),
    "Device": "restore_default_configuration restore_networking_configuration",
    "BlockDevice": "add_tag format mount remove_tag set_boot_disk unformat unmount",
    "RackControllers": "import_boot_images",
    "RackController": "abort import_boot_images override_failed_testing power_off power_on test",
    "BootResources": "import stop_import",
}
# The methods without an `op` that a URL does not take yet.
PLAIN = {
    "BlockDevices": "POST",
    "BlockDevice": "PUT DELETE",
    "NodeScriptResult": "PUT DELETE",
    "RegionController": "DELETE",
}
PATHS = (
    "/nodes/<_id>/blockdevices/<_disk>/partitions/",
    "/nodes/<_id>/blockdevices/<_disk>/partition/<_partition>",
    "/nodes/<_id>/volume-groups/",
    "/nodes/<_id>/volume-group/<_group>/",
    "/nodes/<_id>/raids/",
    "/nodes/<_id>/raid/<_raid>/",
    "/nodes/<_id>/bcaches/",
    "/nodes/<_id>/bcache/<_bcache>/",
    "/nodes/<_id>/bcache-cache-sets/",
    "/nodes/<_id>/bcache-cache-set/<_set>/",
    "/vm-hosts/<_id>/",
    "/pods/<_id>/",
    "/discovery/",
    "/discovery/<_id>/",
    "/account/prefs/sslkeys/",
    "/account/prefs/sslkeys/<_id>/",
    "/boot-sources/<_id>/",
    "/boot-sources/<_id>/selections/",
    "/boot-sources/<_id>/selections/<_selection>/",
    "/commissioning-scripts/",
    "/commissioning-scripts/<_name>",
    "/license-key/<_system>/<_series>",
)
# What there is none of here, for good, by the first part of the URL; and what asks for the same by another name.
_NO_HOSTS = "This region manages no virtual machine hosts: there are none, and none can be added."
_NO_INDEX = (
    "Images are never imported from an index here: they are built with playbooks/image.yml, or uploaded "
    "(POST boot-resources/)."
)
_NO_LICENSES = "This region keeps no license keys: there are none, and none can be added."
NEVER = {
    "vm-hosts": _NO_HOSTS,
    "pods": _NO_HOSTS,
    "boot-sources": _NO_INDEX,
    "license-keys": _NO_LICENSES,
    "license-key": _NO_LICENSES,
}
# Of the boot under way there are some, but nobody who asks for them here could use them.
_NO_TOKEN = (
    "The credentials of a boot are given to its machine alone, and count at the machine's own address only; it gets "
    "new ones with each boot."
)
NEVER_OPS = {
    "import": _NO_INDEX,
    "stop_import": _NO_INDEX,
    "import_boot_images": _NO_INDEX,
    "get_token": _NO_TOKEN,
}


def refusal(name: str, path: str, method: str, op: str | None) -> BadRequest:
    """Why a request that no handler of a URL takes is refused; one of PATHS has no name."""
    never = NEVER.get(path.split("/")[1])
    if never:
        return BadRequest(never)
    if not name:
        return BadRequest("This part of MAAS's API is not supported by this region yet; describe/ lists what is.")
    if op and op in OPERATIONS.get(name, "").split():
        return BadRequest(NEVER_OPS.get(op, f"op={op} is not supported by this region yet; describe/ lists what is."))
    if not op and method in PLAIN.get(name, "").split():
        return BadRequest(f"{method} here is not supported by this region yet; describe/ lists what is.")
    return BadRequest(f"Unrecognised signature: method={method} op={op and op[:80]}")
