# SPDX-License-Identifier: GPL-3.0-or-later
"""`machines/`: registering, changing, finding, deleting; and every kind of bad input."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest

from rackyard.region.api import machines as machine_routes
from rackyard.region.db.machines import registry
from rackyard.region.db.power import bmcs
from rackyard.region.randomness import Randomness

BMC = {
    "power_type": "ipmi",
    "power_parameters_power_address": "172.16.0.11",
    "power_parameters_power_user": "maas",
    "power_parameters_power_pass": "s3cret-pass",
}
MACS = ["52:54:00:20:01:01", "52:54:00:20:01:02"]
M1 = {"commission": "false", "hostname": "m1", "mac_addresses": MACS, **BMC}


@pytest.fixture
def m1(api) -> dict:
    response = api.post("machines/", data=M1)
    assert response.status_code == 200, response.text
    return response.json


def refused(response, field: str) -> str:
    """The words about one field of a form error; nothing else may be wrong."""
    assert response.status_code == 400, response.text
    assert response.mimetype == "application/json"
    assert list(response.json) == [field]
    (message,) = response.json[field]
    return message


def hostnames(api) -> list[str]:
    return [machine["hostname"] for machine in api.get("machines/").json]


def test_created_machine_is_new_and_has_what_was_said(m1, api) -> None:
    assert m1["status"] == 0
    assert m1["status_name"] == "New"
    assert m1["fqdn"] == "m1.rackyard.internal"
    assert m1["architecture"] == "amd64/generic"
    assert m1["power_type"] == "ipmi"
    assert m1["power_state"] == "unknown"
    assert m1["boot_interface"]["mac_address"] == "52:54:00:20:01:01"
    assert [nic["mac_address"] for nic in m1["interface_set"]] == M1["mac_addresses"]
    assert m1["owner"] == "admin"
    assert api.get(f"machines/{m1['system_id']}/").json == m1


def test_power_parameters_may_be_one_json_object(api) -> None:
    power = {"power_address": "172.16.0.9", "power_user": "u", "power_pass": "p", "power_port": 1623}
    given = {"mac_addresses": "52:54:00:20:01:09", "power_type": "ipmi", "power_parameters": json.dumps(power)}
    machine = api.post("machines/", data={"commission": "false", **given}).json
    shown = api.get(f"machines/{machine['system_id']}/?op=power_parameters").json
    assert shown == {"power_address": "172.16.0.9", "power_port": "1623", "power_user": "u"}


def test_machine_without_hostname_is_named_after_its_system_id(api) -> None:
    machine = api.post("machines/", data={"commission": "false", "mac_addresses": "52:54:00:20:01:09"}).json
    assert machine["hostname"] == f"machine-{machine['system_id']}"


def test_site_domain_at_the_end_of_a_hostname_is_dropped(api) -> None:
    given = {"hostname": "Web-1.Rackyard.Internal", "mac_addresses": "52-54-00-20-01-0A"}
    machine = api.post("machines/", data={"commission": "false", **given}).json
    assert machine["hostname"] == "web-1"
    assert machine["boot_interface"]["mac_address"] == "52:54:00:20:01:0a"


def test_password_is_encrypted_and_never_shown(m1, api, ctx, caplog) -> None:
    system_id = m1["system_id"]
    with ctx.db.transaction() as tx:
        (machine,) = registry.select(tx, registry.MachineFilter(system_ids=[system_id]))
        (power,) = bmcs.of_machines(tx, [machine.id]).values()
    assert power.has_secrets
    answers = [
        api.get("machines/").text,
        api.get(f"machines/{system_id}/").text,
        api.get(f"machines/{system_id}/?op=power_parameters").text,
        api.get("events/?op=query&level=DEBUG").text,
        api.put(f"machines/{system_id}/", data={**BMC, "power_parameters_power_pass": "x" * 21 + "s3cret-pass"}).text,
        str(machine),
        str(power),
        caplog.text,
    ]
    assert not [answer for answer in answers if "s3cret" in answer]


def test_stored_password_opens_with_the_key_outside_the_database(m1, ctx, sealed_password) -> None:
    sealed = sealed_password(m1["system_id"])
    assert b"s3cret" not in sealed
    assert ctx.box.decrypt(sealed) == "s3cret-pass"


def test_update_changes_what_is_given_and_keeps_the_rest(m1, api, ctx, sealed_password) -> None:
    path = f"machines/{m1['system_id']}/"
    changed = api.put(path, data={"description": "rack 4, unit 12"})
    assert changed.status_code == 200
    assert changed.json["description"] == "rack 4, unit 12"
    kept = ("hostname", "architecture", "power_type", "interface_set", "system_id")
    assert {name: changed.json[name] for name in kept} == {name: m1[name] for name in kept}
    api.put(path, data={"power_parameters_power_user": "other"})
    assert api.get(f"{path}?op=power_parameters").json["power_user"] == "other"
    assert ctx.box.decrypt(sealed_password(m1["system_id"])) == "s3cret-pass"


def test_new_power_settings_forget_what_the_bmc_said_to_the_old_ones(m1, api, change_machine) -> None:
    path = f"machines/{m1['system_id']}/"
    change_machine(m1["system_id"], power_error_kind="auth", power_error="BMC 172.16.0.11 refused the password")
    assert api.get(path).json["power_error"]
    assert api.put(path, data={"power_parameters_power_pass": "better"}).json["power_error"] == ""


def test_update_of_macs_moves_the_boot_interface_and_drops_what_is_gone(m1, api) -> None:
    given = {"mac_addresses": ["52:54:00:20:01:03", "52:54:00:20:01:02"]}
    changed = api.put(f"machines/{m1['system_id']}/", data=given).json
    assert changed["boot_interface"]["mac_address"] == "52:54:00:20:01:03"
    assert {nic["mac_address"] for nic in changed["interface_set"]} == set(given["mac_addresses"])


def test_delete_forgets_the_machine_and_keeps_its_story(m1, api) -> None:
    path = f"machines/{m1['system_id']}/"
    response = api.delete(path)
    assert (response.status_code, response.data) == (204, b"")
    assert api.get(path).status_code == 404
    assert api.delete(path).status_code == 404
    assert api.post("machines/", data=M1).status_code == 200
    told = [event["description"] for event in api.get("events/?op=query").json["events"]]
    assert f"Machine m1 ({m1['system_id']}) was deleted" in told


def test_filters_pick_machines(m1, api) -> None:
    other = api.post(
        "machines/", data={"commission": "false", "hostname": "m2", "mac_addresses": "52:54:00:20:01:09"}
    ).json
    for query, expected in [
        ("hostname=m2", ["m2"]),
        ("hostname=m1&hostname=m2", ["m1", "m2"]),
        ("mac_address=52-54-00-20-01-02", ["m1"]),
        (f"id={other['system_id']}", ["m2"]),
        ("status=new", ["m1", "m2"]),
        ("status=0", ["m1", "m2"]),
        ("status=ready", []),
        ("hostname=nobody", []),
    ]:
        assert [machine["hostname"] for machine in api.get(f"machines/?{query}").json] == expected, query


def test_unknown_status_in_a_filter_names_the_known_ones(api) -> None:
    assert "commissioning" in refused(api.get("machines/?status=asleep"), "status")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_unknown_machine_is_404_and_says_how_to_list(api, method) -> None:
    response = api.request(method, "machines/abc346/")
    assert response.status_code == 404
    assert "'abc346'" in response.text
    assert "GET machines/" in response.text


def test_duplicate_mac_names_its_machine_and_the_remedy(m1, api) -> None:
    message = refused(
        api.post("machines/", data={"commission": "false", "hostname": "m2", "mac_addresses": "52:54:00:20:01:02"}),
        "mac_addresses",
    )
    assert message == (
        f"MAC 52:54:00:20:01:02 already belongs to machine m1 ({m1['system_id']}); "
        "give another MAC or delete that machine."
    )
    assert hostnames(api) == ["m1"]


@pytest.mark.parametrize(
    "mac",
    ["52:54:00:20:01", "52:54:00:20:01:0g", "5254.0020.010", "01:00:5e:00:00:01", "00:00:00:00:00:00", "x" * 500],
)
def test_malformed_mac_is_named_with_the_remedy(api, mac) -> None:
    message = refused(
        api.post("machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": mac}), "mac_addresses"
    )
    assert mac[:70].lower() in message.lower()
    assert "00:00:5e:00:53:01" in message or "printed on the NIC" in message
    assert hostnames(api) == []


def test_mac_may_be_written_as_switches_print_it(api) -> None:
    made = api.post("machines/", data={"commission": "false", "hostname": "m1", "mac_addresses": "5254.0020.0101"}).json
    assert made["interface_set"][0]["mac_address"] == "52:54:00:20:01:01"


def test_mac_given_twice_is_refused(api) -> None:
    macs = ["52:54:00:20:01:01", "52-54-00-20-01-01"]
    assert "given twice" in refused(
        api.post("machines/", data={"commission": "false", "mac_addresses": macs}), "mac_addresses"
    )


def test_machine_without_mac_is_refused(api) -> None:
    assert "required" in refused(api.post("machines/", data={"commission": "false", "hostname": "m1"}), "mac_addresses")


@pytest.mark.parametrize("hostname", ["-m1", "m1-", "m_1", "m 1", "a" * 64, "m1\nroot", "ü"])
def test_malformed_hostname_is_named_with_the_remedy(api, hostname) -> None:
    message = refused(
        api.post("machines/", data={"commission": "false", "hostname": hostname, "mac_addresses": "52:54:00:20:01:01"}),
        "hostname",
    )
    assert message.startswith(f"{hostname!r} is no hostname (RFC 1123); use 1 to 63 letters")
    assert "\n" not in message
    assert hostnames(api) == []


def test_duplicate_hostname_names_its_machine(m1, api) -> None:
    message = refused(
        api.post("machines/", data={"commission": "false", "hostname": "M1", "mac_addresses": "52:54:00:20:01:09"}),
        "hostname",
    )
    assert m1["system_id"] in message
    other = api.post(
        "machines/", data={"commission": "false", "hostname": "m2", "mac_addresses": "52:54:00:20:01:09"}
    ).json
    assert "m1" in refused(api.put(f"machines/{other['system_id']}/", data={"hostname": "m1"}), "hostname")


def test_two_machines_cannot_share_a_bmc(m1, api) -> None:
    given = {"hostname": "m2", "mac_addresses": "52:54:00:20:01:09", **BMC}
    assert f"machine m1 ({m1['system_id']})" in refused(
        api.post("machines/", data={"commission": "false", **given}), "power_parameters"
    )


@pytest.mark.parametrize(
    ("changed", "field", "words"),
    [
        ({"power_type": "telepathy"}, "power_type", "ipmi or manual or proxmox or redfish or webhook"),
        ({"power_parameters_power_address": "bmc-1"}, "power_parameters", "no IP address"),
        ({"power_parameters_power_address": ""}, "power_parameters", "needs the BMC's address"),
        ({"power_parameters_power_port": "70000"}, "power_parameters", "from 1 to 65535"),
        ({"power_parameters_power_user": "x" * 17}, "power_parameters", "at most 16"),
        ({"power_parameters_power_pass": "x" * 21}, "power_parameters", "at most 20"),
        ({"power_parameters_power_pass": "x\ny"}, "power_parameters", "printable"),
        ({"power_parameters_cipher_suite_id": "1"}, "power_parameters", "cipher_suite_id"),
        ({"power_parameters_cipher_suite_id": "8"}, "power_parameters", "use one of (empty), 3, 17"),
        ({"power_type": "redfish", "power_parameters_power_verify_ssl": "x"}, "power_parameters", "use one of y, n"),
        ({"power_parameters_power_driver": "LAN"}, "power_parameters", "use one of LAN_2_0"),
        ({"power_parameters_spell": "x"}, "power_parameters", "Unknown parameter 'spell'"),
        ({"power_type": "manual"}, "power_parameters", "takes no parameters"),
        ({"architecture": "vax"}, "architecture", "amd64/generic"),
        ({"description": "bell\x07"}, "description", "control characters"),
    ],
)
def test_bad_settings_are_named_with_the_remedy(api, changed, field, words) -> None:
    assert words in refused(api.post("machines/", data={**M1, **changed}), field)
    assert hostnames(api) == []


def test_power_parameters_must_be_json(api) -> None:
    response = api.post(
        "machines/", data={"commission": "false", "mac_addresses": "52:54:00:20:01:01", "power_parameters": "{"}
    )
    assert response.status_code == 400
    assert "power_parameters is not valid JSON" in response.text


def test_failed_update_changes_nothing(m1, api) -> None:
    path = f"machines/{m1['system_id']}/"
    response = api.put(path, data={"description": "new", "mac_addresses": ["52:54:00:20:01:03", "bad"]})
    assert response.status_code == 400
    assert api.get(path).json == m1


def test_commissioning_machine_cannot_be_deleted_or_rewired(m1, api, change_machine) -> None:
    change_machine(m1["system_id"], status=1)
    path = f"machines/{m1['system_id']}/"
    for response in (
        api.delete(path),
        api.put(path, data=BMC),
        api.put(path, data={"mac_addresses": "52:54:00:1:1:1"}),
    ):
        assert response.status_code == 409
        assert "m1 is Commissioning; abort that first (op=abort)" in response.text
    assert api.put(path, data={"description": "still fine"}).status_code == 200


def test_commissioning_without_bmc_is_refused_and_changes_nothing(api) -> None:
    machine = api.post(
        "machines/", data={"commission": "false", "hostname": "m3", "mac_addresses": "52:54:00:20:01:09"}
    ).json
    path = f"machines/{machine['system_id']}/"
    response = api.post(f"{path}?op=commission")
    assert response.status_code == 400
    assert "machine m3 has no BMC" in response.text
    assert "set power_type=ipmi" in response.text
    assert api.get(path).json["status_name"] == "New"


def test_commissioning_without_image_is_refused_and_changes_nothing(m1, api) -> None:
    path = f"machines/{m1['system_id']}/"
    response = api.post(f"{path}?op=commission")
    assert response.status_code == 400
    assert "machine m1 cannot boot: no amd64 image is registered" in response.text
    assert "rackyard.metal.image" in response.text
    assert api.get(path).json["status_name"] == "New"


def test_creation_with_commissioning_that_fails_registers_nothing(api) -> None:
    response = api.post("machines/", data={**M1, "commission": "true"})
    assert response.status_code in (400, 409)
    assert hostnames(api) == []


def test_machine_that_cannot_be_commissioned_when_added_stays_new_and_an_event_tells_why(api) -> None:
    """As in MAAS, which commissions unless it is told not to; whoever does not say so has only asked to add it."""
    made = api.post("machines/", data={"hostname": "m1", "mac_addresses": MACS[0]})
    assert made.status_code == 200, made.text
    assert made.json["status_name"] == "New"
    newest, *_ = api.get("events/?op=query").json["events"]
    assert newest["type"] == "COMMISSIONING_NOT_STARTED"
    assert "has no BMC" in newest["description"]


@pytest.mark.parametrize("op", ["power_on", "power_off", "commission", "abort"])
def test_operation_on_unknown_machine_is_404(api, op) -> None:
    assert api.post(f"machines/abc346/?op={op}").status_code == 404


@pytest.mark.parametrize("op", ["query_power_state", "boot_timeline", "power_parameters"])
def test_question_about_unknown_machine_is_404(api, op) -> None:
    assert api.get(f"machines/abc346/?op={op}").status_code == 404


def test_abort_of_an_idle_machine_is_a_conflict(m1, api) -> None:
    assert api.post(f"machines/{m1['system_id']}/?op=abort").status_code == 409


def test_power_without_a_rack_says_what_is_missing(m1, api) -> None:
    response = api.post(f"machines/{m1['system_id']}/?op=power_on")
    assert response.status_code in (409, 503)
    assert "rack" in response.text


def test_rack_that_does_not_report_in_time_is_a_504_that_no_client_repeats(m1, api, add_rack, monkeypatch) -> None:
    add_rack("rack1", "172.16.0.2/24")
    monkeypatch.setattr(machine_routes, "QUERY_TIMEOUT_S", 0.2)
    response = api.get(f"machines/{m1['system_id']}/?op=query_power_state")
    assert response.status_code == 504
    assert "rack1 did not report on BMC 172.16.0.11 of m1 in time" in response.text
    assert "Retry-After" not in response.headers


def test_manual_machine_has_no_power_parameters(api) -> None:
    given = {"mac_addresses": "52:54:00:20:01:09", "power_type": "manual"}
    machine = api.post("machines/", data={"commission": "false", **given}).json
    assert api.get(f"machines/{machine['system_id']}/?op=power_parameters").json == {}


def test_list_takes_the_same_number_of_statements_for_one_and_for_many(api, ctx) -> None:
    counts = []
    for wanted in (1, 30):
        for number in range(wanted):
            mac = f"52:54:00:{wanted:02x}:00:{number:02x}"
            assert api.post("machines/", data={"commission": "false", "mac_addresses": mac}).status_code == 200
        statements: list[str] = []
        ctx.db.on_statement = statements.append
        assert api.get("machines/").status_code == 200
        ctx.db.on_statement = None
        counts.append(statements)
    assert counts[0] == counts[1]
    assert len(counts[0]) == 6


def test_password_goes_with_the_type_of_power_that_it_was_for(m1, api, execute) -> None:
    path = f"machines/{m1['system_id']}/"
    assert api.put(path, data={"power_type": "manual"}).status_code == 200
    assert execute("SELECT count(*) FROM bmc") == [(0,)]
    assert execute("SELECT bmc_id, power_parameters FROM machine") == [(None, {})]


def test_new_bmc_address_needs_its_own_password(m1, api, sealed_password) -> None:
    path, before = f"machines/{m1['system_id']}/", sealed_password(m1["system_id"])
    moved = {"power_parameters_power_address": "10.30.0.99"}
    refused = api.put(path, data=moved)
    assert refused.status_code == 400
    assert "needs power_pass or k_g as well" in refused.json["power_parameters"][0]
    assert api.put(path, data={"power_parameters_power_port": "624"}).status_code == 200
    assert sealed_password(m1["system_id"]) == before
    answer = api.put(path, data=moved | {"power_parameters_power_pass": "another"})
    assert answer.status_code == 200, answer.text
    assert sealed_password(m1["system_id"]) != before


def test_two_changes_of_power_settings_at_once_both_count(m1, api, ctx) -> None:
    path = f"machines/{m1['system_id']}/"
    with ctx.db.transaction() as tx:
        tx.one("machines.registry.lock", system_id=m1["system_id"])
        threads = [
            threading.Thread(target=api.put, args=(path,), kwargs={"data": {f"power_parameters_{name}": value}})
            for name, value in (("power_user", "other"), ("power_port", "625"))
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    known = api.get(f"{path}?op=power_parameters").json
    assert (known["power_user"], known["power_port"]) == ("other", "625")


def test_identifier_that_is_taken_is_drawn_again(m1, api, app, ctx) -> None:
    taken, free = m1["system_id"], "abcdef"
    drawn = [taken, taken, free]

    class Drawn(Randomness):
        """Draws what a test gives it."""

        def system_id(self) -> str:
            return drawn.pop(0)

    app.extensions["rackyard"] = replace(ctx, random=Drawn())
    data = {"hostname": "m2", "mac_addresses": "52:54:00:20:01:12"}
    assert api.post("machines/", data={"commission": "false", **data}).json["system_id"] == free
    drawn.extend([taken, free, taken])
    refused = api.post(
        "machines/", data={"commission": "false", "hostname": "m3", "mac_addresses": "52:54:00:20:01:13"}
    )
    assert refused.status_code == 503


def test_creation_with_commissioning_that_fails_leaves_no_event_and_no_machine(api) -> None:
    data = {"hostname": "m2", "mac_addresses": "52:54:00:20:01:12", "commission": "true"}
    assert api.post("machines/", data=data).status_code in (400, 409)
    assert api.get("machines/").json == []
    assert api.get("events/?op=query&level=DEBUG").json["count"] == 0, "one transaction: as if it was never asked"
