# SPDX-License-Identifier: GPL-3.0-or-later
"""`op=is_registered` of all that has a MAC."""

from __future__ import annotations

from rackyard.region.api import controllers, devices, machines, nodes
from rackyard.region.api.dispatch import Call
from rackyard.region.api.takes import Kind, Takes
from rackyard.region.services.machines import macs

_MAC: Takes = {"mac_address": Kind.TEXT}


# Whoever starts a new machine asks before it has a key, as with MAAS.
@machines.collection.read("is_registered", takes=_MAC, is_open=True)
@nodes.collection.read("is_registered", takes=_MAC, is_open=True)
@devices.collection.read("is_registered", takes=_MAC)
@controllers.collection.read("is_registered", takes=_MAC)
@controllers.region_collection.read("is_registered", takes=_MAC)
def is_registered(call: Call) -> bool:
    """Whether something has a NIC with this `mac_address`: a machine, a device or a rack, wherever it is asked."""
    return macs.is_registered(call.ctx, call.params.text("mac_address") or "")
