# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machines in the region by their names. The region does the looking: nobody fetches a site to find one machine."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .client import RegionClient, RegionRefused

_NAMES_SHOWN = 20


def machine_path(machine: Mapping[str, Any]) -> str:
    """API path of one machine."""
    return f"machines/{machine['system_id']}/"


def find_machine(client: RegionClient, hostname: str) -> dict[str, Any] | None:
    """The machine object of that host name, None when there is none."""
    found = [machine for machine in client.get("machines/", hostname=hostname) if machine["hostname"] == hostname]
    return found[0] if found else None


def get_machine(client: RegionClient, hostname: str) -> dict[str, Any]:
    """As find_machine, but a missing machine is an error that names some of those there are."""
    return select_machines(client, [hostname])[0]


def select_machines(
    client: RegionClient, hostnames: Sequence[str] | None, fields: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Machines by host name: all of them, or exactly the named ones. Raises RegionRefused for an unknown name.

    :param fields: the only fields of each machine that are wanted, all by default.
    """
    wanted = None if fields is None else ",".join(sorted({*fields, "hostname"}))
    if hostnames is None:
        found = client.every("machines/", fields=wanted)
    else:
        names = set(hostnames)
        found = client.matching("machines/", "hostname", sorted(names), fields=wanted)
        missing = sorted(names - {machine["hostname"] for machine in found})
        if missing:
            raise no_such_machines(client, missing)
    found.sort(key=lambda machine: str(machine["hostname"]))
    # A region that does not know the parameter gives all fields.
    return [{name: one[name] for name in one if fields is None or name in fields} for one in found]


def no_such_machines(client: RegionClient, missing: Sequence[str]) -> RegionRefused:
    """What is raised for machines that are not there: it names some of those there are."""
    first = next(client.pages("machines/", page=_NAMES_SHOWN + 1, fields="hostname"))
    known = sorted(str(machine["hostname"]) for machine in first)
    more = " …" if len(known) > _NAMES_SHOWN else ""
    return RegionRefused(
        f"There is no machine '{', '.join(missing)}'; register it with rackyard.metal.machine. "
        f"Known machines: {', '.join(known[:_NAMES_SHOWN]) or 'none'}{more}",
        404,
    )
