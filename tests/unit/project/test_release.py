# SPDX-License-Identifier: GPL-3.0-or-later
"""What is released: the same bytes wherever they are made, nothing that does not belong, nothing that others change."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import runpy
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
FOREIGN = re.compile(
    r"(\.ci|\.git|\.hypothesis|\.[a-z]+_cache|collections/ansible_collections|dist|docs/(build|site)|molecule|release"
    r"|tests/(?!config\.yml$|sanity/)[^/]+)(/|$)|(.*/)?(__pycache__|[^/]+\.(pyc|retry|tar\.gz))$|requirements|noxfile|run$"
)


def run(*command: str | Path, cwd: Path | None = None, **others: str) -> subprocess.CompletedProcess[str]:
    mine = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
    return subprocess.run(command, cwd=cwd, env=mine | others, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone with files in it that nobody has committed."""
    place = tmp_path_factory.mktemp("clone") / "rackyard"
    assert run("git", "clone", "--quiet", "--shared", ROOT, place).returncode == 0
    (place / "plugins/modules/left_over.py").write_text("")
    return place


@pytest.fixture(scope="module")
def tarball(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(ROOT, tmp_path_factory.mktemp("here"))


def made(repository: Path, folder: Path, **environment: str) -> Path:
    done = run(sys.executable, ROOT / "release/tarball.py", "HEAD", folder, repository, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return Path(done.stdout.strip())


def test_two_builds_are_the_same_bytes(clone: Path, tarball: Path, tmp_path: Path) -> None:
    mask = os.umask(0o077)
    try:
        other = made(clone, tmp_path, TZ="Asia/Tokyo", HOME=str(tmp_path))
    finally:
        os.umask(mask)
    assert hashlib.sha256(other.read_bytes()).digest() == hashlib.sha256(tarball.read_bytes()).digest()
    assert other.name == f"rackyard-metal-{yaml.safe_load((ROOT / 'galaxy.yml').read_text())['version']}.tar.gz"


def test_nothing_is_in_it_that_does_not_belong_or_says_who_made_it(tarball: Path) -> None:
    with tarfile.open(tarball) as archive:
        entries = archive.getmembers()
    committed = run("git", "-C", ROOT, "ls-tree", "-r", "--name-only", "HEAD").stdout.splitlines()
    files = {entry.name for entry in entries if not entry.isdir()}
    assert files - {"MANIFEST.json", "FILES.json"} <= set(committed)
    assert not [name for name in files if FOREIGN.match(name)]
    assert {(entry.uid, entry.gid, entry.uname, entry.gname) for entry in entries} == {(0, 0, "", "")}
    assert len({entry.mtime for entry in entries}) == 1


@pytest.fixture
def key(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of somebody who signs, with a key of the moment; the public one is in its file public.gpg."""
    home = Path("/tmp") / f"rackyard-key-{os.getpid()}"  # gpg's sockets want a short path
    home.mkdir(mode=0o700)
    environment = {"GNUPGHOME": str(home)}
    quiet = ("gpg", "--batch", "--quiet", "--passphrase", "")
    try:
        made = run(*quiet, "--quick-generate-key", "releases@example.org", "ed25519", "sign", "1d", **environment)
        assert made.returncode == 0, made.stderr
        assert run("gpg", "--output", home / "public.gpg", "--export", **environment).returncode == 0
        yield environment
    finally:
        run("gpgconf", "--kill", "all", **environment)
        shutil.rmtree(home)


def test_signed_file_is_installed_and_a_changed_one_refused(tarball: Path, key: dict[str, str], tmp_path: Path) -> None:
    signatures = {
        tarball: tmp_path / "file.asc",
        unpacked(tarball, tmp_path / "said") / "MANIFEST.json": tmp_path / "list.asc",
    }
    for file, signature in signatures.items():
        signed = run("gpg", "--batch", "--armor", "--output", signature, "--detach-sign", file, **key)
        assert signed.returncode == 0, signed.stderr
    changed = tmp_path / tarball.name
    changed.write_bytes(with_other_code(tarball))
    assert run("gpg", "--verify", tmp_path / "file.asc", tarball, **key).returncode == 0
    assert run("gpg", "--verify", tmp_path / "file.asc", changed, **key).returncode == 1

    by_key = ("--keyring", f"{key['GNUPGHOME']}/public.gpg", "--signature", (tmp_path / "list.asc").as_uri())
    verify = ("ansible-galaxy", "collection", "verify", "--offline", *by_key, "rackyard.metal", "--collections-path")
    install = ("ansible-galaxy", "collection", "install", "--offline", "--no-deps", tarball, "--collections-path")
    taken, refused = tmp_path / "taken", tmp_path / "refused"
    assert run(*install, taken, cwd=tmp_path).returncode == 0
    assert run(*verify, taken, cwd=tmp_path, **key).returncode == 0
    unpacked(changed, refused / "ansible_collections/rackyard/metal")
    found = run(*verify, refused, cwd=tmp_path, **key)
    assert (found.returncode, "Signature verification failed" in found.stdout) == (1, True)


def unpacked(tarball: Path, folder: Path) -> Path:
    folder.mkdir(parents=True)
    assert run("tar", "-xzf", tarball, "-C", folder).returncode == 0
    return folder


def with_other_code(tarball: Path) -> bytes:
    """The file with a changed module, its sums made to fit: only the signature can tell."""
    packed = runpy.run_path(str(ROOT / "release/tarball.py"))
    name = "plugins/modules/machine.py"
    whole = io.BytesIO()
    with tarfile.open(tarball) as old, tarfile.open(fileobj=whole, mode="w:gz") as new:
        content = {entry.name: packed["read"](old, entry) for entry in old}
        content[name] += b"\n# evil\n"
        listed = json.loads(content["FILES.json"])
        (entry,) = (each for each in listed["files"] if each["name"] == name)
        entry["chksum_sha256"] = hashlib.sha256(content[name]).hexdigest()
        content["FILES.json"], content["MANIFEST.json"] = packed["in_order"](
            packed["as_json"](listed), content["MANIFEST.json"]
        )
        for member in old.getmembers():
            member.size = len(content[member.name])
            new.addfile(member, io.BytesIO(content[member.name]))
    return whole.getvalue()


@pytest.fixture
def faults(tmp_path: Path) -> Callable[..., list[str]]:
    """What is in the way of releasing a small project whose files say certain things."""

    def found(trial: bool = False, code: str = "1.3.0", **releases: dict[str, list[str]]) -> list[str]:
        versions = {
            name.replace("_", ".").removeprefix("v"): {"changes": changes} for name, changes in releases.items()
        }
        texts = {
            "galaxy.yml": "version: 1.3.0",
            "pyproject.toml": '[project]\nversion = "1.3.0"\n',
            "src/rackyard/__init__.py": f'__version__ = "{code}"\n',
            "docs/install.md": "ansible-galaxy collection install rackyard-metal-1.3.0.tar.gz",
            "changelogs/changelog.yaml": yaml.safe_dump({"releases": versions}),
            "CHANGELOG.md": "".join(f"## v{version}\n" for version in versions).replace(".", r"\."),
        }
        for name, text in texts.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return list(runpy.run_path(str(ROOT / "release/versions.py"))["faults"](tmp_path, trial))

    return found


def test_version_follows_from_what_has_changed(faults: Callable[..., list[str]]) -> None:
    assert faults(v1_2_9={}, v1_3_0={"minor_changes": ["more"]}) == []
    assert faults(v1_2_9={}, v1_3_0={"removed_features": ["less"]}) == [
        "changelogs/changelog.yaml: after 1.2.9, what 1.3.0 brings makes it at least 2.0.0"
    ]
    assert faults(v1_4_0={}) == [
        "galaxy.yml: 1.3.0 is older than 1.4.0 of the changelog; raise it",
        "changelogs/changelog.yaml: lacks 1.3.0; run antsibull-changelog release, or make a trial",
    ]
    assert faults(trial=True, code="1.2.9") == ["src/rackyard/__init__.py: 1.2.9 is not 1.3.0 of galaxy.yml"]


def test_this_project_says_one_version_everywhere() -> None:
    found = runpy.run_path(str(ROOT / "release/versions.py"))["faults"](ROOT, True)
    assert list(found) == []
