# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in, and how the region says no."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from rackyard.region.crypto import secret_hash


@pytest.mark.parametrize("path", ["machines/", "users/?op=whoami", "subnets/", "events/?op=query"])
def test_unsigned_request_gets_401_in_plain_text_with_the_date(client, path) -> None:
    response = client.get(f"/MAAS/api/2.0/{path}")
    assert response.status_code == 401
    assert response.mimetype == "text/plain"
    assert "sign it with an API key" in response.text
    assert response.headers["WWW-Authenticate"].startswith("OAuth")
    assert parsedate_to_datetime(response.headers["Date"])


def test_version_needs_no_key(client) -> None:
    response = client.get("/MAAS/api/2.0/version/")
    assert response.status_code == 200
    assert isinstance(response.json["capabilities"], list)
    assert response.json["version"]
    assert response.json["subversion"] == ""
    assert "Date" in response.headers


def test_whoami_names_the_owner_of_the_key(api) -> None:
    answer = api.get("users/?op=whoami")
    assert answer.json["username"] == "admin"
    assert answer.json["is_superuser"] is True


def signed(client, **changed):
    values = {"method": "PLAINTEXT", "consumer": "", "token": "", "signature": "%26x"} | changed
    header = (
        f'OAuth realm="MAAS API", oauth_signature_method="{values["method"]}", oauth_nonce="1", oauth_timestamp="1", '
        f'oauth_consumer_key="{values["consumer"]}", oauth_token="{values["token"]}", '
        f'oauth_signature="{values["signature"]}", oauth_version="1.0"'
    )
    return client.get("/MAAS/api/2.0/users/?op=whoami", headers={"Authorization": header})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"signature": "%26wrong"}, "API key is unknown"),
        ({"token": "other"}, "API key is unknown"),
        ({"consumer": "other"}, "API key is unknown"),
        ({"method": "HMAC-SHA1"}, "must be PLAINTEXT"),
        ({"signature": "consumersecret%26x"}, "signature must be"),
        ({"token": ""}, "lacks oauth_token"),
    ],
)
def test_wrong_key_gets_401_and_is_not_quoted(client, admin_key, changed, words) -> None:
    consumer, token, secret = admin_key.split(":")
    good = {"consumer": consumer, "token": token, "signature": f"%26{secret}"}
    assert signed(client, **good).status_code == 200
    response = signed(client, **(good | changed))
    assert response.status_code == 401
    assert words in response.text
    assert secret not in response.text


@pytest.mark.parametrize("header", ["Basic YTpi", "OAuth nonsense", "OAuth " + "x" * 5000, 'OAuth a="b'])
def test_malformed_header_gets_401(client, header) -> None:
    assert client.get("/MAAS/api/2.0/machines/", headers={"Authorization": header}).status_code == 401


def test_request_writes_nothing_to_the_database(ctx, api) -> None:
    api.get("users/?op=whoami")
    seen: list[str] = []
    ctx.db.on_statement = seen.append
    api.get("users/?op=whoami")
    assert seen == ["site.accounts.key_owner", "site.accounts.find", "site.rights.of_accounts"]


def test_key_secret_is_stored_as_a_hash_only(ctx, admin_key) -> None:
    with ctx.db.transaction() as tx:
        row = tx.one("site.accounts.key_owner", token_key=admin_key.split(":")[1])
    assert row["token_secret_sha256"] == secret_hash(admin_key.split(":")[2])
    assert admin_key.split(":")[2] not in str(row)


def test_account_that_is_no_administrator_may_read_but_not_change(ctx, client, key_of, api_of) -> None:
    reader = api_of(key_of("reader"))
    assert reader.get("machines/").status_code == 200
    refused = reader.post("fabrics/", data={"name": "f"})
    assert refused.status_code == 403
    assert "administrator" in refused.text
    assert reader.get("fabrics/").json == []


@pytest.mark.parametrize(
    ("method", "path", "op"),
    [("POST", "machines/", "fly"), ("GET", "machines/", "fly"), ("PUT", "users/", None), ("PUT", "machines/", None)],
)
def test_unknown_op_is_answered_as_maas_does(api, method, path, op) -> None:
    response = api.request(method, path + (f"?op={op}" if op else ""))
    assert response.status_code == 400
    assert response.text == f"Unrecognised signature: method={method} op={op}"


def test_empty_op_is_no_op(api) -> None:
    assert api.get("machines/?op=").status_code == 200


def test_op_may_come_in_the_body(api) -> None:
    assert "op=fly" in api.post("machines/", data={"commission": "false", "op": "fly"}).text


def test_missing_trailing_slash_is_404_and_says_so(api) -> None:
    response = api.get("machines")
    assert response.status_code == 404
    assert "ends with a slash" in response.text


def test_doubled_slash_is_one(api) -> None:
    assert api.get("/machines//").status_code == 200


def test_unknown_url_is_404_in_plain_text(api) -> None:
    response = api.get("nothing/")
    assert response.status_code == 404
    assert response.mimetype == "text/plain"


def test_oversized_body_is_refused(api) -> None:
    response = api.post("machines/", data={"commission": "false", "description": "x" * 1_100_000})
    assert response.status_code == 413
    assert "at most" in response.text


@pytest.mark.parametrize(
    "body", [b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 5000 + b"1" + b"}" * 5000], ids=range(5)
)
def test_hostile_json_is_400(api, body) -> None:
    response = api.post("machines/", data=body, content_type="application/json")
    assert response.status_code == 400
    assert "body" in response.text or "mac_addresses" in response.text


@pytest.mark.parametrize(
    ("path", "kwargs"),
    [
        ("machines/?hostname=%00", {}),
        ("machines/%00/", {}),
        ("events/?op=query&owner=a%00", {}),
        ("machines/", {"method": "POST", "data": {"description": "a\0b"}}),
        ("fabrics/", {"method": "POST", "json": {"name": "\ud800"}}),
        ("fabrics/", {"method": "POST", "data": b"name=x", "content_type": "text/xml"}),
    ],
)
def test_characters_that_no_text_may_have_are_400(api, path, kwargs) -> None:
    response = api.request(kwargs.pop("method", "GET"), path, **kwargs)
    assert response.status_code == 400, response.text


def test_nul_in_a_key_is_401(client) -> None:
    assert signed(client, consumer="a", token="b%00").status_code == 401


def test_fault_of_ours_is_500_without_details(app, api, monkeypatch) -> None:
    app.extensions["rackyard"].db.on_statement = lambda name: 1 / 0
    response = api.get("machines/")
    assert response.status_code == 500
    assert response.text.startswith("Internal error; see `journalctl")


def test_lost_database_is_503_with_retry_after(ctx, api, config, cluster) -> None:
    ctx.db._dsn = "host=/nonexistent dbname=x"
    ctx.db.close()
    response = api.get("machines/")
    assert response.status_code == 503
    assert response.headers["Retry-After"] == "1"


def test_key_can_be_made_listed_and_revoked(api, api_of) -> None:
    made = api.post("account/?op=create_authorisation_token", data={"name": "ci"}).json
    text = f"{made['consumer_key']}:{made['token_key']}:{made['token_secret']}"
    assert api_of(text).get("users/?op=whoami").status_code == 200
    listed = api.get("account/?op=list_authorisation_tokens").json
    assert [key["name"] for key in listed] == ["", "ci"]
    assert listed[1]["token"] == f"{made['consumer_key']}:{made['token_key']}"
    assert made["token_secret"] not in str(listed)
    gone = api.post("account/?op=delete_authorisation_token", data={"token_key": made["token_key"]})
    assert gone.status_code == 204
    assert api_of(text).get("users/?op=whoami").status_code == 401
    trail = [event["description"] for event in api.get("events/?op=query&level=AUDIT").json["events"]]
    assert trail[:2] == [
        f"API key {made['token_key']} of admin was deleted",
        f"API key {made['token_key']} of admin was created",
    ]


def test_nobody_revokes_or_sees_keys_of_others(api, api_of, key_of, admin_key) -> None:
    reader = api_of(key_of("reader"))
    assert len(reader.get("account/?op=list_authorisation_tokens").json) == 1
    refused = reader.post("account/?op=delete_authorisation_token", data={"token_key": admin_key.split(":")[1]})
    assert refused.status_code == 404
    assert "no API key of reader" in refused.text
    assert api.get("users/?op=whoami").status_code == 200
    assert reader.post("account/?op=delete_authorisation_token").status_code == 400


def test_key_may_revoke_itself(api) -> None:
    (own,) = api.get("account/?op=list_authorisation_tokens").json
    assert api.post("account/?op=delete_authorisation_token", data=own).status_code == 204
    assert api.get("users/?op=whoami").status_code == 401


def test_last_use_of_a_key_is_written_once_a_minute(ctx, api, api_of, clock) -> None:
    made = api.post("account/?op=create_authorisation_token", data={"name": "ci"}).json
    used = api_of(f"{made['consumer_key']}:{made['token_key']}:{made['token_secret']}")

    def last_use() -> str | None:
        return api.get("account/?op=list_authorisation_tokens").json[1]["last_used_at"]

    assert last_use() is None
    used.get("users/?op=whoami")
    first = clock.now().isoformat()
    assert last_use() == first
    clock.advance(59)
    used.get("users/?op=whoami")
    assert last_use() == first
    clock.advance(1)
    used.get("users/?op=whoami")
    assert last_use() == clock.now().isoformat()


def test_wrong_secret_is_no_use_of_a_key(client, admin_key, execute) -> None:
    consumer, token, _secret = admin_key.split(":")
    signed(client, consumer=consumer, token=token)
    assert execute("SELECT last_used_at FROM api_key") == [(None,)]


def test_request_does_not_wait_for_somebody_who_changes_its_key(api, ctx) -> None:
    with ctx.db.transaction() as tx:
        tx.run("site.accounts.rename_key", account_id=1, token_key=_token_of(tx), name="other")
        assert api.get("users/?op=whoami").status_code == 200


def _token_of(tx) -> str:
    return tx.all("site.accounts.keys", username="admin")[0]["token_key"]


@pytest.mark.parametrize("whole", [True, False])
def test_key_is_renamed_by_whole_text_or_token(api, admin_key, whole: bool) -> None:
    token = admin_key if whole else admin_key.split(":")[1]
    assert api.post("account/?op=update_token_name", data={"token": token, "name": "laptop"}).status_code == 204
    (known,) = api.get("account/?op=list_authorisation_tokens").json
    assert known["name"] == "laptop"
    (event,) = api.get("events/?op=query&level=AUDIT").json["events"]
    assert event["description"] == f'API key {admin_key.split(":")[1]} of admin was changed: name "" → laptop'


def test_nobody_renames_keys_of_others(api, api_of, key_of, admin_key) -> None:
    reader = api_of(key_of("reader"))
    answer = reader.post("account/?op=update_token_name", data={"token": admin_key, "name": "mine"})
    assert answer.status_code == 404
    assert admin_key.split(":")[2] not in answer.text
    assert api.get("account/?op=list_authorisation_tokens").json[0]["name"] == ""
    for incomplete in ({"token": admin_key}, {"name": "x"}, {"token": admin_key, "name": "a\x01"}):
        assert api.post("account/?op=update_token_name", data=incomplete).status_code == 400
