# SPDX-License-Identifier: GPL-3.0-or-later
"""`rackyard-rack`: enrol, agent, status, health, apply, power, boot."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rackyard import __version__
from rackyard.daemons import Systemd, apply
from rackyard.rack import agent, config, enroll, health
from rackyard.rack.errors import RackError
from rackyard_core.power import fields, registry
from rackyard_core.power.base import PowerError
from rackyard_core.power.orders import WANTED
from rackyard_core.power.process import power_in_process

_STALE_S = 120
_LOOK_S = 1.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 when all is well, 1 with a message that names the remedy."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except (RackError, PowerError) as reason:
        if getattr(arguments, "json", False):
            print(json.dumps({"ok": False, "error": str(reason)}))
        print(f"rackyard-rack {arguments.command}: {reason}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rackyard-rack", description="The rack side of Rackyard.")
    parser.add_argument("--version", action="version", version=f"rackyard-rack {__version__}")
    parser.add_argument("--config", type=Path, default=config.DEFAULT_PATH, help="default: %(default)s")
    commands = parser.add_subparsers(dest="command", required=True)

    add = commands.add_parser("enroll", help="make this host a rack of a region, by a one-time token")
    add.add_argument("--token-file", required=True, metavar="FILE", help="file with the token; - for standard input")
    add.add_argument("--force", action="store_true", help="enrol again although this rack is enrolled")
    add.add_argument("--json", action="store_true")
    add.set_defaults(run=_enroll)

    add = commands.add_parser("status", help="what the agent does, as it last said")
    add.add_argument("--json", action="store_true")
    add.set_defaults(run=_status)

    add = commands.add_parser("health", help="fail, with the reasons, unless this rack does its work at every region")
    add.add_argument("--wait-s", type=float, default=10, help="wait for so long until it does (default 10)")
    add.add_argument("--json", action="store_true")
    add.set_defaults(run=_health)

    add = commands.add_parser("apply", help="bring the daemons to a desired state from a file")
    add.add_argument(
        "--desired", required=True, type=Path, metavar="FILE", help="document as GET /rpc/1/desired gives it"
    )
    add.add_argument("--root", type=Path, help="directory of the service-owned files; default: from the configuration")
    add.add_argument("--check", action="store_true", help="run the checkers and change nothing")
    add.add_argument("--diff", action="store_true", help="show what changes")
    add.add_argument("--json", action="store_true")
    add.set_defaults(run=_apply)

    add = commands.add_parser("power", help="ask or switch one BMC; the password comes on standard input")
    add.add_argument("order", choices=WANTED)
    drivers = fields.queryable()
    add.add_argument("--type", choices=drivers, default=drivers[0], help="default: %(default)s")
    add.add_argument("--address", required=True)
    add.add_argument("--port", type=int, help="default: the usual one of that type")
    add.add_argument("--user", required=True)
    add.add_argument("--boot-device", choices=("pxe", "disk", "default"))
    add.add_argument(
        "--parameter",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="another power parameter of that type, unless it is a secret; may be repeated",
    )
    add.add_argument("--json", action="store_true")
    add.set_defaults(run=_power)

    add = commands.add_parser("agent", help="run the agent (the unit rackyard-rack does)")
    add.set_defaults(run=_agent)

    add = commands.add_parser("boot", help="run the boot service by hand (the unit rackyard-rack-boot uses gunicorn)")
    add.add_argument("--port", type=int, default=5249)
    add.set_defaults(run=_boot)
    return parser


def _enroll(arguments: argparse.Namespace) -> int:
    rack = config.load(arguments.config)
    token = enroll.read_token(arguments.token_file, sys.stdin)
    changed, message = enroll.enroll(rack, token, force=arguments.force)
    print(json.dumps({"changed": changed, "message": message}) if arguments.json else message)
    return 0


def _status(arguments: argparse.Namespace) -> int:
    rack = config.load(arguments.config)
    try:
        status: dict[str, Any] = json.loads(rack.status_file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise RackError(f"no status of the agent ({reason}); start it: systemctl start rackyard-rack") from reason
    age_s = (datetime.now(UTC) - datetime.fromisoformat(status["at"])).total_seconds()
    status["ok"] = (
        age_s < _STALE_S
        and status["generation"] is not None
        and "live" in status["regions"].values()
        and all(daemon["ok"] for daemon in status["daemons"].values())
        and all(state in ("running", "off") for state in status["services"].values())
        and not status.get("troubles")
    )
    if arguments.json:
        print(json.dumps(status, indent=2))
    else:
        _print_status(status, age_s)
    return 0 if status["ok"] else 1


def _print_status(status: dict[str, Any], age_s: float) -> None:
    print(f"{status['name']} ({status['system_id']}), version {status['version']}, said {age_s:.0f} s ago")
    if age_s >= _STALE_S:
        print("  the agent has been silent for long; look at `journalctl -u rackyard-rack`")
    print(f"certificate until {status['certificate_until']}")
    for url, state in status["regions"].items():
        print(f"region {url}: {state}")
    print(f"desired state: generation {status['generation']}")
    for name, daemon in status["daemons"].items():
        service = status["services"].get(name, "unknown")
        print(f"  {name}: {service}{', ' + daemon['message'] if daemon['message'] else ''}")
    for name, words in status.get("dhcp_pairs", {}).items():
        print(f"  dhcp, {name}: {words}")
    # An agent of the release before says nothing of these.
    for name in status.get("left_alone", []):
        print(f"  {name}: {status['services'].get(name, 'unknown')}, configured by the region of this host")
    print(f"reports waiting for a region: {status['reports_waiting']}")
    # An agent of the release before says nothing of these.
    if "boots_kept" in status:
        posts = status["machine_posts"]
        print(f"boots whose metadata is kept: {status['boots_kept']}")
        print(f"posts of machines waiting for a region: {posts['waiting']}; refused for good: {posts['refused']}")
        for reason in posts["reasons"]:
            print(f"  refused: {reason}")
    for trouble in status.get("troubles", []):
        print(f"trouble: {trouble}")


def _health(arguments: argparse.Namespace) -> int:
    rack = config.load(arguments.config)
    since, give_up_at = datetime.now(UTC), time.monotonic() + arguments.wait_s
    while troubles := health.troubles(rack.status_file, since):
        if time.monotonic() >= give_up_at:
            raise RackError(f"{rack.name} is not well: {'; '.join(troubles)}")
        time.sleep(_LOOK_S)
    print(json.dumps({"ok": True}) if arguments.json else f"{rack.name} is well")
    return 0


def _apply(arguments: argparse.Namespace) -> int:
    try:
        desired = json.loads(arguments.desired.read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise RackError(f"cannot read {arguments.desired}: {reason}") from reason
    if not isinstance(desired, dict):
        raise RackError(f"{arguments.desired} is not a JSON object")
    root = arguments.root or config.load(arguments.config).daemons_root
    outcomes = apply(desired, root, Systemd(), check_only=arguments.check)
    if arguments.json:
        shown = {name: outcome.report() | {"diff": outcome.diff} for name, outcome in outcomes.items()}
        print(json.dumps({"changed": any(outcome.changed for outcome in outcomes.values()), "daemons": shown}))
    else:
        for name, outcome in outcomes.items():
            state = "changed" if outcome.changed else "unchanged"
            print(f"{name}: {state if outcome.ok else 'FAILED'}{': ' + outcome.message if outcome.message else ''}")
            if arguments.diff and outcome.diff:
                print(outcome.diff, end="")
    return 0 if all(outcome.ok for outcome in outcomes.values()) else 1


def _power(arguments: argparse.Namespace) -> int:
    prompt = f"password of {arguments.user} at {arguments.address}: "
    password = getpass.getpass(prompt) if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    power = {
        "address": arguments.address,
        "port": arguments.port,
        "user": arguments.user,
        "password": password,
        "options": dict(_parameter(arguments.type, given) for given in arguments.parameter),
        "bmc_networks": _bmc_networks(arguments.config),
    }
    bmc = registry.driver(arguments.type).bmc(power)
    result = power_in_process(bmc, arguments.order, arguments.boot_device)
    for warning in result.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(json.dumps(result.as_dict()) if arguments.json else result.state)
    return 0


def _parameter(kind: str, given: str) -> tuple[str, str]:
    """A name and its value. Raises RackError for what is not to be said on a command line, or not known."""
    name, _equals, value = given.partition("=")
    known = [
        one.name for one in fields.declared(kind) if not one.secret and one.role not in ("address", "port", "user")
    ]
    if name not in known:
        raise RackError(f"--parameter {name}: power type {kind} takes {', '.join(known)} here, and no secrets")
    return name, value


def _bmc_networks(path: Path) -> tuple[str, ...]:
    """Those of the configuration, none on a host without one: most drivers do not need them."""
    return config.load(path).bmc_networks if path.exists() else ()


def _agent(arguments: argparse.Namespace) -> int:
    agent.main(config.load(arguments.config))
    return 0


def _boot(arguments: argparse.Namespace) -> int:
    from rackyard.rack.boot import started  # Flask is needed by this command only

    started(config.load(arguments.config)).run("127.0.0.1", arguments.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
