# SPDX-License-Identifier: GPL-3.0-or-later
"""`rackyard-region` as people and roles call it."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import re
import stat
import subprocess
import sys
import termios

import pytest
from psycopg2.extensions import parse_dsn

from rackyard.region import cli_audit, passwords
from rackyard.region.cli import UNAVAILABLE, main
from rackyard.region.config import load
from rackyard.region.db import migrations
from rackyard.region.services.site import accounts, settings
from rackyard.region.services.site.authorisation import COMMAND_LINE

TOML = """
[region]
name = "region1"
url = "http://10.10.0.11:5240/MAAS/"
addresses = ["10.10.0.11", "2001:db8::11"]
rpc_ports = [5250, 5251]
[database]
dsn = "{dsn}"
[keys]
secrets = "{home}/secrets.key"
tsig = "{home}/tsig.key"
[tls]
ca_cert = "{home}/ca.crt"
ca_key = "{home}/ca.key"
cert = "{home}/region.crt"
key = "{home}/region.key"
[paths]
images = "{home}/images"
[dns]
server = "127.0.0.1"
domain = "rackyard.internal"
"""


@pytest.fixture
def config_file(config, tmp_path):
    path = tmp_path / "region.toml"
    path.write_text(TOML.format(dsn=config.dsn, home=tmp_path))
    return path


@pytest.fixture
def run(config_file, capsys):
    """Run a command: exit status, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        status = main([*arguments, "--config", str(config_file)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def test_migrate_says_whether_it_changed_something(cluster, config, config_file, run) -> None:
    assert json.loads(run("migrate", "--json")[1]) == {"changed": False, "applied": []}
    empty = cluster.create()
    config_file.write_text(config_file.read_text().replace(config.dsn, cluster.dsn(empty)))
    assert json.loads(run("migrate", "--json")[1])["changed"] is True
    assert json.loads(run("migrate", "--json")[1])["changed"] is False
    cluster.drop(empty)


def test_password_of_the_database_is_in_a_file_of_its_own(config_file, tmp_path, run) -> None:
    secret = tmp_path / "database.password"
    config_file.write_text(config_file.read_text().replace("[keys]", f'password_file = "{secret}"\n[keys]'))
    status, _, error = run("status")
    assert status == 1
    assert f"Cannot read the password of the database, {secret}" in error
    secret.write_text("it's secret\n")
    config = load(config_file)
    assert parse_dsn(config.dsn)["password"] == "it's secret"
    assert "secret" not in repr(config).replace("secrets", "")
    assert run("status")[0] == 0


def test_create_admin_writes_a_working_key_once(ctx, run, tmp_path) -> None:
    path = tmp_path / "admin.apikey"
    arguments = ("create-admin", "--username", "admin", "--key-file", str(path), "--json")
    assert json.loads(run(*arguments)[1])["changed"] is True
    text = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert accounts.key_is_valid(ctx, "admin", text)
    assert json.loads(run(*arguments)[1])["changed"] is False
    assert path.read_text() == text
    path.write_text("not:a:key")
    assert json.loads(run(*arguments)[1])["changed"] is True
    assert accounts.key_is_valid(ctx, "admin", path.read_text())


def test_create_admin_without_file_prints_the_key(ctx, run) -> None:
    status, out, _ = run("create-admin", "--username", "admin")
    assert status == 0
    assert accounts.key_is_valid(ctx, "admin", out)


@pytest.mark.parametrize(("username", "words"), [("a b", "letters"), ("reader", "no administrator")])
def test_create_admin_refuses_bad_names(ctx, run, username, words) -> None:
    accounts.add_account(ctx, COMMAND_LINE, "reader")
    status, out, error = run("create-admin", "--username", username)
    assert (status, out) == (1, "")
    assert words in error


def test_create_admin_into_a_missing_folder_names_the_file(run, tmp_path) -> None:
    status, _, error = run("create-admin", "--username", "admin", "--key-file", str(tmp_path / "none" / "key"))
    assert status == 1
    assert f"Cannot write {tmp_path}/none/key" in error


def test_settings_have_defaults_and_are_checked(run) -> None:
    assert json.loads(run("setting", "get", "--json")[1])["commissioning_timeout_s"] == 1200
    assert json.loads(run("setting", "set", "commissioning_timeout_s", "600", "--json")[1]) == {"changed": True}
    assert json.loads(run("setting", "set", "commissioning_timeout_s", "600", "--json")[1]) == {"changed": False}
    assert run("setting", "get", "commissioning_timeout_s")[1] == "commissioning_timeout_s: 600\n"
    status, _, error = run("setting", "set", "commissioning_timeout_s", "soon")
    assert status == 1
    assert "'soon' is not a number from 60 to 86400" in error
    status, _, error = run("setting", "set", "mood", "good")
    assert status == 1
    assert "no setting 'mood'; known are commissioning_timeout_s" in error
    assert "kernel line" in run("setting", "set", "kernel_options", 'quiet "$HOME"')[2]


def test_revoking_an_unknown_rack_says_so(run) -> None:
    status, _, error = run("revoke-rack", "rack9")
    assert status == 1
    assert "rack9" in error


def test_revoked_rack_is_no_longer_in_the_status(run, add_rack) -> None:
    add_rack("rack1", "10.20.0.2/24")
    assert [rack["hostname"] for rack in json.loads(run("status", "--json")[1])["racks"]] == ["rack1"]
    assert run("revoke-rack", "rack1")[0] == 0
    assert json.loads(run("status", "--json")[1])["racks"] == []


def test_status_counts_machines(run, api) -> None:
    api.post("machines/", data={"commission": "false", "mac_addresses": "52:54:00:20:01:01"})
    status = json.loads(run("status", "--json")[1])
    assert status["machines"] == {"New": 1}
    assert status["region"] == "region1"
    page = run("status")[1]
    assert f"schema {max(migrations.available())}, as region region1 sees it" in page
    assert "\nMachines: 1 New\n" in page


def test_enroll_token_is_one_line(run, tmp_path, ca_certificate) -> None:
    (tmp_path / "ca.crt").write_bytes(ca_certificate)
    status, out, _ = run("enroll-token", "--name", "rack1")
    assert status == 0
    assert out.startswith("rye1.")
    assert out.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: m.update(files=[]), "role kernel"),
        (lambda m: m.update(name="../x"), "'name'"),
        (lambda m: m["files"][0].update(sha256="short"), "SHA-256"),
        (lambda m: m["files"][0].update(role="magic"), "unknown role magic"),
        (lambda m: m["files"][0].update(size_bytes=0), "size"),
        (lambda m: None, "copy the image to this region"),
    ],
)
def test_image_register_refuses_what_it_cannot_serve(run, tmp_path, change, words) -> None:
    roles = {"kernel": "vmlinuz", "initrd": "initrd.img", "squashfs": "filesystem.squashfs"}
    files = [{"role": role, "name": name, "sha256": "0" * 64, "size_bytes": 1} for role, name in roles.items()]
    manifest = {"name": "x", "arch": "amd64", "suite": "bookworm", "files": files}
    change(manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    status, _, error = run("image-register", "--manifest", str(tmp_path / "manifest.json"))
    assert status == 1
    assert words in error


def test_missing_and_broken_configuration_is_named(run, config_file) -> None:
    config_file.write_text(config_file.read_text().replace("[dns]", "[sdn]"))
    status, _, error = run("status")
    assert status == 1
    assert "lacks the key 'dns'" in error
    config_file.write_text("[")
    assert "not valid TOML" in run("status")[2]
    config_file.unlink()
    assert f"Cannot read {config_file}" in run("status")[2]


def test_database_without_schema_names_the_remedy(run, cluster, config, config_file) -> None:
    empty = cluster.create()
    config_file.write_text(config_file.read_text().replace(config.dsn, cluster.dsn(empty)))
    status, _, error = run("status")
    assert status == 1
    assert "run `rackyard-region migrate`" in error
    cluster.drop(empty)


def test_unreachable_database_is_named(run, config_file, config) -> None:
    config_file.write_text(config_file.read_text().replace(config.dsn, "host=/nonexistent dbname=x"))
    status, _, error = run("migrate")
    assert status == UNAVAILABLE
    assert "PostgreSQL" in error


def test_api_keys_are_listed_and_revoked(run, api, admin_key) -> None:
    _consumer, token, secret = admin_key.split(":")
    status, output, _ = run("api-keys", "--username", "admin")
    assert (status, token in output, secret in output) == (0, True, False)
    status, _, error = run("revoke-api-key", admin_key)
    assert status == 1
    assert secret not in error
    assert run("revoke-api-key", token)[0] == 0
    assert api.get("users/?op=whoami").status_code == 401
    assert "list them first" in run("revoke-api-key", token)[2]
    assert "no account nobody" in run("api-keys", "--username", "nobody")[2]


def test_status_shows_how_much_history_there_is_and_for_how_long(run, api) -> None:
    run("setting", "set", "keep_events_days", "7")
    output = run("status", "--json")[1]
    assert '"keep_events_days": 7' in output
    assert "mib" in output


def test_prepare_does_what_is_missing_in_one_go_and_says_it_before(cluster, config, config_file, run, tmp_path) -> None:
    empty = cluster.create()
    config_file.write_text(config_file.read_text().replace(config.dsn, cluster.dsn(empty)))
    key = tmp_path / "admin.apikey"
    wanted = ("prepare", "--username", "admin", "--key-file", str(key), "--setting", "keep_boots", "7", "--json")
    migrations_only = json.loads(run(*wanted, "--check")[1])
    assert migrations_only["changed"] is True
    assert all(words.startswith("migration ") for words in migrations_only["done"])
    run("migrate")
    rest = {"changed": True, "done": [f"key {key}", "setting keep_boots"]}
    assert json.loads(run(*wanted, "--check")[1]) == rest
    assert not key.exists()
    assert json.loads(run(*wanted)[1]) == rest
    assert json.loads(run(*wanted)[1]) == {"changed": False, "done": []}
    assert run("setting", "get", "keep_boots")[1] == "keep_boots: 7\n"
    cluster.drop(empty)


def test_prepare_with_a_wrong_setting_changes_nothing(run, tmp_path) -> None:
    key = tmp_path / "admin.apikey"
    wanted = ("prepare", "--username", "admin", "--key-file", str(key), "--setting", "keep_boots", "7")
    status, _, error = run(*wanted, "--setting", "keep_jobs_days", "many")
    assert status == 1
    assert "'many' is not a number" in error
    assert not key.exists()
    assert run("setting", "get", "keep_boots")[1] == "keep_boots: 10\n"


def test_password_is_read_from_standard_input(ctx, run, monkeypatch, execute) -> None:
    accounts.create_admin(ctx, COMMAND_LINE, "admin")
    assert json.loads(run("users", "--json")[1]) == {"admin": {"email": "", "is_superuser": True}}
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\nsomething else\n"))
    status, output, error = run("set-password", "admin")
    assert (status, error) == (0, "")
    assert "horse" not in output
    ((stored,),) = execute("SELECT password_hash FROM account")
    assert passwords.match("correct horse", stored)
    trail = run("audit", "--object", "account:admin")[1].splitlines()
    assert re.fullmatch(
        r"[-0-9]{10} [:0-9]{8}Z \S+ \(cli region1\) Account admin was changed: "
        r"password_hash nothing → \(new secret\)",
        trail[-1],
    )


@pytest.mark.parametrize("said", ["", "short\n", "x" * 513 + "\n"])
def test_unfit_password_is_refused_without_quoting_it(ctx, run, monkeypatch, execute, said: str) -> None:
    accounts.create_admin(ctx, COMMAND_LINE, "admin")
    monkeypatch.setattr("sys.stdin", io.StringIO(said))
    status, _, error = run("set-password", "admin")
    assert status == 1
    assert "8 to 512 characters" in error
    assert execute("SELECT password_hash FROM account") == [(None,)]


def test_password_of_nobody_is_refused(run, monkeypatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse\n"))
    status, _, error = run("set-password", "nobody")
    assert (status, "no account 'nobody'" in error) == (1, True)


def test_password_typed_at_a_terminal_is_asked_for_twice(config_file, tmp_path, ctx, execute) -> None:
    accounts.create_admin(ctx, COMMAND_LINE, "admin")
    command = [sys.executable, "-m", "rackyard.region.cli", "set-password", "admin", "--config", str(config_file)]
    for again, status in (("another horse", 1), ("correct horse", 0)):
        ours, theirs = os.openpty()
        path = os.pathsep.join(entry for entry in sys.path if entry)
        program = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, close_fds=True,
            preexec_fn=lambda terminal=theirs: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        os.close(theirs)
        shown = _answer(ours, {b"New password: ": b"correct horse\n", b"The same again: ": again.encode() + b"\n"})
        assert program.wait(30) == status, shown
        assert b"horse" not in shown
        os.close(ours)
    ((stored,),) = execute("SELECT password_hash FROM account")
    assert passwords.match("correct horse", stored)


def _answer(terminal: int, answers: dict[bytes, bytes]) -> bytes:
    """Type what each prompt asks for; all that was shown."""
    shown = b""
    with contextlib.suppress(OSError):  # the other side has ended
        while piece := os.read(terminal, 1024):
            shown += piece
            for prompt in [known for known in answers if known in shown]:
                os.write(terminal, answers.pop(prompt))
    return shown


def test_audit_shows_what_was_done_on_this_host_the_latest_last(run, monkeypatch) -> None:
    monkeypatch.setenv("SUDO_USER", "joe")
    for value in ("7", "8"):
        run("setting", "set", "keep_boots", value)
    run("create-admin", "--username", "admin")
    status, output, error = run("audit", "--object", "setting:keep_boots", "--since", "1h")
    assert (status, error) == (0, "")
    assert [line.split(") ")[1] for line in output.splitlines()] == [
        "Setting keep_boots was set: value 7",
        "Setting keep_boots was changed: value 7 → 8",
    ]
    found = [json.loads(line) for line in run("audit", "--json", "--user", "joe")[1].splitlines()]
    assert [entry["object"] for entry in found] == ["setting", "setting", "account", "api_key"]
    last = found[1]
    assert (last["source"], last["address"], last["account_id"]) == ("cli", "region1", None)
    assert last["request"].endswith("setting set"), "arguments may be secrets"
    assert (last["before"], last["after"]) == ({"value": 7}, {"value": 8})
    assert len(run("audit", "--limit", "1")[1].splitlines()) == 1
    assert run("audit", "--user", "nobody") == run("audit", "--object", "zone") == (0, "", "")
    assert run("audit", "--since", "2999-01-01")[1] == ""


def test_audit_refuses_a_time_that_is_none(run, capsys) -> None:
    with pytest.raises(SystemExit):
        run("audit", "--since", "soon")
    assert "neither a time such as 12h nor a date" in capsys.readouterr().err


def test_audit_follows_what_is_done_until_it_is_interrupted(ctx, run, monkeypatch) -> None:
    """Stands in for the wait only: what others do meanwhile, and then the interruption."""
    waits = iter(["9", None])

    def wait(_seconds: float) -> None:
        value = next(waits)
        if value is None:
            raise KeyboardInterrupt
        settings.put(ctx.acting(cli_audit.deed_of(ctx, "meanwhile")), COMMAND_LINE, "keep_boots", value)

    run("setting", "set", "keep_boots", "7")
    monkeypatch.setattr(cli_audit.time, "sleep", wait)
    status, output, _error = run("audit", "--follow", "--json")
    assert status == 0
    assert [json.loads(line)["after"] for line in output.splitlines()] == [{"value": 7}, {"value": 9}]


def test_rights_are_given_listed_and_taken(run) -> None:
    run("create-admin", "--username", "admin")
    run("create-admin", "--username", "ann")
    assert run("revoke-grant", "ann", "administrator", "--json")[1] == '{"changed": true}\n'
    assert run("grant", "ann", "operator", "--pool", "default", "--json")[1] == '{"changed": true}\n'
    assert run("grant", "ann", "operator", "--pool", "default", "--json")[1] == '{"changed": false}\n'
    known = json.loads(run("rights", "--json")[1])["accounts"]
    assert known["ann"] == {"role": "operator", "grants": ["operator of default"], "groups": []}
    assert run("revoke-grant", "ann", "operator", "--pool", "default", "--json")[1] == '{"changed": true}\n'
    assert json.loads(run("rights", "--json")[1])["accounts"]["ann"]["role"] == "viewer"


def test_last_administrator_is_not_taken_by_the_command_line(run) -> None:
    run("create-admin", "--username", "admin")
    status, _output, error = run("revoke-grant", "admin", "administrator")
    assert (status, "the last administrator" in error) == (1, True)
    assert json.loads(run("rights", "--json")[1])["accounts"]["admin"]["role"] == "administrator"
