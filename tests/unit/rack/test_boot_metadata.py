# SPDX-License-Identifier: GPL-3.0-or-later
"""What the boot service says to machines about metadata while no region is there, and how it reads credentials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from kept_boots import ONE, answer
from oauthlib.oauth1 import SIGNATURE_PLAINTEXT, Client

from rackyard.rack import boot, metadata
from rackyard.rack.boot_cache import BootCache
from rackyard.rack.config import RackConfig
from rackyard.rack.metadata import Refused

MACHINE = {"X-Real-IP": "10.20.0.101"}
NOBODY = "http://127.0.0.1:9"  # the discard port: nothing listens there


def header(secret: str = "hush-hush", token: str = "token1111") -> dict[str, str]:
    """Signed as cloud-init does it."""
    signer = Client(
        "consumer", resource_owner_key=token, resource_owner_secret=secret, signature_method=SIGNATURE_PLAINTEXT
    )
    _url, headers, _body = signer.sign("http://rack:5248/MAAS/metadata/latest/")
    return MACHINE | {"Authorization": str(headers["Authorization"])}


@pytest.fixture
def config(tmp_path: Path) -> RackConfig:
    found = RackConfig("rack1", (), tmp_path, tmp_path, tmp_path, boot_gateway=NOBODY, boot_keys=tmp_path / "keys")
    for directory in (found.boot_keys, found.boot_cache, found.boot_evidence, found.machine_posts):
        directory.mkdir()
    return found


@pytest.fixture
def cache(config: RackConfig) -> BootCache:
    found = BootCache(config.boot_cache, config.boot_keys)
    found.put(answer())
    return found


@pytest.fixture
def client(config: RackConfig, cache: BootCache) -> FlaskClient:
    return boot.create_app(config).test_client()


def test_credentials_are_read_as_cloud_init_writes_them() -> None:
    claimed = metadata.parse(header("p%l/us&")["Authorization"])
    assert (claimed.consumer_key, claimed.token_key, claimed.token_secret) == ("consumer", "token1111", "p%l/us&")
    assert "p%l" not in repr(claimed)


@pytest.mark.parametrize(
    "text", [None, "", "Basic eDp5", "OAuth", "OAuth " + "x" * 5000, 'OAuth oauth_token="t"',
             'OAuth oauth_token="t", oauth_signature="consumer%26s"', 'OAuth oauth_signature="%26s"'],
)  # fmt: skip
def test_header_without_a_boots_credentials_is_refused(text: str | None) -> None:
    with pytest.raises(Refused, match="not signed"):
        metadata.parse(text)


@pytest.mark.parametrize("base", ["/MAAS/metadata/2012-03-01", "/MAAS/metadata//latest", "/MAAS/metadata/latest"])
def test_machine_gets_each_item(client: FlaskClient, base: str) -> None:
    for path, content in {
        "meta-data/instance-id": "abcdef", "meta-data/local-hostname": "m1", "meta-data/public-keys": "",
        "meta-data/vendor-data": "", "user-data": "user-data", "maas-scripts": "maas-scripts",
        "": "maas-scripts\nmeta-data/\nuser-data",
    }.items():  # fmt: skip
        found = client.get(f"{base}/{path}", headers=header())
        assert (found.status_code, found.text) == (200, content), path
    assert client.get("/MAAS/metadata/2007-01-01/user-data", headers=header()).status_code == 404


def test_preseed_goes_to_the_machine_s_address_only_and_for_the_asking(client: FlaskClient) -> None:
    path = f"/MAAS/metadata/latest/by-id/{ONE}/"
    assert client.get(f"{path}?op=get_preseed", headers=MACHINE).text == "preseed"
    assert client.get(f"{path}?op=get_preseed", headers={"X-Real-IP": "10.20.0.102"}).status_code == 403
    assert client.get(path, headers=MACHINE).status_code == 400


def test_boot_that_ran_out_is_no_longer_answered_for(client: FlaskClient, cache: BootCache) -> None:
    cache.put(answer(ends_at=(datetime.now(UTC) - timedelta(seconds=1)).isoformat()))
    assert client.get("/MAAS/metadata/latest/user-data", headers=header()).status_code == 503
    assert post(client).status_code == 503


def post(client: FlaskClient, **fields: Any) -> Any:
    data = {"op": "signal", "status": "WORKING"} | fields
    return client.post("/MAAS/metadata/latest/", data=data, content_type="multipart/form-data", headers=header())


def test_post_is_taken_and_after_the_last_word_nothing_is_told_any_more(
    client: FlaskClient, config: RackConfig
) -> None:
    assert (post(client).status_code, post(client).text) == (200, "OK")
    assert client.get("/MAAS/metadata/latest/user-data", headers=header()).status_code == 200
    assert post(client, status="OK").status_code == 200
    assert client.get("/MAAS/metadata/latest/user-data", headers=header()).status_code == 401
    assert client.post("/MAAS/metadata/status/abcdef", json={}, headers=header()).status_code == 204
    assert len(list((config.machine_posts / ONE).iterdir())) == 4


def test_post_that_has_no_room_is_asked_for_again(
    client: FlaskClient, config: RackConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rackyard.rack.machine_posts.MAX_BOOT_POSTS", 1)
    assert post(client).status_code == 200
    refused = post(client)
    assert (refused.status_code, "more than 1 posts of m1" in refused.text) == (503, True)
    assert refused.headers["Retry-After"]
    assert post(client, error="x" * (5 * 1024 * 1024)).status_code == 503
    assert len(list((config.machine_posts / ONE).iterdir())) == 1


def test_nothing_is_taken_where_it_cannot_be_kept(client: FlaskClient, config: RackConfig) -> None:
    config.machine_posts.rmdir()
    refused = post(client)
    assert (refused.status_code, "nothing more can be kept on this rack" in refused.text) == (503, True)
