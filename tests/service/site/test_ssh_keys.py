# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH keys of people: kept as they are given, and nothing that is none."""

from __future__ import annotations

import base64
import subprocess

import pytest

from rackyard.region.services.site.ssh_keys import MAX_KEYS, TYPES, PublicKey

KEYS = "account/prefs/sshkeys/"
# Of ssh-keygen.
ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMo+9BHWzjF8JkD2crhjL3OxxtO+V1aaQQGGjqyamTs8 ann@laptop"
FINGERPRINT = "SHA256:Jf7Amf9OwLt9n7dfWWeFbUEn4DM5SlBlRPpTyNAvyWY"


def line_of(kind: str, *fields: bytes, inner: str | None = None) -> str:
    """A key of that type, as far as its form goes."""
    strings = [(inner or kind).encode(), *fields]
    blob = b"".join(len(each).to_bytes(4, "big") + each for each in strings)
    return f"{kind} {base64.b64encode(blob).decode()}"


def test_key_is_added_shown_and_removed_as_in_maas(api) -> None:
    added = api.post(KEYS, data={"key": ED25519 + "\n"})
    assert added.status_code == 200, added.text
    uri = f"/MAAS/api/2.0/{KEYS}{added.json['id']}/"
    assert added.json == {"id": added.json["id"], "key": ED25519, "keysource": "", "resource_uri": uri}
    assert api.get(KEYS).json == [added.json]
    assert api.get(f"{KEYS}{added.json['id']}/").json == added.json
    assert api.delete(f"{KEYS}{added.json['id']}/").status_code == 204
    assert api.get(KEYS).json == []
    events = api.get("events/?op=query&level=AUDIT").json["events"]
    assert [event["description"] for event in events] == [
        f"SSH key {FINGERPRINT} of admin was deleted",
        f"SSH key {FINGERPRINT} of admin was created",
    ]


def test_everybody_has_keys_of_their_own(api, api_of, key_of) -> None:
    reader = api_of(key_of("reader"))
    number = reader.post(KEYS, data={"key": ED25519}).json["id"]
    assert api.get(KEYS).json == []
    for method in ("GET", "DELETE"):
        assert api.request(method, f"{KEYS}{number}/").status_code == 404
    assert api.post(KEYS, data={"key": ED25519}).status_code == 200, "two people may have one key"
    assert len(reader.get(KEYS).json) == 1


def test_same_key_is_refused_whatever_its_comment(api) -> None:
    api.post(KEYS, data={"key": ED25519})
    again = api.post(KEYS, data={"key": ED25519.replace("ann@laptop", "ann@desk")})
    assert (again.status_code, list(again.json)) == (400, ["key"])
    assert "already" in again.json["key"][0]


def test_keys_end_with_their_account(api, api_of, key_of, execute) -> None:
    api_of(key_of("reader")).post(KEYS, data={"key": ED25519})
    assert api.delete("users/reader/").status_code == 204
    assert execute("SELECT count(*) FROM ssh_key") == [(0,)]


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("kind", TYPES)
def test_each_type_has_its_number_of_fields(kind: str, number: int) -> None:
    line = line_of(kind, *[b"field"] * (TYPES[kind] - 1))
    assert PublicKey.parse(f" {kind}   {line.split()[1]}  a  comment ").line == f"{line} a  comment"
    if number != TYPES[kind]:
        with pytest.raises(Exception, match="no whole key"):
            PublicKey.parse(line_of(kind, *[b"field"] * (number - 1)))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !",
        "ssh-ed25519 AAAA",
        # Cut off, longer than it says, of another type, with an empty field.
        ED25519.split()[0] + " " + ED25519.split()[1][:-4],
        ED25519.split()[0] + " " + ED25519.split()[1] + "AAAA",
        "ssh-rsa " + ED25519.split()[1],
        line_of("ssh-rsa", b"e", b"n", inner="ssh-dss"),
        line_of("ssh-ed25519", b""),
        line_of("ssh-dss", b"p", b"q", b"g", b"y"),
        ED25519 + "\n" + ED25519,
        ED25519 + "\x07",
        'command="rm" ' + ED25519,
        ED25519 + "x" * 8192,
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_what_is_no_key_is_refused(api, key: str) -> None:
    answer = api.post(KEYS, data={"key": key})
    assert (answer.status_code, list(answer.json)) == (400, ["key"])
    assert api.get(KEYS).json == []


@pytest.mark.parametrize("options", [("ed25519",), ("ecdsa",), ("ecdsa", "-b", "521"), ("rsa", "-b", "4096")])
def test_keys_of_ssh_keygen_are_keys(api, tmp_path, options) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", *options, "-N", "", "-C", "of a test", "-f", str(path)], check=True)
    public = path.with_suffix(".pub").read_text()
    assert api.post(KEYS, data={"key": public}).json["key"] == public.strip()
    told = subprocess.run(["ssh-keygen", "-lf", f"{path}.pub"], check=True, capture_output=True, text=True).stdout
    assert "SHA256:" + base64.b64encode(PublicKey.parse(public).sha256).decode().rstrip("=") == told.split()[1]


def test_nobody_fills_the_database_with_keys(api) -> None:
    for number in range(MAX_KEYS):
        assert api.post(KEYS, data={"key": line_of("ssh-ed25519", b"%d" % number)}).status_code == 200
    full = api.post(KEYS, data={"key": ED25519})
    assert (full.status_code, f"admin has {MAX_KEYS} SSH keys" in full.text) == (400, True)
