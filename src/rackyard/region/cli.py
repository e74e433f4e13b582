# SPDX-License-Identifier: GPL-3.0-or-later
"""`rackyard-region`: what is done on a region host, by people and by the roles."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rackyard.region import backup, cli_audit, cli_people, cli_rolling, key_file, secrets_file, status_page
from rackyard.region import config as configuration
from rackyard.region.context import Context
from rackyard.region.db import migrations
from rackyard.region.errors import BadRequest, RackyardError, Unavailable
from rackyard.region.prepare import Wanted, prepare
from rackyard.region.services.racks import enrolment
from rackyard.region.services.site import accounts, images, overview, regions, sealed, settings
from rackyard.region.services.site.authorisation import COMMAND_LINE

# EX_TEMPFAIL of sysexits.h.
UNAVAILABLE = 75
# What `status --check` ends with when something is not well; 2 is argparse's.
NOT_WELL = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0, or after a message that names the remedy 1, or UNAVAILABLE when it may work later. A command
    may judge what it shows: NOT_WELL."""
    arguments = _parser().parse_args(argv)
    try:
        context = Context.from_config(configuration.load(arguments.config))
        try:
            if arguments.run not in (_migrate, _prepare, _contents, _restore):
                migrations.require(context.db)
            result = arguments.run(context.acting(cli_audit.deed_of(context, arguments.said)), arguments)
            if result is not None:
                print(json.dumps(result) if arguments.json else arguments.show(result))
            return int(arguments.judge(result))
        finally:
            context.close()
    except RackyardError as error:
        print(f"rackyard-region: {error.message}", file=sys.stderr)
        return UNAVAILABLE if isinstance(error, Unavailable) else 1


def _migrate(ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    applied = migrations.migrate(ctx.db)
    return {"changed": bool(applied), "applied": applied}


def _create_admin(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any] | str:
    if arguments.key_file is None:
        return accounts.create_admin(ctx, COMMAND_LINE, arguments.username)
    return {
        "changed": key_file.ensure(ctx, arguments.username, arguments.key_file),
        "key_file": str(arguments.key_file),
    }


def _prepare(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    wanted = Wanted(arguments.username, arguments.key_file, dict(arguments.setting))
    done = prepare(ctx, wanted, check=arguments.check)
    return {"changed": bool(done), "done": done}


def _api_keys(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        key.token_key: {
            "username": key.username,
            "name": key.name,
            "created_at": key.created_at.isoformat(),
            "last_used_at": key.last_used_at.isoformat() if key.last_used_at else None,
        }
        for key in accounts.keys_of(ctx, COMMAND_LINE, arguments.username)
    }


def _revoke_api_key(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    if ":" in arguments.token:
        raise BadRequest("Give the second part of the key only: a whole key on a command line is seen by everybody")
    gone = accounts.revoke_key(ctx, COMMAND_LINE, arguments.token)
    return {"changed": True, "revoked": gone.token_key, "username": gone.username}


def _enroll_token(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any] | str:
    token = enrolment.mint_token(ctx, COMMAND_LINE, arguments.name, arguments.ttl_s)
    return {"token": token} if arguments.json else token


def _revoke_rack(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    enrolment.revoke_by_hostname(ctx, COMMAND_LINE, arguments.name)
    return {"changed": True, "revoked": arguments.name}


def _forget_region(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    regions.forget(ctx, COMMAND_LINE, arguments.name)
    return {"changed": True, "forgot": arguments.name}


def _image_register(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    image, changed = images.register(ctx, COMMAND_LINE, arguments.manifest, beside=arguments.beside)
    return {"changed": changed, "id": image.id, "name": image.name, "manifest_sha256": image.manifest_sha256}


def _image_prune(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    removed = images.prune(ctx, COMMAND_LINE, arguments.keep)
    return {"changed": bool(removed), "removed": removed}


def _status(ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    return overview.read(ctx)


def _setting_get(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    values = settings.get_all(ctx)
    return values if arguments.name is None else {arguments.name: settings.pick(values, arguments.name)}


def _setting_set(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    return {"changed": settings.put(ctx, COMMAND_LINE, arguments.name, arguments.value)}


def _secrets_key_add(ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    keys = secrets_file.add(ctx.config.secrets_key)
    return {"changed": True, "keys": keys, **sealed.reseal(ctx, COMMAND_LINE)}


def _secrets_key_drop_old(ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    secrets_file.check_settled(ctx.config.secrets_key)
    counts = sealed.reseal(ctx, COMMAND_LINE)
    dropped = secrets_file.drop_old(ctx.config.secrets_key)
    return {"changed": dropped > 0, "dropped": dropped, **counts}


def _backup(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    return backup.save(ctx, arguments.archive, with_images=arguments.images)


def _contents(ctx: Context, _arguments: argparse.Namespace) -> dict[str, Any]:
    return backup.contents(ctx)


def _restore(ctx: Context, arguments: argparse.Namespace) -> dict[str, Any]:
    return backup.restore(ctx, arguments.archive, over_data=arguments.over_data)


def _lines(result: dict[str, Any] | str) -> str:
    """A result as text: a line for each field."""
    if isinstance(result, str):
        return result
    return "\n".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value)}" for name, value in result.items()
    )


def _fine(_result: dict[str, Any] | str | None) -> int:
    return 0


def _all_well(result: dict[str, Any]) -> int:
    return 0 if result["well"] else NOT_WELL


def _parser() -> argparse.ArgumentParser:
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--config", type=Path, default=configuration.DEFAULT_PATH, help="region.toml of this host")
    common.add_argument("--json", action="store_true", help="print JSON")
    parser = argparse.ArgumentParser(prog="rackyard-region", description="Commands of a Rackyard region host")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str, under: Any = commands) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = under.add_parser(name, parents=[common], help=text, description=text)
        added.set_defaults(run=run, show=_lines, judge=_fine, said=added.prog)
        return added

    command("migrate", _migrate, "bring the database schema up to date")
    admin = command("create-admin", _create_admin, "make an administrator and an API key")
    admin.add_argument("--username", required=True)
    admin.add_argument("--key-file", type=Path, help="write the key here (mode 0600), unless a working one is there")
    ready = command("prepare", _prepare, "do what of these is missing: migrate, create-admin, setting set")
    ready.add_argument("--username", default="", help="administrator whose key is in the key file")
    ready.add_argument("--key-file", type=Path, help="as for create-admin; without it no account is made")
    ready.add_argument("--setting", nargs=2, action="append", default=[], metavar=("NAME", "VALUE"))
    ready.add_argument("--check", action="store_true", help="say what would be done, and change nothing")
    keys = command("api-keys", _api_keys, "list API keys by their tokens, without secrets")
    keys.add_argument("--username", help="the keys of this account only")
    no_key = command("revoke-api-key", _revoke_api_key, "accept an API key no more")
    no_key.add_argument("token", help="its second part, as `api-keys` lists it")
    token = command("enroll-token", _enroll_token, "print a one-time token for `rackyard-rack enroll`")
    token.add_argument("--name", default="", help="the rack's hostname; another rack cannot use the token then")
    token.add_argument(
        "--ttl-s", type=int, default=enrolment.TOKEN_TTL_S, help="seconds until it expires (default 900)"
    )
    revoke = command("revoke-rack", _revoke_rack, "accept a rack's certificate no more")
    revoke.add_argument("name", help="the rack's hostname")
    image = command("image-register", _image_register, "make an image the one that machines boot")
    image.add_argument("--manifest", type=Path, required=True, help="manifest.json of a built image")
    image.add_argument("--beside", action="store_true", help="for machines that name its suite; the default stays")
    prune = command("image-prune", _image_prune, "remove superseded images, and files that belong to none")
    prune.add_argument("--keep", type=int, default=2, help="images of each release that stay (default 2)")
    status = command("status", _status, "controllers, network, machines and images of this site, and what is not well")
    status.set_defaults(show=status_page.page)
    status.add_argument(
        "--check", dest="judge", action="store_const", const=_all_well, default=_fine,
        help=f"end with {NOT_WELL} when a controller is not well",
    )  # fmt: skip
    forget = command("forget-region", _forget_region, "show a region no more that was taken away")
    forget.add_argument("name", help="its name")
    saved = command("backup", _backup, "write all that cannot be made anew into one archive (playbook backup)")
    saved.add_argument("archive", type=Path)
    saved.add_argument("--images", action="store_true", help="with the images, which can be built again")
    command("contents", _contents, "what a backup would hold, or a restore replace")
    restored = command("restore", _restore, "have the database of an archive (playbook restore)")
    restored.add_argument("archive", type=Path)
    restored.add_argument("--over-data", action="store_true", help="also when something would be lost by it")
    cli_audit.add(command)
    cli_people.add(command)
    cli_rolling.add(command)
    secrets_key = commands.add_parser("secrets-key", help="rotate the key that seals secrets")
    verbs = secrets_key.add_subparsers(required=True, metavar="add|drop-old")
    command("add", _secrets_key_add, "add a new key and seal everything with it", verbs)
    command("drop-old", _secrets_key_drop_old, "forget all keys but the newest, a minute later at the earliest", verbs)
    setting = commands.add_parser("setting", help="show or change settings")
    verbs = setting.add_subparsers(required=True, metavar="get|set")
    command("get", _setting_get, "show one setting, or all", verbs).add_argument("name", nargs="?")
    change = command("set", _setting_set, "change a setting", verbs)
    change.add_argument("name")
    change.add_argument("value")
    return parser


if __name__ == "__main__":
    sys.exit(main())
