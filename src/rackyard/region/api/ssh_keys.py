# SPDX-License-Identifier: GPL-3.0-or-later
"""`account/prefs/sshkeys/`: the SSH keys of whoever asks."""

from __future__ import annotations

from typing import Any

from rackyard.region.api.dispatch import Call, Resource
from rackyard.region.api.shapes import ROOT
from rackyard.region.api.takes import Kind
from rackyard.region.db.site.ssh_keys import SshKey
from rackyard.region.services.site import ssh_keys
from rackyard.region.services.site.key_sources import Source

collection = Resource("/account/prefs/sshkeys/", "SSHKeys", "The SSH keys of whoever asks.")
one = Resource("/account/prefs/sshkeys/<int:key_id>/", "SSHKey", "One SSH key of whoever asks.", key_id="id")


@collection.read()
def list_keys(call: Call) -> list[dict[str, Any]]:
    """One's own keys, oldest first."""
    return [_shape(key) for key in ssh_keys.list_own(call.ctx, call.actor)]


@collection.create(takes={"key": Kind.TEXT})
def add_key(call: Call) -> dict[str, Any]:
    """One more key: the line of a .pub file."""
    return _shape(ssh_keys.add_own(call.ctx, call.actor, call.params.text("key") or ""))


@collection.create("import", takes={"keysource": Kind.TEXT, "protocol": Kind.TEXT, "auth_id": Kind.TEXT})
def import_keys(call: Call) -> list[dict[str, Any]]:
    """The keys that somebody publishes at GitHub (`gh:NAME`) or Launchpad (`lp:NAME`); those that one has stay as they
    are. Instead of `keysource` there may be `protocol` (gh, lp) and `auth_id`, the name."""
    text = call.params.text
    source = text("keysource") or ":".join(filter(None, (text("protocol"), text("auth_id"))))
    return [_shape(key) for key in ssh_keys.import_own(call.ctx, call.actor, Source.parse(source))]


@one.read()
def read_key(call: Call, key_id: int) -> dict[str, Any]:
    """One key."""
    return _shape(ssh_keys.read_own(call.ctx, call.actor, key_id))


@one.delete()
def delete_key(call: Call, key_id: int) -> None:
    """Remove a key."""
    ssh_keys.remove_own(call.ctx, call.actor, key_id)


def _shape(key: SshKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "key": key.key,
        "keysource": key.source,
        "resource_uri": f"{ROOT}/account/prefs/sshkeys/{key.id}/",
    }
