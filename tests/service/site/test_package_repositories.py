# SPDX-License-Identifier: GPL-3.0-or-later
"""`package-repositories/`: what is stored, and what is refused. That machines use it is tested with their boots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from signed_repository import Signer

from rackyard.region.services.site import package_repositories

URL = "https://packages.example.org/debian"
PATH = "package-repositories/"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    made = Signer.make(tmp_path_factory.mktemp("gpg") / "home")
    yield made
    made.end()


def refusal(answer, field: str) -> str:
    assert answer.status_code == 400, answer.text
    assert answer.json.keys() == {field}, answer.text
    return answer.json[field][0]


def test_repository_has_the_fields_of_maas_and_is_found_by_id_and_name(api) -> None:
    made = api.post(PATH, data={"name": "vendor", "url": URL, "disabled_pockets": "", "components": ""}).json
    assert made == {
        "id": made["id"], "name": "vendor", "url": URL, "distributions": [], "disabled_pockets": [],
        "disabled_components": [], "disable_sources": True, "components": [], "arches": ["amd64", "arm64"], "key": "",
        "enabled": True, "resource_uri": f"/MAAS/api/2.0/{PATH}{made['id']}/",
    }  # fmt: skip
    assert api.get(PATH).json == [made]
    assert api.get(f"{PATH}{made['id']}/").json == api.get(f"{PATH}vendor/").json == made
    assert api.delete(f"{PATH}vendor/").status_code == 204
    gone = api.get(f"{PATH}vendor/")
    assert gone.status_code == 404
    assert f"GET {PATH}" in gone.text


def test_what_is_given_is_changed_and_told_in_the_audit_trail_without_the_key(api, signer) -> None:
    api.post(PATH, data={"name": "vendor", "url": URL, "key": f"\n{signer.public}".replace("\n", "\r\n")})
    assert api.get(f"{PATH}vendor/").json["key"] == signer.public.strip(), "apt wants its lines"
    data = {"components": "main, tools main", "distributions": ["trixie", "sid"], "arches": "arm64", "enabled": "no"}
    changed = api.put(f"{PATH}vendor/", data=data).json
    assert [changed[name] for name in ("components", "distributions", "arches", "enabled", "url")] == [
        ["main", "tools"], ["trixie", "sid"], ["arm64"], False, URL,
    ]  # fmt: skip
    emptied = api.put(f"{PATH}vendor/", data={"components": "", "arches": "", "key": ""}).json
    assert (emptied["components"], emptied["arches"], emptied["key"]) == ([], ["amd64", "arm64"], "")
    told = api.get("audit/?object=package_repository")
    assert told.status_code == 200, told.text
    assert "PGP" not in told.text
    assert [entry["action"] for entry in told.json["entries"]].count("change") == 2


@pytest.mark.parametrize(
    ("data", "field", "words"),
    [
        ({"url": ""}, "url", "is no URL of a repository"),
        ({"url": "ppa:vendor/tools"}, "url", "A PPA is for Ubuntu"),
        ({"url": "ftp://example.org/"}, "url", "https://packages.example.org"),
        ({"url": "https://ann:sesame@example.org/"}, "url", "Everybody who may look at machines"),
        ({"url": "http://example.org/\nSigned-By: /x"}, "url", "is no URL"),
        ({"url": "http://example.org/${RELEASE} main"}, "url", "is no URL"),
        ({"name": "7"}, "name", "not digits alone"),
        ({"components": "main;rm"}, "components", "'main;rm' is not the name of a component"),
        ({"distributions": "../x"}, "distributions", "is not the name of a release"),
        ({"distributions": "./", "components": "main"}, "distributions", "has no components"),
        ({"arches": "i386"}, "arches", "use amd64 or arm64"),
        ({"disabled_pockets": "updates"}, "disabled_pockets", "leave disabled_pockets out"),
        ({"enabled": "perhaps"}, "enabled", "neither true nor false"),
    ],
)
def test_refusals_name_the_field_and_the_remedy_and_store_nothing(api, data, field, words) -> None:
    answer = api.post(PATH, data={"name": "vendor", "url": URL, **data})
    assert words in refusal(answer, field)
    assert "sesame" not in answer.text
    assert api.get(PATH).json == []


def test_key_is_a_whole_public_key_or_refused_without_being_shown(api, signer) -> None:
    public = signer.public
    first, *_rest = body = public.split("\n\n")[1].splitlines()
    wrong = {
        "private key": signer.private,
        "BEGIN to END": "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nmQ\n",
        "checksum": public.replace(first, first[:9] + ("A" if first[9] != "A" else "B") + first[10:]),
        "no public key": signer.gpg("--armor", "--export").replace(public, _signature(signer)),
        "cut off": "\n".join([public.split("\n\n")[0], "", *body[:2], "-----END PGP PUBLIC KEY BLOCK-----"]),
    }
    for words, key in wrong.items():
        answer = api.post(PATH, data={"name": "vendor", "url": URL, "key": key})
        assert words in refusal(answer, "key"), words
        assert first not in answer.text
    assert api.post(PATH, data={"name": "vendor", "url": URL, "key": public}).status_code == 200


def _signature(signer: Signer) -> str:
    """Something of OpenPGP in the armour of a key."""
    kept = signer.home / "text"
    kept.write_text("x")
    signed = signer.gpg("--armor", "--detach-sign", "--output", "-", str(kept))
    return signed.replace("PGP SIGNATURE", "PGP PUBLIC KEY BLOCK")


def test_names_are_given_once_and_there_are_not_too_many(api, monkeypatch) -> None:
    for name in ("a", "b"):
        assert api.post(PATH, data={"name": name, "url": URL}).status_code == 200
    assert "exists already" in refusal(api.post(PATH, data={"name": "a", "url": URL}), "name")
    assert "exists already" in refusal(api.put(f"{PATH}b/", data={"name": "a"}), "name")
    assert api.put(f"{PATH}b/", data={"name": "b"}).status_code == 200
    monkeypatch.setattr(package_repositories, "MAX_REPOSITORIES", 2)
    full = api.post(PATH, data={"name": "c", "url": URL})
    assert full.status_code == 409
    assert "delete one first" in full.text
