# SPDX-License-Identifier: GPL-3.0-or-later
"""No table and no column is left out of the audit trail, or shown in it, without somebody having decided so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import pytest

REMEDY = "let its migration call audit_table() with this column as shown or secret, or say here why it is left out"
# What no person changes, or what says nothing of its own.
NOT_AUDITED: Mapping[str, str] = MappingProxyType(
    {
        "audit": "the trail itself",
        "block_device": "what a machine says of itself",
        "boot": "the machine's; that it was asked for is an operation",
        "boot_step": "the machine's",
        "database_timeline": "PostgreSQL's",
        "dhcp_check": "a question of the region's, for seconds",
        "dhcp_pair_state": "the rack's",
        "dhcp_partner_down": "the region's own declaration",
        "dhcp_turn": "the region's own order",
        "dhcp_snippet_value": "what the trail has of the snippet itself",
        "enlistment": "the machine's; that somebody accepted it is an event",
        "enlistment_result": "what a machine says of itself",
        "event": "a log itself",
        "leadership": "the worker's",
        "lease": "the rack's",
        "login_attempt": "a count; wrong passwords are in the trail by themselves",
        "machine_lshw": "what a machine says of itself",
        "power_contact": "the rack's",
        "rack_daemon": "the rack's",
        "rack_interface": "the rack's",
        "rack_report": "the rack's",
        "rack_service": "the rack's",
        "receipt": "the rack's",
        "region_process": "the region's",
        "region_service": "the region's",
        "image_chunk": "on its way into a file",
        "interface_parent": "an interface is made of them when it is made, and then for ever",
        "notification_dismissal": "what somebody has read",
        "restoring": "there while a site is restored, in which nobody works",
        "schema_migration": "the release's",
        "script_result": "the machine's",
        "script_version": "what the trail has of the script itself",
    }
)
_TIMES = ("created_at",)
# Columns of audited tables that no person decides about, beside `id`.
LEFT_OUT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "account": _TIMES,
        "api_key": (*_TIMES, "last_used_at"),
        # It is named by it.
        "setting": ("name",),
        # By its fingerprint the key is named.
        "ssh_key": (*_TIMES, "key_sha256"),
        "restoration": ("restored_at",),
        # What the rack says, and what the region keeps of it.
        "rack": (
            "cert_sha256", "previous_cert_sha256", "cert_serial", "cert_not_after", "registered_at", "last_seen_at",
            "alive", "version", "desired_generation", "desired_sha256", "abilities", "hung_up_at", "desired_at",
            "host",
        ),
        "region": ("version", "seen_at", "cert_not_after", "names", "names_trouble", "host", "dns_serial"),
        "enroll_token": (*_TIMES, "used_at", "used_by_rack_id"),
        # The image's own description, of some KiB; it is named.
        "image": ("manifest", "manifest_sha256", "registered_at"),
        # What BMC, boots and scripts say; the states that an operator asks for are operations and power orders.
        "machine": (
            *_TIMES, "status_message", "status_changed_at", "previous_status", "epoch", "power_state",
            "power_state_at", "power_error", "power_error_kind", "boot_id", "firmware_type", "secure_boot", "cpu_count",
            "cpu_model", "cpu_speed_mhz", "memory_mib", "storage_mb", "hardware", "commissioned_at", "updated_at",
            "operation_id",
        ),
        # It is named by it.
        "machine_expect": ("machine_id",),
        "machine_interface": (
            # Which one boots is the machine's boot_mac.
            "machine_id", "is_boot", "vendor", "product", "driver", "firmware_version", "link_connected",
            "link_speed_mbps", "lldp", "discovered",
            # Which of the others commissioning leaves alone.
            "declared",
        ),
        "interface_link": ("interface_id", "device_interface_id", *_TIMES),
        "reserved_address": _TIMES,
        "default_gateway": ("machine_id", "family"),
        "device": (*_TIMES, "updated_at"),
        "device_interface": ("device_id",),
        "stored_file": ("updated_at",),
        "notification": (*_TIMES, "updated_at"),
        # What came of it.
        "image_upload": (
            "image_id", "sha256", "received_bytes", *_TIMES, "changed_at", "completed_at", "refusal",
        ),
        # By its name it is known whose it is.
        "dns_record": ("resource_id",),
        # How far the worker is with its definition.
        "tag": ("evaluated_to", "definition_fault"),
        "operation": (
            "machine_id", "epoch", "requested_by", "requested_at", "patience_s", "progress_at", "deadline_at",
            "ends_at", "limits", "ended_at",
        ),
        "job": (
            *_TIMES, "rack_id", "machine_id", "boot_id", "epoch", "params", "taken_at", "expires_at", "finished_at",
            "result", "error", "attempts", "tried",
        ),
    }
)  # fmt: skip
SOUNDS_SECRET = re.compile(r"secret|passw|token|hash|sha256|credential|private|sealed|key")
# Shown although they sound so: the public part of an API key, a public key, and what a backup is known by.
NO_SECRET = {("api_key", "token_key"), ("ssh_key", "key"), ("restoration", "archive_sha256"), ("script", "sha256")}


@pytest.fixture
def columns(execute) -> dict[str, dict[str, str]]:
    """Table → column → type."""
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns JOIN information_schema.tables "
        "USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    ):
        found.setdefault(table, {})[column] = kind
    return found


@pytest.fixture
def audited(execute) -> dict[str, str]:
    """Table → the text of its trigger's function."""
    return dict(
        execute(
            "SELECT tgrelid::regclass::text, prosrc FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid "
            "WHERE tgname = 'audited' AND tgenabled = 'O'"
        )
    )


def secret_in(source: str) -> set[str]:
    return set(re.findall(r"'(\w+)', CASE WHEN NEW\.\"?\1\"? IS NULL THEN NULL", source))


def recorded_in(source: str, columns: dict[str, str]) -> set[str]:
    return set(re.findall(r"'(\w+)', ", source)) & columns.keys()


def test_every_table_is_audited_or_has_its_reason(columns, audited) -> None:
    assert columns.keys() == audited.keys() | NOT_AUDITED.keys(), REMEDY
    assert not audited.keys() & NOT_AUDITED.keys()
    assert len(audited) >= 27


def test_every_column_of_an_audited_table_is_recorded_or_left_out(columns, audited) -> None:
    for table, source in audited.items():
        left_out = {*LEFT_OUT.get(table, ()), *({"id"} & columns[table].keys())}
        assert columns[table].keys() - recorded_in(source, columns[table]) == left_out, (table, REMEDY)


def test_no_column_that_sounds_like_a_secret_is_shown(columns, audited) -> None:
    for table, source in audited.items():
        for column in recorded_in(source, columns[table]) - secret_in(source):
            assert columns[table][column] != "bytea", (table, column)
            assert not SOUNDS_SECRET.search(column) or (table, column) in NO_SECRET, (table, column)
    assert secret_in(audited["account"]) == {"password_hash"}
    assert secret_in(audited["bmc"]) == {"secrets"}
    assert secret_in(audited["api_key"]) == {"consumer_key", "token_secret_sha256"}


def as_deed(statements: str) -> str:
    """In a transaction that says whose it is."""
    deed = '{"at": "2026-01-01", "actor": "a", "source": "api", "address": "", "request": ""}'
    return f"SELECT set_config('rackyard.deed', '{deed}', true); {statements}"


def test_new_column_is_in_no_entry_until_somebody_decides(api, execute) -> None:
    execute("ALTER TABLE zone ADD COLUMN contract text NOT NULL DEFAULT 'of great value'")
    api.post("zones/", data={"name": "z"})
    execute("ALTER TABLE account ADD COLUMN pin text")
    again = "SELECT audit_table('account', name => '$.username', shown => '{username}', secret => '{pin}')"
    execute(again)
    execute("UPDATE account SET pin = '4711'")
    execute(as_deed("UPDATE account SET pin = '4712'"))
    ((trail,),) = execute("SELECT string_agg(audit::text, ' ') FROM audit")
    assert "of great value" not in trail
    assert "471" not in trail
    assert execute("SELECT before, after FROM audit WHERE object = 'account'") == [
        ({"pin": "(old secret)"}, {"pin": "(new secret)"})
    ]


def test_every_table_that_is_audited_comes_into_the_trail(api, things, audited, execute) -> None:
    """A trigger that fails would break the change itself: so each is seen at work."""
    login = {"power_parameters_power_address": "192.0.2.9", "power_parameters_power_user": "root"}
    data = {"commission": "false", "hostname": "m2", "mac_addresses": "52:54:00:00:00:09", "power_type": "ipmi"}
    login |= {"power_parameters_power_pass": "x", "expect": '{"cpu_count": 2}'}
    machine = api.post("machines/", data={**data, **login}).json
    device = things["/devices/<system_id>/"]["system_id"]
    controllers = [things[f"/{kind}controllers/<system_id>/"]["system_id"] for kind in ("rack", "region")]
    tagged = {"add": [machine["system_id"], device, *controllers]}
    assert api.post("tags/t/?op=update_nodes", data=tagged).status_code == 200
    assert api.post("usergroups/g/?op=add_member", data={"username": "admin"}).status_code == 200
    assert api.post("usergroups/g/?op=grant", data={"role": "operator", "pool": "*"}).status_code == 200
    assert api.put("subnets/s/", data={"gateway_ip": "198.51.100.1"}).status_code == 200
    snippet = f"dhcp-snippets/{things['/dhcp-snippets/<int:snippet_id>/']['snippet_id']}/"
    assert api.put(snippet, data={"description": "x"}).status_code == 200
    nic = f"nodes/{machine['system_id']}/interfaces/{machine['interface_set'][0]['id']}/"
    link = {"mode": "auto", "subnet": "s", "default_gateway": "true"}
    assert api.post(f"{nic}?op=link_subnet", data=link).status_code == 200
    assert api.post("ipaddresses/?op=reserve", data={"subnet": "s"}).status_code == 200
    assert api.post("users/", data={"username": "ann", "password": "correct horse"}).status_code == 200
    assert api.post("account/?op=create_authorisation_token").status_code == 200
    assert api.post("maas/?op=set_config", data={"name": "keep_boots", "value": "5"}).status_code == 200
    assert api.post("domains/?op=set_serial", data={"serial": "7"}).status_code == 204
    execute(
        as_deed(
            "UPDATE image SET is_default = true; UPDATE rack SET revoked_at = now(); DELETE FROM region; "
            "INSERT INTO restoration (taken_at, restored_at, archive_sha256) VALUES (now(), now(), 'x'); "
            "INSERT INTO enroll_token (secret_sha256, created_at, expires_at) VALUES (sha256('x'), now(), now()); "
            "INSERT INTO operation (machine_id, kind, epoch, requested_at, patience_s, progress_at, deadline_at, "
            "ends_at) SELECT id, 'commission', 1, now(), 60, now(), now(), now() FROM machine; "
            "INSERT INTO job (machine_id, epoch, kind, created_at, expires_at) "
            "SELECT machine.id, 1, kind, now(), now() FROM machine, unnest(ARRAY['power_on', 'power_query']) AS kind"
        )
    )
    seen = dict(execute("SELECT object, count(*) FROM audit GROUP BY object"))
    assert seen.keys() == audited.keys()
    assert seen["job"] == 2, "a question changes nothing"
    assert api.delete(f"machines/{machine['system_id']}/").status_code == 204, "its own of these go with it"
    assert execute("SELECT 1 FROM audit WHERE name = ''") == []
