# SPDX-License-Identifier: GPL-3.0-or-later
"""rsyslog: relay of the machines' logs to the regions, kept on disk while one is away. Source: omrelp, imrelp, queues.

By RELP, which waits for the region's word on each line: what plain TCP has in its buffers when a host loses power is
gone, and the sender finds out after minutes."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from rackyard.daemons import values
from rackyard.daemons.model import Daemon, Section, comment

NAMES_PATH = "syslog/machines.json"
# No host name has an underscore. The second one is a rack, whose lines say whose they are.
UNKNOWN, RELAY = "_unknown", "_rack"
RELP_PORT = 5245
# So long a region may be silent about a line until its rack dials again.
_RELP_TIMEOUT_S = 10


def render(section: Section) -> bytes:
    """Who may send; the ruleset `rackyard_relay`: one disk-assisted queue per region, each gets every line; on a region
    what listens for RELP: lines of `relays` only, since RELP knows no AllowedSender."""
    clients = values.networks(section, "clients", "syslog")
    targets = values.endpoints(section, "relp_targets", "syslog")
    relays = values.addresses(section, "relays", "syslog")
    # Without any AllowedSender rsyslog accepts everybody: so loopback is always there.
    allowed = values.joined(["127.0.0.1", *(_sender(entry) for entry in clients)])
    lines = [f"$AllowedSender UDP, {allowed}", f"$AllowedSender TCP, {allowed}"]
    lines += ['module(load="omrelp")'] if targets else []
    lines += ['ruleset(name="rackyard_relay") {']
    for address, port in targets:
        queue = f"rackyard_relay_{str(address).replace(':', '_')}_{port}"
        lines += [
            f'  action(type="omrelp" target="{address}" port="{port}" template="rackyard_forward"',
            f'    timeout="{_RELP_TIMEOUT_S}" conn.timeout="{_RELP_TIMEOUT_S}"',
            f'    queue.type="LinkedList" queue.size="10000" queue.filename="{queue}"',
            '    queue.maxDiskSpace="256m" queue.saveOnShutdown="on"',
            '    action.resumeRetryCount="-1" action.resumeInterval="5" action.resumeIntervalMax="30")',
        ]
    lines += ["}"] if targets else ["  stop", "}"]
    if relays:
        senders = ", ".join(f'"{address}"' for address in relays)
        lines += [
            'module(load="imrelp")',
            f'input(type="imrelp" port="{RELP_PORT}" ruleset="rackyard_relayed" keepAlive="on")',
            'ruleset(name="rackyard_relayed") {',
            f"  if $fromhost-ip == [{senders}] then {{ call rackyard_store }}",
            "}",
        ]
    return comment(lines)


def names(machines: Mapping[str, str], racks: Collection[str] = ()) -> bytes:
    """The lookup table of a region: machine by address (rsyslog, "lookup tables"). Raises Refused.

    The lines of a machine go to the file that its address leads to, whatever name they bear. `racks` are addresses of
    racks, for a region that hears machines too and so has to tell them apart.
    """
    relays = [
        {"index": str(values.address(address, "syslog rack address")), "value": RELAY} for address in sorted(racks)
    ]
    table = relays + [
        {"index": str(values.address(address, "syslog machine address")), "value": values.label(name, "syslog machine")}
        for address, name in sorted(machines.items())
        if address not in racks
    ]
    found = {"version": 1, "nomatch": UNKNOWN, "type": "string", "table": table}
    return (json.dumps(found, separators=(",", ":")) + "\n").encode("ascii")


def _sender(network: values.Network) -> str:
    if network.version == 6:
        return f"[{network.network_address}]/{network.prefixlen}"
    return str(network)


def _check(candidate: Path, workdir: Path) -> list[str]:
    wrapper = workdir / "check.conf"
    wrapper.write_text(
        'module(load="imudp")\nmodule(load="imtcp")\n'
        f'global(workDirectory="{workdir}")\n'
        # The role defines it before the include; here only its name counts.
        'template(name="rackyard_forward" type="string" string="%rawmsg%")\n'
        'ruleset(name="rackyard_store") { stop }\n'
        f'include(file="{candidate}")\n'
        'input(type="imudp" port="5247" ruleset="rackyard_relay")\n'
        'input(type="imtcp" port="5247" ruleset="rackyard_relay")\n'
        # rsyslogd refuses a configuration without any action, which a relay without regions would be.
        f'action(type="omfile" file="{workdir}/messages")\n',
        encoding="ascii",
    )
    return ["/usr/sbin/rsyslogd", "-N1", "-f", str(wrapper), "-i", str(workdir / "rsyslogd.pid")]


# rsyslogd does not read its configuration again on a reload.
DAEMON = Daemon("syslog", "rsyslog", "syslog/rsyslog.conf", render, _check, verb="restart")
