# SPDX-License-Identifier: GPL-3.0-or-later
"""A package repository as a vendor has it: signed by a key of gpg, and served by HTTP."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PACKAGE = "Package: vendor-tool\nVersion: 4.2\nArchitecture: amd64\nFilename: pool/v.deb\nSize: 1\nSHA256: {}\n"


@dataclass(frozen=True)
class Signer:
    """Somebody with a key; `home` is gpg's."""

    home: Path

    @classmethod
    def make(cls, home: Path) -> Signer:
        home.mkdir(mode=0o700)
        made = cls(home)
        made.gpg("--passphrase", "", "--quick-generate-key", "vendor@example.org", "ed25519", "sign", "never")
        return made

    def gpg(self, *arguments: str) -> str:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout

    @property
    def public(self) -> str:
        return self.gpg("--armor", "--export")

    @property
    def private(self) -> str:
        return self.gpg("--armor", "--passphrase", "", "--pinentry-mode", "loopback", "--export-secret-keys")

    def end(self) -> None:
        """The agent that gpg starts would outlive the test."""
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True, timeout=30)


def publish(place: Path, signer: Signer, suite: str) -> None:
    """One package in component main of a suite."""
    index = place / "dists" / suite / "main/binary-amd64/Packages"
    index.parent.mkdir(parents=True)
    index.write_text(PACKAGE.format("0" * 64))
    content = index.read_bytes()
    release = index.parents[2] / "Release"
    release.write_text(
        f"Suite: {suite}\nCodename: {suite}\nComponents: main\nArchitectures: amd64\n"
        f"Date: Sat, 01 Nov 2025 00:00:00 UTC\nSHA256:\n {hashlib.sha256(content).hexdigest()} {len(content)} "
        "main/binary-amd64/Packages\n"
    )
    signer.gpg("--clearsign", "--output", str(release.with_name("InRelease")), str(release))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """A test has no use for it."""


@contextmanager
def served(place: Path) -> Iterator[str]:
    """The URL of a folder."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(place)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass(frozen=True)
class Apt:
    """apt of a system of its own in `root`, which reaches repositories without a proxy."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Apt:
        for folder in ("etc/apt/sources.list.d", "etc/apt/apt.conf.d", "etc/apt/preferences.d",
                       "var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/lib/dpkg"):  # fmt: skip
            (root / folder).mkdir(parents=True)
        (root / "var/lib/dpkg/status").touch()
        options = {
            "Dir": root, "Dir::State::status": root / "var/lib/dpkg/status",
            "Dir::Bin::methods": "/usr/lib/apt/methods",
            "APT::Architecture": "amd64", "APT::Architectures": "amd64", "APT::Sandbox::User": "",
            "Acquire::Languages": "none", "APT::Update::Error-Mode": "any",
        }  # fmt: skip
        (root / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in options.items()))
        return cls(root)

    def run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of apt."""
        return subprocess.run(
            [program, "-o", "Acquire::http::Proxy=DIRECT", *arguments],
            capture_output=True, text=True, timeout=60, check=False,
            env={**os.environ, "LC_ALL": "C.UTF-8", "APT_CONFIG": str(self.root / "apt.conf")},
        )  # fmt: skip
