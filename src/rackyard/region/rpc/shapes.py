# SPDX-License-Identifier: GPL-3.0-or-later
"""What racks say, as the services take it, and what the services tell them. The documents fulfil their contracts, which
name the fields and limits."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_interface
from typing import Any

from rackyard.region.db.boots.records import BootAtRack
from rackyard.region.db.site.hosts import Host
from rackyard.region.metadata import documents
from rackyard.region.services.boots.answer import BootQuery
from rackyard.region.services.boots.evidence import Lease, Sighting
from rackyard.region.services.boots.keeping import Kept, KeptConfig, UnderWay
from rackyard.region.services.power.handout import Poll
from rackyard.region.services.power.outcomes import ERROR_KINDS, PowerReport
from rackyard.region.services.racks.dhcp_alone import PairState
from rackyard.region.services.racks.registration import DaemonOutcome, Interface, SelfReport, ServiceState

Document = Mapping[str, Any]


def poll(body: Document) -> Poll:
    """How an agent asks for work (`jobs-poll`)."""
    return Poll(float(body["wait"]), body["slots"], body["held"])


def report(body: Document) -> PowerReport:
    """What became of a job (`job-result`). Why it failed may have a name that only a newer rack knows."""
    kind = body["error_kind"] or ""
    return PowerReport(
        epoch=body["epoch"],
        ok=body["ok"],
        power_state=body["power_state"],
        warnings=tuple(body["warnings"]),
        error=body["error"] or "",
        error_kind=kind if kind in ERROR_KINDS else ("" if body["ok"] else "protocol"),
        took_s=float(body["took_seconds"]),
        given=None if body.get("given") is None else tuple(body["given"]),
    )


def boot_query(body: Document) -> BootQuery:
    """A loader's question (`boot-config`)."""
    return BootQuery(body["mac"], body["arch"], body["firmware"], body["client_ip"], body["local_ip"])


def lease(item: Document) -> Lease:
    """One lease event (`lease`)."""
    at = datetime.fromisoformat(item["at"])
    return Lease(item["key"], at, item["action"], item["ip"], item["mac"], item["lease_s"])


def sighting(item: Document) -> Sighting:
    """One daemon log line (`event`)."""
    return Sighting(
        key=item["key"],
        at=datetime.fromisoformat(item["at"]),
        kind=item["type"],
        ip=item.get("ip"),
        mac=item.get("mac"),
        detail=item.get("detail", ""),
        daemon=item["daemon"],
    )


def interfaces(body: Document) -> Sequence[Interface]:
    """The network interfaces of a rack (`register`)."""
    return [
        Interface(each["name"], each["mac"], [ip_interface(text) for text in each["addresses"]])
        for each in body["interfaces"]
    ]


def host(body: Document) -> Host | None:
    """What a rack's host is made of (`register`); None from an agent of the release before."""
    said = body.get("host")
    return None if said is None else Host.read({**said, "interfaces": body["interfaces"]})


def daemons(body: Document) -> Mapping[str, DaemonOutcome]:
    """What became of a desired state, by daemon (`applied`)."""
    return {name: DaemonOutcome(each["ok"], each["message"]) for name, each in body["daemons"].items()}


def services(body: Document) -> Sequence[ServiceState]:
    """The states of a rack's services (`services`)."""
    return [ServiceState(each["name"], each["state"], each["info"]) for each in body["services"]]


def dhcp_pairs(body: Document) -> Sequence[PairState] | None:
    """What a rack's dhcpd says of its partners (`services`); None from an agent of the release before."""
    found = body.get("dhcp_pairs")
    return None if found is None else [PairState(each["name"], each["own"], each["partner"]) for each in found]


def self_report(body: Document) -> SelfReport | None:
    """What else a rack's agent says of itself (`services`); None from one of the release before."""
    waiting, channels = body.get("waiting"), body.get("channels")
    if waiting is None or channels is None:
        return None
    return SelfReport(channels, waiting["reports"], waiting["posts"], waiting["posts_refused"])


def kept_boot(boot: BootAtRack) -> dict[str, Any]:
    """A boot that a rack is to keep (`boots-answer`)."""
    return {
        "boot_id": boot.boot_id,
        "addresses": boot.addresses[:64],
        "macs": boot.macs[:64],
        "ends_at": boot.ends_at.isoformat(),
    }


def kept_metadata(kept: Kept) -> dict[str, Any]:
    """Its metadata (`boot-metadata-answer`)."""
    contents = {
        "preseed": documents.preseed_of(kept.access).encode(),
        "user-data": documents.user_data_of(kept.access),
        "maas-scripts": kept.archive,
    }
    return {
        **kept_boot(kept.boot),
        "system_id": kept.access.system_id,
        "hostname": kept.access.hostname,
        "consumer_key": kept.access.consumer_key,
        "token_key": kept.access.token_key,
        "token_secret": kept.access.token_secret,
        "documents": {name: b64encode(content).decode() for name, content in contents.items()},
        "config": None if kept.config is None else _kept_config(kept.config),
    }


def under_way(found: UnderWay) -> dict[str, Any]:
    """All that is under way (`boots-answer`)."""
    return {"boots": [kept_boot(boot) for boot in found.boots], "macs": found.macs}


def _kept_config(config: KeptConfig) -> dict[str, Any]:
    return {
        "purpose": config.purpose,
        "kernel": config.files.kernel,
        "initrd": config.files.initrd,
        "squashfs": config.files.squashfs,
        "lines": [{"mac": line.mac, "local_ip": line.local_ip, "params": line.params} for line in config.lines],
    }
