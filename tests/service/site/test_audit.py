# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit trail: what somebody changes is in it, with who, from where and what was before; and no secret ever."""

from __future__ import annotations

import json

import psycopg2
import pytest

from rackyard.region.cli_audit import deed_of
from rackyard.region.deed import Deed
from rackyard.region.errors import Invalid
from rackyard.region.services.racks import enrolment, identity
from rackyard.region.services.site import audit, restoration, retention, settings
from rackyard.region.services.site.authorisation import COMMAND_LINE

SUBNET = {"cidr": "10.0.0.0/24", "name": "lab", "gateway_ip": "10.0.0.1"}
LOGIN = "/MAAS/accounts/authenticate/"
FROM = {"X-Forwarded-For": "192.0.2.7"}


def entries(api, query: str = "") -> list[dict]:
    """The newest first."""
    answer = api.get(f"audit/?limit=1000{query}")
    assert answer.status_code == 200, answer.text
    assert answer.json["count"] == len(answer.json["entries"])
    return answer.json["entries"]


def told(api, query: str = "") -> list[str]:
    return [event["description"] for event in api.get(f"events/?op=query&level=AUDIT{query}").json["events"]]


@pytest.fixture
def subnet(api) -> dict:
    api.post("fabrics/", data={"name": "f"})
    return api.post("subnets/", data=SUBNET).json


def test_change_says_who_what_from_where_and_what_was_before(api, subnet, clock) -> None:
    clock.advance(60)
    api.put("subnets/lab/", data={"gateway_ip": "10.0.0.254"}, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    entry = entries(api)[0]
    assert entry == {
        "id": entry["id"],
        "at": clock.at.isoformat(),
        "actor": "admin",
        "account_id": entry["account_id"],
        "source": "api",
        "address": "192.0.2.7",
        "request": "PUT /MAAS/api/2.0/subnets/lab/",
        "action": "change",
        "object": "subnet",
        "object_id": str(subnet["id"]),
        "name": "lab (10.0.0.0/24)",
        "node": None,
        "before": {"gateway_ip": "10.0.0.1"},
        "after": {"gateway_ip": "10.0.0.254"},
        "note": "",
        "tries": None,
        "last_at": None,
        "description": "Subnet lab (10.0.0.0/24) was changed: gateway_ip 10.0.0.1 → 10.0.0.254",
    }


def test_events_of_level_audit_are_the_trail_in_words_and_nothing_else(api, subnet) -> None:
    api.post("machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:00:00:01"})
    api.put("subnets/lab/", data={"gateway_ip": ""})
    page = api.get("events/?op=query&level=AUDIT&limit=1").json
    (event,) = page["events"]
    assert event["description"] == "Subnet lab (10.0.0.0/24) was changed: gateway_ip 10.0.0.1 → nothing"
    assert (event["level"], event["type"], event["username"]) == ("AUDIT", "NETWORKING", "admin")
    older = api.get(page["prev_uri"].removeprefix("/MAAS/api/2.0/")).json["events"]
    assert older[0]["id"] < event["id"]
    assert "Machine m1 was created" in told(api)
    assert not any("NODE_CREATED" in str(each) for each in api.get("events/?op=query&level=AUDIT").json["events"])
    assert "AUDIT" not in str(api.get("events/?op=query&level=DEBUG").json["events"])


def test_trail_is_filtered_and_followed(api, subnet, execute) -> None:
    machine = api.post(
        "machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:00:00:01"}
    ).json
    newest = entries(api)[0]["id"]
    api.put(f"machines/{machine['system_id']}/", data={"description": "x"})
    assert [entry["before"] for entry in entries(api, f"&after={newest}")] == [{"description": ""}]
    of_machine = {entry["object"] for entry in entries(api, f"&id={machine['system_id']}")}
    assert of_machine == {"machine", "machine_interface"}
    assert entries(api, "&object=machine&name=m1&action=change")[0]["after"] == {"description": "x"}
    assert entries(api, "&actor=nobody") == entries(api, "&source=cli") == []
    assert len(told(api, "&hostname=m1")) == len(entries(api, f"&id={machine['system_id']}"))
    assert told(api, "&hostname=m2") == told(api, "&owner=nobody") == []
    assert told(api, "&mac_address=52:54:00:00:00:01") == told(api, "&hostname=m1")
    everything = entries(api)
    page, seen = api.get("audit/?limit=2&after=0").json, []
    while page["entries"]:
        seen = page["entries"] + seen
        page = api.get(page["next_uri"].removeprefix("/MAAS/api/2.0/")).json
    assert seen == everything
    assert api.get("audit/?since=yesterday").status_code == 400
    assert api.get("audit/?limit=1001").status_code == 400
    assert api.get("audit/?owner=admin").status_code == 400, "a filter that is not there is never ignored"
    assert entries(api, "&since=2999-01-01") == []
    assert entries(api, "&since=2020-01-01") == everything


def test_entry_is_held_back_while_one_with_a_smaller_number_may_come(api, ctx, subnet) -> None:
    newest = entries(api)[0]["id"]
    with ctx.acting(deed_of(ctx, "one")).db.transaction() as tx:
        tx.run("site.settings.set", name="keep_boots", value={"value": 7})
        api.put("subnets/lab/", data={"description": "x"})
        assert entries(api, f"&after={newest}") == told(api, f"&after={newest}") == []
    assert [entry["object"] for entry in entries(api, f"&after={newest}")] == ["subnet", "setting"]


def test_what_machines_and_the_region_change_is_no_persons_deed(api, ctx) -> None:
    machine = {"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:00:00:01"}
    api.post("machines/", data=machine)
    known = entries(api)
    with ctx.db.transaction() as tx:
        status = {"status": 4, "message": "", "epochs": 1, "now": ctx.clock.now()}
        assert tx.one("machines.state.set_status", id=1, **status) is not None
    assert api.get("machines/").json[0]["status_name"] == "Ready"
    assert entries(api) == known


def test_deed_ends_with_its_transaction(api, ctx, subnet) -> None:
    """The next one may come on the same connection."""
    known = len(entries(api))
    with ctx.db.transaction() as tx:
        tx.run("site.settings.set", name="keep_boots", value={"value": 7})
    assert len(entries(api)) == known


def _fail_in_part(tx) -> None:
    with tx.savepoint():
        tx.run("site.settings.set", name="keep_boots", value={"value": 7})
        raise Invalid.field("a", "b")


def test_part_that_is_undone_leaves_no_entry_and_what_follows_is_recorded(api, ctx) -> None:
    with ctx.acting(deed_of(ctx, "parts")).db.transaction() as tx:
        with pytest.raises(Invalid):
            _fail_in_part(tx)
        tx.run("site.settings.set", name="keep_jobs_days", value={"value": 7})
    assert [entry["name"] for entry in entries(api)] == ["keep_jobs_days"]


def test_refused_request_changes_nothing_and_leaves_no_change_in_the_trail(api, subnet) -> None:
    known = entries(api)
    assert api.put("subnets/lab/", data={"gateway_ip": "10.9.9.9"}).status_code == 400
    assert api.put("subnets/lab/", data={"gateway_ip": "10.0.0.1"}).status_code == 200, "as it is"
    assert entries(api) == known


def test_entries_outlive_the_account_and_the_object(api, api_of, key_of, subnet) -> None:
    reader = api_of(key_of("reader"))
    reader.post("account/?op=create_authorisation_token", data={"name": "mine"})
    before = [entry for entry in entries(api) if entry["actor"] == "reader"]
    assert [entry["object"] for entry in before] == ["api_key"]
    assert api.delete("users/reader/").status_code == 204
    assert api.delete("subnets/lab/").status_code == 204
    assert [entry for entry in entries(api) if entry["actor"] == "reader"] == before
    (gone,) = [entry for entry in entries(api) if entry["object"] == "subnet" and entry["action"] == "delete"]
    assert gone["before"]["gateway_ip"] == "10.0.0.1"
    assert gone["after"] is None


def test_others_than_administrators_see_what_they_did_themselves(api, api_of, key_of, subnet) -> None:
    reader = api_of(key_of("reader"))
    reader.post("account/?op=create_authorisation_token", data={"name": "mine"})
    assert {entry["actor"] for entry in entries(reader)} == {"reader"}
    assert [event["username"] for event in reader.get("events/?op=query&level=AUDIT").json["events"]] == ["reader"]
    assert entries(reader, "&actor=admin") == told(reader, "&owner=admin") == []
    assert {entry["actor"] for entry in entries(api)} == {"admin", "reader"}


def test_lines_from_before_there_were_entries_are_shown_to_whom_they_belong(api, api_of, key_of, execute) -> None:
    execute(
        "INSERT INTO event (level, type, description, username, created_at) VALUES (0, 'TAG', 'old', 'reader', now()), "
        "(0, 'TAG', 'other', 'admin', now()), (20, 'TAG', 'no line of it', 'admin', now())"
    )
    reader = api_of(key_of("reader"))
    assert told(api) == ["other", "old"]
    assert told(reader) == ["old"]
    assert told(reader, "&owner=admin") == []
    assert told(api, "&after=0&limit=1") == ["old"]
    assert told(api, "&hostname=m1") == []


def test_refusals_are_counted_not_piled_up(api, api_of, key_of, clock) -> None:
    reader = api_of(key_of("reader"))
    for _ in range(5):
        assert reader.post("zones/", data={"name": "mine"}).status_code == 403
        clock.advance(1)
    (entry,) = entries(api)
    assert (entry["actor"], entry["action"], entry["tries"]) == ("reader", "refused", 5)
    assert entry["request"] == "POST /MAAS/api/2.0/zones/"
    assert entry["description"].startswith("Refused: reader may not make, change or delete zones")
    assert "(5 times until " in entry["description"]
    clock.advance(audit.REFUSALS_COUNTED.total_seconds())
    reader.post("zones/", data={"name": "mine"})
    assert [each["tries"] for each in entries(api)] == [1, 5]


def test_refusals_have_a_limit_and_what_is_beyond_it_is_counted_together(api, api_of, key_of, execute) -> None:
    reader = api_of(key_of("reader"))
    for number in range(audit.MAX_REFUSALS + 20):
        assert reader.delete(f"zones/{number}/").status_code == 403
    counts = dict(execute("SELECT action, count(*) FROM audit GROUP BY action"))
    assert counts == {"refused": audit.MAX_REFUSALS, "more_refused": 1}
    reader.delete("zones/1/")
    assert dict(execute("SELECT action, sum(tries)::integer FROM audit GROUP BY action")) == {
        "refused": audit.MAX_REFUSALS + 1,
        "more_refused": 20,
    }


def test_failed_logins_are_in_the_trail_without_what_was_typed(client, api) -> None:
    api.post("users/", data={"username": "ann", "password": "correct horse"})
    for name in ("ann", "ann", "typed-password", "typed-another"):
        answer = client.post(LOGIN, data={"username": name, "password": "wrong"}, headers=FROM)
        assert answer.status_code == 403
    found = [(entry["actor"], entry["address"], entry["tries"]) for entry in entries(api, "&action=login_failed")]
    assert found == [("", "192.0.2.7", 2), ("ann", "192.0.2.7", 2)]
    assert "typed" not in str(entries(api))


def test_address_is_that_of_the_front_and_nothing_else(api, client, admin_key, subnet) -> None:
    for sent in ("'; DROP TABLE audit; --", "x" * 1000, ""):
        api.put("subnets/lab/", data={"description": sent[:20]}, environ_base={"REMOTE_ADDR": sent})
    assert {entry["address"] for entry in entries(api, "&object=subnet&action=change")} == {""}


def test_old_entries_go_in_batches_and_the_setting_says_when(api, ctx, execute) -> None:
    execute(
        "INSERT INTO audit (at, actor, source, address, request, action) SELECT now() - n * interval '1 day' "
        "- interval '60 s', 'a', 'api', '', '', 'change' FROM generate_series(0, 499) AS n"
    )
    assert retention.tidy(ctx)["site.retention.audit"] == 100
    settings.put(ctx, COMMAND_LINE, "keep_audit_days", "30")
    assert retention.tidy(ctx)["site.retention.audit"] == 370
    assert retention.overview(ctx)["audit"] | {"mib": 0} == {"rows": 30, "mib": 0, "keep_audit_days": 30}


def test_restored_site_has_its_trail_and_goes_on_numbering_above_it(api, ctx, subnet, execute) -> None:
    known = entries(api)
    execute("INSERT INTO restoring VALUES (now(), 'abc')")
    restoration.make_fit(ctx.acting(deed_of(ctx, "rackyard-region restore")), COMMAND_LINE)
    after = entries(api)
    assert after[-len(known) :] == known
    assert after[0]["id"] > known[0]["id"] + restoration.NUMBERS / 2
    assert after[0]["object"] == "restoration"
    assert execute("SELECT count(*) FROM audit WHERE id <= %s AND written_by IS NOT NULL", (known[0]["id"],)) == [(0,)]
    assert len(entries(api, "&after=0")) == len(after)


def test_refusal_stays_a_refusal_when_it_cannot_be_noted(ctx, execute, caplog) -> None:
    deed = Deed("a", None, "api", "", "x", ctx.clock.now())
    execute("ALTER TABLE audit RENAME TO gone")
    audit.refused(ctx, deed, note="no")
    assert "a refusal is not in the audit trail" in caplog.text


@pytest.fixture
def tour(ctx, api, client, things, key_of, api_of, ca_certificate) -> list[str]:
    """What people do with secrets, and what these were."""
    ctx.config.ca_cert.write_bytes(ca_certificate)
    world = ctx.acting(deed_of(ctx, "rackyard-region enroll-token"))
    api.post("users/", data={"username": "ann", "password": "pass-of-ann", "is_superuser": "1"})
    api.post("users/ann/?op=change_password", data={"password": "pass-two-of-ann"})
    made = api.post("account/?op=create_authorisation_token", data={"name": "k"}).json
    logged_in = client.post(LOGIN, data={"username": "ann", "password": "pass-two-of-ann"}).json
    client.post(LOGIN, data={"username": "pass-as-name", "password": "pass-guessed"})
    power = {"power_type": "ipmi", "power_parameters_power_address": "192.0.2.9"}
    login = {"power_parameters_power_user": "root", "power_parameters_power_pass": "pass-of-bmc"}
    data = {"commission": "false", "hostname": "m2", "mac_addresses": "52:54:00:00:00:0a", **power, **login}
    machine = api.post("machines/", data=data)
    assert machine.status_code == 200, machine.text
    path = f"machines/{machine.json['system_id']}/"
    assert api.put(path, data={"power_parameters_power_pass": "pass-two-of-bmc"}).status_code == 200
    api.put("subnets/s/", data={"description": "behind http://joe:pass-of-url@proxy.example:3128/"})
    assert api.delete(path).status_code == 204
    token = enrolment.mint_token(world, COMMAND_LINE, "", 900)
    reader = key_of("reader")
    api_of(reader).post("users/ann/?op=change_password", data={"password": "pass-not-allowed"})
    return [
        "pass-of", "pass-two", "pass-as-name", "pass-guessed", "pass-not-allowed", "joe",
        made["token_secret"], logged_in["token_secret"], token,
        str(identity.decode_token(token)["secret"]), reader.split(":")[2],
    ]  # fmt: skip


def test_no_secret_of_a_whole_tour_is_anywhere_in_the_trail(tour, api, execute) -> None:
    stored = [
        value
        for (value,) in execute(
            "SELECT password_hash FROM account WHERE password_hash IS NOT NULL UNION ALL "
            "SELECT encode(token_secret_sha256, 'hex') FROM api_key UNION ALL "
            "SELECT encode(secret_sha256, 'hex') FROM enroll_token UNION ALL "
            "SELECT value FROM bmc, jsonb_each_text(secrets)"
        )
    ]
    ((trail,),) = execute("SELECT string_agg(audit::text, ' ') FROM audit")
    shown = trail + json.dumps(entries(api)) + str(told(api, "&limit=1000"))
    objects = {entry["object"] for entry in entries(api)}
    assert {"account", "api_key", "bmc", "enroll_token", "machine"} <= objects, "the tour went there"
    for secret in (*tour, *stored):
        assert secret not in shown, secret
    assert "http://(secret)@proxy.example:3128/" in shown
    (changed,) = [entry for entry in entries(api) if entry["object"] == "bmc" and entry["action"] == "change"]
    assert (changed["before"], changed["after"]) == ({"secrets": "(old secret)"}, {"secrets": "(new secret)"})


def test_long_values_are_cut(api) -> None:
    machine = api.post(
        "machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "52:54:00:00:00:01"}
    ).json
    long = "http://joe:pass@proxy.example/ http://joe:p@ss@proxy.example/ " + "y" * 20_000
    api.post(f"machines/{machine['system_id']}/?op=set_owner_data", data={"a": long})
    entry = entries(api, "&object=machine&action=change")[0]
    assert len(json.dumps(entry["after"])) < 4100
    assert "joe" not in str(entry)
    assert "ss@" not in str(entry)
    assert len(told(api)[0]) < 300


def test_follower_waits_for_a_writer_that_began_later_and_was_quicker_to_number(api, ctx) -> None:
    api.post("zones/", data={"name": "z"})
    start = api.get("audit/?limit=1").json["entries"][0]["id"]
    write = (
        "INSERT INTO audit (at, actor, source, address, request, action, name) "
        "VALUES (now(), 'a', 'api', '', '', 'create', %s)"
    )
    first, second = psycopg2.connect(ctx.config.dsn), psycopg2.connect(ctx.config.dsn)
    try:
        with first.cursor() as early, second.cursor() as late:
            early.execute("SELECT pg_current_xact_id()")
            late.execute(write, ("late",))
            early.execute(write, ("early",))
            first.commit()
            path = f"audit/?after={start}"
            assert api.get(path).json["count"] == 0, "the one that ended would hide the other"
            second.commit()
        assert [entry["name"] for entry in api.get(path).json["entries"]] == ["early", "late"]
    finally:
        first.close()
        second.close()
