# SPDX-License-Identifier: GPL-3.0-or-later
"""sushy-tools' Redfish emulator over TLS, with machines that are files: started as a program, with a state directory
and a port. What the emulator does not have (sessions) and how BMCs misbehave is switched by files in that directory."""

from __future__ import annotations

import base64
import json
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sushy_tools import error
from sushy_tools.emulator import main as emulator
from sushy_tools.emulator.resources.systems.base import AbstractSystemsDriver

SESSIONS = "/redfish/v1/SessionService/Sessions"
TOKEN = "a-token-of-this-test"


class Unsupported(error.FishyError):
    """What BMCs say to a boot mode that they do not change."""

    def __init__(self) -> None:
        super().__init__("the boot mode is not for you to change", 501)


class Machines(AbstractSystemsDriver):
    """Each line of the file ``systems`` is one; they share a power switch."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self.home = home

    @property
    def driver(self) -> str:
        return "<files>"

    @property
    def systems(self) -> list[str]:
        return (self.home / "systems").read_text().split()

    def uuid(self, identity: str) -> str:
        return identity

    def name(self, identity: str) -> str:
        return identity

    def get_power_state(self, _identity: str) -> str:
        return (self.home / "power").read_text()

    def set_power_state(self, identity: str, state: str) -> None:
        self._note(f"{identity} {state}")
        (self.home / "power").write_text("Off" if state in ("ForceOff", "GracefulShutdown") else "On")

    def get_boot_device(self, _identity: str) -> str:
        return "Hdd"

    def set_boot_device(self, identity: str, device: str) -> None:
        if (self.home / "refuse-boot").exists():
            raise error.NotSupportedError("no boot device here")
        self._note(f"{identity} boot {device}")

    def get_boot_mode(self, _identity: str) -> str:
        return (self.home / "mode").read_text()

    def set_boot_mode(self, identity: str, mode: str) -> None:
        if (self.home / "refuse-mode").exists():
            raise Unsupported
        self._note(f"{identity} mode {mode}")

    def _note(self, text: str) -> None:
        with (self.home / "calls").open("a") as calls:
            calls.write(f"{text}\n")


class Front:
    """Logins before the emulator, and answers of broken BMCs instead of it."""

    def __init__(self, app: Callable[..., Iterable[bytes]], home: Path) -> None:
        self.app = app
        self.home = home

    def __call__(self, env: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path, method = env["PATH_INFO"].rstrip("/"), env["REQUEST_METHOD"]
        odd = (self.home / "odd").read_text() if (self.home / "odd").exists() else ""
        if odd:
            return self._odd(odd, start)
        if path == "/redfish/v1":
            return self._root(env, start)
        if path == SESSIONS and method == "POST" and self._has_sessions:
            return self._log_in(env, start)
        if path.startswith(SESSIONS) and method == "DELETE":
            self._note("logout")
            return answer(start, "204 No Content", b"")
        if not self._is_known(env):
            self._note("refused")
            return answer(start, "401 Unauthorized", b"{}")
        return self.app(env, start)

    @property
    def _has_sessions(self) -> bool:
        return (self.home / "sessions").exists()

    @property
    def _user(self) -> str:
        return (self.home / "user").read_text()

    def _root(self, env: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        # The emulator's answer, and where sessions are if there are some.
        document = json.loads(b"".join(self.app(env, lambda *_arguments: None)))
        if self._has_sessions:
            document["Links"] = {"Sessions": {"@odata.id": SESSIONS}}
        return answer(start, "200 OK", json.dumps(document).encode())

    def _log_in(self, env: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        given = json.loads(env["wsgi.input"].read(int(env["CONTENT_LENGTH"])))
        right = f"{given['UserName']}:{given['Password']}" == self._user
        self._note("login" if right else "refused")
        if not right:
            return answer(start, "401 Unauthorized", b"{}")
        return answer(start, "201 Created", b"{}", ("X-Auth-Token", TOKEN), ("Location", f"{SESSIONS}/1"))

    def _is_known(self, env: dict[str, Any]) -> bool:
        if self._has_sessions:
            return env.get("HTTP_X_AUTH_TOKEN") == TOKEN
        pair = base64.b64encode(self._user.encode()).decode()
        return env.get("HTTP_AUTHORIZATION") == f"Basic {pair}"

    def _odd(self, how: str, start: Callable[..., Any]) -> Iterable[bytes]:
        if how == "silent":
            time.sleep(30)
        if how == "elsewhere":
            return answer(start, "307 Temporary Redirect", b"", ("Location", "https://127.0.0.2/redfish/v1/"))
        bodies = {"rubbish": b"<html>router", "list": b"[1]", "empty": b"{}", "megabytes": b" " * 3_000_000}
        return answer(start, "503 Busy" if how == "busy" else "200 OK", bodies.get(how, b"{}"))

    def _note(self, text: str) -> None:
        with (self.home / "logins").open("a") as logins:
            logins.write(f"{text}\n")


def answer(start: Callable[..., Any], status: str, body: bytes, *headers: tuple[str, str]) -> Iterable[bytes]:
    """A whole answer in JSON."""
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers])
    return [body]


def main() -> None:
    """Serve until killed."""
    home, port = Path(sys.argv[1]), int(sys.argv[2])
    machines = Machines(home)
    emulator.Application.systems = property(lambda _app: machines)
    emulator.app.wsgi_app = Front(emulator.app.wsgi_app, home)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(home / "cert.pem", home / "key.pem")
    emulator.app.run(host="127.0.0.1", port=port, ssl_context=context, threaded=True)


if __name__ == "__main__":
    main()
