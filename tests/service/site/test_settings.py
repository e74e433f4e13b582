# SPDX-License-Identifier: GPL-3.0-or-later
"""`maas/`: settings over the API, by our names and MAAS's."""

from __future__ import annotations

import pytest


def get(api, name: str):
    answer = api.get(f"maas/?op=get_config&name={name}")
    assert answer.status_code == 200, answer.text
    return answer.json


def put(api, name: str, value: str):
    return api.post("maas/?op=set_config", data={"name": name, "value": value})


def test_setting_is_read_and_changed_by_either_name(api) -> None:
    assert (get(api, "commissioning_timeout_s"), get(api, "node_timeout")) == (1200, 20)
    assert put(api, "node_timeout", "30").json == "OK"
    assert (get(api, "commissioning_timeout_s"), get(api, "node_timeout")) == (1800, 30)
    assert put(api, "kernel_options", "debug").status_code == 200
    assert get(api, "kernel_opts") == "debug"
    told = api.get("events/?op=query&level=AUDIT").json["events"]
    assert [(event["type"], event["username"], event["description"]) for event in told] == [
        ("SETTINGS", "admin", "Setting kernel_options was set: value debug"),
        ("SETTINGS", "admin", "Setting commissioning_timeout_s was set: value 1800"),
    ]


def test_same_value_again_is_no_event(api) -> None:
    assert put(api, "keep_boots", "11").status_code == 200
    assert put(api, "keep_boots", "11").status_code == 200
    assert api.get("events/?op=query&level=AUDIT").json["count"] == 1


def test_what_the_playbooks_decide_is_shown_and_not_changed(api) -> None:
    assert (get(api, "maas_name"), get(api, "default_dns_ttl")) == ("rackyard.internal", 30)
    refused = put(api, "maas_internal_domain", "other.internal")
    assert refused.status_code == 400
    assert "decided by the playbooks" in refused.json["name"][0]


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("windows_kms_host", "a", "name"),
        ("", "a", "name"),
        ("keep_boots", "many", "keep_boots"),
        ("node_timeout", "0", "value"),
        ("kernel_opts", "$(reboot)", "kernel_options"),
    ],
)
def test_what_cannot_be_set_is_refused(api, name: str, value: str, field: str) -> None:
    refused = put(api, name, value)
    assert refused.status_code == 400
    assert refused.json.keys() == {field}


def test_unknown_setting_is_named_with_the_known(api) -> None:
    refused = api.get("maas/?op=get_config&name=windows_kms_host")
    assert refused.status_code == 400
    assert "not supported by this region yet; it has" in refused.json["name"][0]


def test_ordinary_accounts_read_and_do_not_set(key_of, api_of) -> None:
    reader = api_of(key_of("reader"))
    assert get(reader, "node_timeout") == 20
    assert put(reader, "node_timeout", "30").status_code == 403
