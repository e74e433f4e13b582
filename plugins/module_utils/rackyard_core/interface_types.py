# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interfaces that are made of others: bonds, bridges and VLANs, what is said of each, and what a new one has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
PHYSICAL, BOND, BRIDGE, VLAN = "physical", "bond", "bridge", "vlan"
TYPES = (PHYSICAL, BOND, BRIDGE, VLAN)
BOND_MODES = (
    "balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb",
)  # fmt: skip
HASHES = ("layer2", "layer2+3", "layer3+4", "encap2+3", "encap3+4")
# By type: what is said of it besides, and what a new one has of that, in milliseconds and seconds (bridge_fd).
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    PHYSICAL: {},
    BOND: {
        "bond_mode": "active-backup",
        "bond_miimon": 100,
        "bond_downdelay": 0,
        "bond_updelay": 0,
        "bond_lacp_rate": "fast",
        "bond_xmit_hash_policy": "layer2",
        "bond_num_grat_arp": 1,
    },
    BRIDGE: {"bridge_type": "standard", "bridge_stp": False, "bridge_fd": 15},
    VLAN: {},
}


def given_parameters(kind: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """What is wished of a bond or bridge. Raises ValueError for what a wished type does not have."""
    known = {name for names in PARAMETERS.values() for name in names}
    given = {name: value for name, value in options.items() if name in known and value is not None}
    if kind is not None:
        require_known(kind, given, f"type {kind}")
    return given


def require_known(kind: str, given: Mapping[str, Any], what: str) -> None:
    """Raise ValueError for parameters that no interface of this type has."""
    strange = sorted(given.keys() - PARAMETERS[kind].keys())
    if strange:
        raise ValueError(f"{', '.join(strange)}: {what} has no such parameter; leave it out")


def require_parents(kind: str, parents: Sequence[str] | None) -> None:
    """Raise ValueError for wished parents that no interface of this type has; None says nothing of them."""
    if kind == PHYSICAL and parents:
        raise ValueError("parents: a physical interface is made of nothing; say which type it is, or leave them out")
    if kind in (BRIDGE, VLAN) and parents is not None and len(parents) != 1:
        raise ValueError(f"parents: a {kind} has exactly one; name that")
    if kind == BOND and parents is not None and not parents:
        raise ValueError("parents: a bond is made of one interface at least; name them")


def require_same(word: str, nic: Row, kind: str | None, parents: Sequence[str] | None) -> None:
    """Raise ValueError where what is there is something else, which no update makes of it."""
    if kind is not None and nic["type"] != kind:
        raise ValueError(f"The {word} is of type {nic['type']}, not {kind}; give another name, or remove it first")
    if parents is not None and sorted(parents) != sorted(nic["parents"]):
        made_of = ", ".join(sorted(nic["parents"])) or "nothing"
        raise ValueError(
            f"The {word} is made of {made_of}, and stays so; to make it of {', '.join(parents) or 'nothing'}, remove "
            "it first (state: absent)"
        )


def new(kind: str, parents: Sequence[Row]) -> dict[str, Any]:
    """What a new interface of the type has, as far as nothing else is wished: the MAC of the first of its parents, and
    the VLAN that a bond's or bridge's are in."""
    first = parents[0] if parents else None
    vlan = first["vlan"] if first and kind != VLAN else None
    return {
        "mac_address": first["mac_address"] if first else "",
        "vlan": f"{vlan['fabric']}/{vlan['vid']}" if vlan else "",
        **PARAMETERS[kind],
    }


def form(kind: str, parents: Sequence[Row]) -> dict[str, Any]:
    """How the API is told what a new interface is made of."""
    ids = [str(parent["id"]) for parent in parents]
    if kind == BOND:
        return {"parents": ",".join(ids)}
    return {"parent": ids[0]} if ids else {}
