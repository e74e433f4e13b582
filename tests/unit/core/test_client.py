# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ssl
import urllib.error
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from rackyard_core.client import (
    ApiKey,
    RegionClient,
    RegionError,
    RegionRefused,
    RegionUnauthorized,
    RegionUnreachable,
)
from rackyard_core.wire import Request, Response, encode_form, urllib_transport

URL = "http://region1.example.org:5240/MAAS"
KEY = "consumer:token:secret"


class Wire:
    """A transport that keeps what was sent and gives the answers it was made with."""

    def __init__(self, *answers: Response | Exception) -> None:
        self.answers = list(answers)
        self.sent: list[Request] = []

    def __call__(self, request: Request, timeout_s: float) -> Response:
        self.sent.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(wire: Wire, slept: list[float] | None = None) -> RegionClient:
    return RegionClient(URL, KEY, transport=wire, sleep=(slept if slept is not None else []).append)


def test_requests_are_signed_plaintext_with_an_empty_consumer_secret() -> None:
    header = ApiKey.parse(KEY).header()
    assert header.startswith("OAuth ")
    assert 'oauth_signature="%26secret"' in header
    assert 'oauth_consumer_key="consumer"' in header
    assert 'oauth_token="token"' in header


def test_each_request_has_its_own_nonce() -> None:
    key = ApiKey.parse(KEY)
    assert key.header() != key.header()


@pytest.mark.parametrize("text", ["", "one", "a:b", "a:b:c:d", "a::c"])
def test_malformed_key_names_the_remedy(text: str) -> None:
    with pytest.raises(RegionUnauthorized, match=r"consumer:token:secret.*admin\.apikey"):
        ApiKey.parse(text)


def test_secrets_do_not_show_in_representations() -> None:
    wire = Wire(Response(200, b"{}"))
    client(wire).get("version/")
    assert "secret" not in repr(ApiKey.parse(KEY))
    assert "secret" not in repr(wire.sent[0])


@pytest.mark.parametrize("url", [URL, f"{URL}/", f"{URL}/api/2.0", f"{URL}/api/2.0/"])
def test_url_may_end_in_maas_or_in_the_api(url: str) -> None:
    wire = Wire(Response(200, b"[]"))
    RegionClient(url, KEY, transport=wire).get("machines/", hostname="m1")
    assert wire.sent[0].url == f"{URL}/api/2.0/machines/?hostname=m1"


def test_url_without_scheme_is_refused() -> None:
    with pytest.raises(RegionError, match="region_url 'region1' is not a URL"):
        RegionClient("region1", KEY)


def test_form_repeats_lists_writes_booleans_and_clears() -> None:
    form = encode_form({"mac": ["a", "b"], "on": True, "off": False, "none": None, "empty": [], "n": 5}).decode()
    assert parse_qs(form, keep_blank_values=True) == {
        "mac": ["a", "b"],
        "on": ["true"],
        "off": ["false"],
        "none": [""],
        "empty": [""],
        "n": ["5"],
    }


def test_operation_goes_to_the_query() -> None:
    wire = Wire(Response(200, b"{}"))
    client(wire).post("machines/abc/", op="commission")
    assert wire.sent[0].method == "POST"
    assert wire.sent[0].url.endswith("/machines/abc/?op=commission")


def test_no_content_is_none() -> None:
    assert client(Wire(Response(204, b""))).delete("machines/abc/") is None


def test_busy_region_is_asked_again_after_the_time_it_names() -> None:
    slept: list[float] = []
    wire = Wire(Response(503, b"busy", {"Retry-After": "3"}), Response(200, b'{"ok": 1}'))
    assert client(wire, slept).get("machines/") == {"ok": 1}
    assert slept == [3.0]


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_change_is_sent_again_only_when_the_region_says_that_it_has_begun_nothing(method: str) -> None:
    unknown = Wire(Response(503, b"the connection to PostgreSQL was lost"), Response(200, b"{}"))
    with pytest.raises(RegionUnreachable, match="PostgreSQL was lost"):
        getattr(client(unknown), method)("machines/abc/")
    assert len(unknown.sent) == 1

    not_begun = Wire(Response(503, b"busy", {"retry-after": "2"}), Response(200, b"{}"))
    getattr(client(not_begun), method)("machines/abc/")
    assert len(not_begun.sent) == 2


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
def test_504_is_final_because_the_region_has_waited_already(method: str) -> None:
    wire = Wire(Response(504, b"rack1 did not report"), Response(200, b"{}"))
    with pytest.raises(RegionUnreachable, match="rack1 did not report"):
        getattr(client(wire), method)("machines/abc/")
    assert len(wire.sent) == 1


def test_change_is_not_sent_again_when_the_connection_is_lost() -> None:
    wire = Wire(ConnectionResetError("reset by peer"), Response(200, b"{}"))
    with pytest.raises(RegionUnreachable, match="reset by peer"):
        client(wire).post("machines/")
    assert len(wire.sent) == 1


def test_list_is_read_page_by_page_as_the_region_links_them() -> None:
    link = '</MAAS/api/2.0/machines/?limit=2&fields=hostname&id=a&id=b&after=b>; rel="next"'
    wire = Wire(Response(200, b"[1, 2]", {"link": link}), Response(200, b"[3]"))
    pages = list(client(wire).pages("machines/", page=2, fields="hostname", id=["a", "b"]))
    assert pages == [[1, 2], [3]]
    assert [request.url.removeprefix(f"{URL}/api/2.0/") for request in wire.sent] == [
        "machines/?fields=hostname&id=a&id=b&limit=2",
        "machines/?limit=2&fields=hostname&id=a&id=b&after=b",
    ]


def test_region_without_pages_gives_the_whole_list_at_once() -> None:
    wire = Wire(Response(200, b"[1, 2, 3]"))
    assert client(wire).every("machines/") == [1, 2, 3]


def test_many_names_are_asked_in_requests_that_a_server_takes() -> None:
    names = [f"machine-{number:04}" for number in range(500)]
    wire = Wire(*[Response(200, b"[1]")] * 10)
    found = client(wire).matching("machines/", "hostname", names, fields="hostname")
    asked = [name for request in wire.sent for name in parse_qs(urlsplit(request.url).query)["hostname"]]
    assert asked == names
    assert len(found) == len(wire.sent)
    assert max(len(request.url) for request in wire.sent) < 4000


def test_no_name_asks_nothing() -> None:
    assert client(Wire()).matching("machines/", "hostname", []) == []


def test_region_that_stays_busy_is_an_error_after_four_tries() -> None:
    wire = Wire(*[Response(503, b"busy")] * 4)
    with pytest.raises(RegionError, match="busy") as caught:
        client(wire).get("machines/")
    assert caught.value.status == 503
    assert len(wire.sent) == 4


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, b'{"mac_addresses": ["MAC x is malformed."]}', RegionRefused, "mac_addresses: MAC x is malformed"),
        (404, b"No machine.", RegionRefused, "No machine"),
        (409, b"", RegionRefused, "status 409"),
        (401, b"unknown key", RegionUnauthorized, r"unknown key.*admin\.apikey"),
        (403, b"no", RegionUnauthorized, "administrator"),
        (500, b"oops", RegionError, "journalctl -u rackyard-region"),
        (502, b"<h1>Bad Gateway</h1>", RegionUnreachable, "journalctl -u rackyard-region"),
        (302, b"", RegionError, "redirects to http://elsewhere; give that address"),
        (200, b"<html>", RegionError, "not JSON; does region_url end in /MAAS"),
    ],
)
def test_refusals_carry_the_regions_words_and_a_remedy(
    status: int, body: bytes, kind: type[RegionError], words: str
) -> None:
    wire = Wire(Response(status, body, {"Location": "http://elsewhere"}))
    with pytest.raises(kind, match=words):
        client(wire).get("machines/")


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (urllib.error.URLError(ConnectionRefusedError("refused")), "cannot be reached.*check region_url"),
        (TimeoutError("timed out"), "did not answer within 60 s"),
        (urllib.error.URLError(ssl.SSLCertVerificationError(1, "bad")), "not trusted.*ca_path"),
    ],
)
def test_silence_is_worded(reason: Exception, words: str) -> None:
    with pytest.raises(RegionUnreachable, match=words):
        client(Wire(reason)).get("machines/")


class Redirecting(BaseHTTPRequestHandler):
    seen: list[str] = []  # noqa: RUF012 - one list for the one server of the test

    def do_GET(self) -> None:
        self.seen.append(self.path)
        self.send_response(302)
        self.send_header("Location", "/stolen")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        pass


@pytest.fixture
def redirecting() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Redirecting)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/MAAS"
    server.shutdown()
    server.server_close()
    thread.join()


def test_credentials_do_not_follow_a_redirect(redirecting: str) -> None:
    with pytest.raises(RegionError, match="redirects to /stolen"):
        RegionClient(redirecting, KEY, transport=urllib_transport()).get("version/")
    assert Redirecting.seen == ["/MAAS/api/2.0/version/"]


def test_nobody_listening_is_unreachable() -> None:
    with pytest.raises(RegionUnreachable, match="cannot be reached"):
        RegionClient("http://127.0.0.1:1/MAAS", KEY, transport=urllib_transport()).get("version/")
