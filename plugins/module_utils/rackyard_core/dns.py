# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS records in the region: find them, plan what makes them as wished, carry the plan out."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .client import RegionClient
from .plan import Action, Plan

ADDRESSES = {"A": 4, "AAAA": 6}
TYPES = (*ADDRESSES, "CNAME", "MX", "NS", "SRV", "SSHFP", "TXT")


def bare(name: str) -> str:
    """A name as the region writes it: lower case, no final dot."""
    return name.strip().lower().rstrip(".")


@dataclass(frozen=True)
class RecordsWish:
    """All data that a name shall have of one type; none of them when it shall have none. None as ``ttl`` leaves that
    alone, 0 is the domain's."""

    fqdn: str
    type: str
    values: tuple[str, ...]
    ttl: int | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> RecordsWish:
        """From the options of module ``dns_record``. Raises ValueError for an address that is none of its type."""
        kind = options["type"]
        given = options.get("values") or () if options["state"] == "present" else ()
        values = tuple(dict.fromkeys(_address(kind, text) if kind in ADDRESSES else text.strip() for text in given))
        return cls(bare(options["fqdn"]), kind, values, options.get("ttl"))


def _address(kind: str, text: str) -> str:
    try:
        address = ipaddress.ip_address(text.strip())
    except ValueError:
        address = None
    if address is None or address.version != ADDRESSES[kind]:
        raise ValueError(f"values: '{text}' is no address of a record {kind}; write IPv{ADDRESSES[kind]} there")
    return str(address)


@dataclass(frozen=True)
class NameView:
    """What the region has of a name: its object, if it is there."""

    there: Mapping[str, Any] | None

    @classmethod
    def read(cls, client: RegionClient, fqdn: str) -> NameView:
        """The name as it is now."""
        found = client.get("dnsresources/", fqdn=fqdn)
        return cls(found[0] if found else None)

    def addresses(self) -> list[str]:
        """Of both families."""
        return [str(each["ip"]) for each in self.there["ip_addresses"]] if self.there else []

    def records(self, kind: str) -> list[Mapping[str, Any]]:
        """Of a type that is no address."""
        return [each for each in self.there["resource_records"] if each["rrtype"] == kind] if self.there else []

    def shown(self, wish: RecordsWish) -> dict[str, Any]:
        """What can be decided on; empty when the name has nothing of that type. A ttl of 0 is the domain's."""
        if wish.type in ADDRESSES:
            version = ADDRESSES[wish.type]
            values = [each for each in self.addresses() if ipaddress.ip_address(each).version == version]
        else:
            values = [str(each["rrdata"]) for each in self.records(wish.type)]
        shown = {"fqdn": wish.fqdn, "type": wish.type, "values": sorted(values), "ttl": self.ttl(wish)}
        return shown if values else {}

    def ttl(self, wish: RecordsWish) -> int:
        """Time to live of the type; that of addresses is there for both families."""
        if wish.type in ADDRESSES:
            return (self.there["address_ttl"] or 0) if self.there else 0
        return next((each["ttl"] or 0 for each in self.records(wish.type)), 0)


def plan_records(current: Mapping[str, Any], wish: RecordsWish, ttl: int) -> Plan:
    """``current`` and ``ttl`` are what ``NameView`` gives."""
    target = f"{wish.type} of {wish.fqdn}"
    if not wish.values:
        return Plan(current, {}, (Action("delete", target),) if current else ())
    after = {
        "fqdn": wish.fqdn,
        "type": wish.type,
        "values": sorted(wish.values),
        "ttl": ttl if wish.ttl is None else wish.ttl,
    }
    if current == after:
        return Plan(current, after)
    return Plan(current, after, (Action("update" if current else "create", target, after),))


def ensure_records(client: RegionClient, wish: RecordsWish, check_mode: bool) -> Plan:
    """Read, decide, and act outside check mode."""
    view = NameView.read(client, wish.fqdn)
    plan = plan_records(view.shown(wish), wish, view.ttl(wish))
    if plan.changed and not check_mode:
        values, ttl = plan.after.get("values", []), plan.after.get("ttl") or ""
        if wish.type in ADDRESSES:
            _set_addresses(client, view, wish, values, ttl)
        else:
            _set_records(client, view, wish, values, ttl)
    return plan


def _set_addresses(client: RegionClient, view: NameView, wish: RecordsWish, values: Sequence[str], ttl: Any) -> None:
    version = ADDRESSES[wish.type]
    others = [each for each in view.addresses() if ipaddress.ip_address(each).version != version]
    addresses = " ".join([*others, *values])
    if view.there is None:
        client.post("dnsresources/", fqdn=wish.fqdn, ip_addresses=addresses, address_ttl=ttl)
        return
    path = f"dnsresources/{view.there['id']}/"
    if not addresses and not view.there["resource_records"]:
        client.delete(path)
        return
    # Both families have one time to live: whoever takes one of them away says nothing of that of the other.
    client.put(path, ip_addresses=addresses, **({"address_ttl": ttl} if values else {}))


def _set_records(client: RegionClient, view: NameView, wish: RecordsWish, values: Sequence[str], ttl: Any) -> None:
    """What stays is corrected first, and what goes makes room before what comes: a name has one CNAME. The last of what
    goes is changed instead, so that the name is never without."""
    old = [each for each in view.records(wish.type) if each["rrdata"] not in values]
    new = [each for each in values if each not in [known["rrdata"] for known in view.records(wish.type)]]
    for known in view.records(wish.type):
        if known["rrdata"] in values and (known["ttl"] or "") != ttl:
            client.put(f"dnsresourcerecords/{known['id']}/", ttl=ttl)
    while old and new:
        client.put(f"dnsresourcerecords/{old.pop()['id']}/", rrdata=new.pop(0), ttl=ttl)
    for known in old:
        client.delete(f"dnsresourcerecords/{known['id']}/")
    for rrdata in new:
        client.post("dnsresourcerecords/", fqdn=wish.fqdn, rrtype=wish.type, rrdata=rrdata, ttl=ttl)
