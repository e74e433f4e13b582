# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that seals secrets is rotated: what the old one sealed opens with the new one alone."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from rackyard.region.crypto import SecretBox
from rackyard.region.db.queries import query
from rackyard.region.services.site import sealed

from .test_cli import config_file, run  # noqa: F401  # the fixtures

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "of-the-old-key"
BMC = {"power_type": "ipmi", "power_parameters_power_user": "u", "power_parameters_power_pass": PASSWORD}


@pytest.fixture
def sealed_by_the_old_key(api, ctx, execute, monkeypatch) -> bytes:
    """A BMC's password and a boot's secret; the only key of the file."""
    monkeypatch.setattr(sealed, "BATCH_ROWS", 1)
    for n in (1, 2):
        data = {"hostname": f"m{n}", "mac_addresses": f"52:54:00:20:01:0{n}", **BMC}
        assert (
            api.post(
                "machines/", data={"commission": "false", **data, "power_parameters_power_address": f"10.30.0.{n}"}
            ).status_code
            == 200
        )
    execute(
        "INSERT INTO operation (machine_id, kind, epoch, requested_at, patience_s, progress_at, deadline_at, ends_at, "
        "outcome) SELECT id, 'commission', 1, now(), 60, now(), now(), now(), 'running' FROM machine"
    )
    execute(
        "INSERT INTO boot (boot_id, machine_id, operation_id, purpose, epoch, requested_at, outcome, consumer_key, "
        "token_key, token_secret_sha256, token_secret) SELECT md5(id::text), machine_id, id, kind, epoch, now(), "
        "outcome, 'c', id::text, sha256('x'), %s FROM operation",
        (ctx.box.encrypt("of-a-boot"),),
    )
    return ctx.config.secrets_key.read_bytes()


def secrets(ctx, box: SecretBox) -> list[str]:
    """Everything that is sealed, opened."""
    with ctx.db.transaction() as tx:
        rows = [row for listing, _ in sealed.PLACES for row in tx.all(listing, after=0, limit=100)]
    return sorted(box.decrypt(row["sealed"]) for row in rows)


def settle(path: Path) -> None:
    """A minute later."""
    os.utime(path, (0, path.stat().st_mtime - 61))


def test_new_key_alone_opens_what_the_old_one_sealed(sealed_by_the_old_key, ctx, run) -> None:  # noqa: F811
    path = ctx.config.secrets_key
    path.chmod(0o640)
    running = SecretBox.from_file(path)
    answer = json.loads(run("secrets-key", "add", "--json")[1])
    assert answer == {"changed": True, "keys": 2, "resealed": 4, "unreadable": 0}
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    newest, oldest = path.read_bytes().split()
    assert oldest == sealed_by_the_old_key
    assert secrets(ctx, SecretBox(newest)) == ["of-a-boot"] * 2 + [PASSWORD] * 2
    assert secrets(ctx, running) == secrets(ctx, SecretBox(newest)), "no process has to be restarted"
    assert SecretBox(newest).decrypt(running.encrypt("x")) == "x", "nor does one go on with the old key"


def test_old_key_goes_later_and_takes_nothing_with_it(sealed_by_the_old_key, ctx, execute, run) -> None:  # noqa: F811
    run("secrets-key", "add")
    path = ctx.config.secrets_key
    status, _, error = run("secrets-key", "drop-old")
    assert (status, "younger than 60 s" in error, len(path.read_bytes().split())) == (1, True, 2)
    execute("UPDATE boot SET token_secret = %s WHERE id = 1", (Fernet(sealed_by_the_old_key).encrypt(b"late"),))
    execute("UPDATE boot SET token_secret = 'lost' WHERE id = 2")
    settle(path)
    answer = json.loads(run("secrets-key", "drop-old", "--json")[1])
    assert answer == {"changed": True, "dropped": 1, "resealed": 1, "unreadable": 1}
    execute("DELETE FROM boot WHERE id = 2")
    assert secrets(ctx, SecretBox.from_file(path)) == sorted(["late", PASSWORD, PASSWORD])
    settle(path)
    assert json.loads(run("secrets-key", "drop-old", "--json")[1])["changed"] is False


def test_every_sealed_column_has_its_place() -> None:
    """The schema says of each that it is sealed by Fernet."""
    columns = re.findall(
        r"^ +(\w+) .*-- .*Fernet", (ROOT / "src/rackyard/region/db/schema.sql").read_text(), re.MULTILINE
    )
    assert columns
    for column in columns:
        assert any(re.search(rf"SET {column}\b", query(writing)) for _, writing in sealed.PLACES), column
