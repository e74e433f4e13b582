# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session with a Redfish service, by sushy; versions 4.3.3 (Debian 12) and 5.5 (Debian 13) work.

sushy waits and tries again by itself, for minutes, and takes whatever comes: so each of its requests goes through
``_Bounded``, which limits time and size, keeps to the BMC, and raises our errors, which sushy lets pass.
Sources: DMTF DSP0266 (protocol), DSP0268 (ComputerSystem), DSP2046 (SessionService).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import socket
import ssl
from collections.abc import Iterator
from typing import Any

from .base import Bmc, PowerAuthError, PowerBusy, PowerError, PowerRefused, PowerUnreachable

try:
    import requests
    import sushy
    import urllib3
    from requests.adapters import HTTPAdapter
    from sushy import auth as sushy_auth
    from sushy import connector as sushy_connector
    from sushy.exceptions import AccessError, HTTPError, InvalidParameterValueError, SushyError

    SUSHY_ERROR = ""
    # What it logs comes back as errors, in better words.
    logging.getLogger("sushy").setLevel(logging.CRITICAL)
except ImportError as missing:
    sushy = None
    HTTPAdapter = object
    SUSHY_ERROR = str(missing)

_CONNECT_S = 4.0
# For what comes next of an answer. The worker's process has a limit for the whole call.
_PATIENT_S, _HURRIED_S = 10.0, 3.0
_MOST_BYTES = 1024 * 1024
_MOST_NAMED = 16
# In the order of preference; which of them a BMC has, it lists.
_RESETS = {
    "on": ("On", "ForceOn"),
    "off": ("ForceOff",),
    "soft-off": ("GracefulShutdown",),
    "reset": ("ForceRestart", "PowerCycle"),
}
_TARGETS = {
    "default": ("None",),
    "pxe": ("Pxe", "UefiHttp"),
    "disk": ("Hdd",),
    "cdrom": ("Cd",),
    "bios": ("BiosSetup",),
}
# A machine that is being switched off is on until it is off.
_STATES = {"On": "on", "PoweringOn": "on", "PoweringOff": "on", "Paused": "on", "Off": "off"}
_BUSY = frozenset({408, 409, 412, 423, 429, 503})


class _Bounded(HTTPAdapter):  # type: ignore[misc]  # requests has no type information
    """Requests of one BMC: to nowhere else, within limits, with its certificate judged as the operator wants it."""

    def __init__(self, bmc: Bmc) -> None:
        self._bmc = bmc
        host = f"[{bmc.address}]" if ":" in bmc.address else bmc.address
        self.url = f"https://{host}:{bmc.port}"
        self._fingerprint = dict(bmc.options).get("power_tls_fingerprint", "")
        self.read_s = _PATIENT_S
        super().__init__()

    @property
    def verify(self) -> bool | str:
        """As requests wants it: the place of the host's own authorities, or False."""
        if self._fingerprint or dict(self._bmc.options).get("power_verify_ssl") == "n":
            return False
        places = ssl.get_default_verify_paths()
        return places.cafile or places.capath or True

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """With the one certificate that will do, if there is such a wish."""
        if self._fingerprint:
            options["assert_fingerprint"] = self._fingerprint
        super().init_poolmanager(*arguments, **options)

    def send(self, request: Any, *_arguments: Any, **options: Any) -> Any:
        """One request and its whole answer. Raises PowerError's children for all that is no Redfish."""
        if not f"{request.url}/".startswith((f"{self.url}/", f"{self.url.removesuffix(':443')}/")):
            raise PowerRefused(f"BMC {self._bmc.name} sends elsewhere, which is not followed; check power_address")
        with self._worded():
            options.update(stream=True, timeout=(_CONNECT_S, self.read_s), verify=self.verify, proxies={})
            response = super().send(request, **options)
            body = response.raw.read(_MOST_BYTES + 1, decode_content=True)
            response.raw.release_conn()
        if len(body) > _MOST_BYTES:
            response.raw.close()
            raise PowerError(f"BMC {self._bmc.name} sent more than {_MOST_BYTES // 1024} KiB; update its firmware")
        response.raw = io.BytesIO(body)
        self._judge(response)
        return response

    def _judge(self, response: Any) -> None:
        """What sushy would try again, for longer than there is time. 501 is what BMCs say to what they do not have."""
        status = response.status_code
        if status < 500 or (status == 501 and response.request.method != "GET"):
            return
        words = f"BMC {self._bmc.name} failed with {status} {_printable(response.reason)}"
        if status in _BUSY:
            raise PowerBusy(f"{words}: it is busy")
        raise PowerError(f"{words}; look at its event log")

    @contextlib.contextmanager
    def _worded(self) -> Iterator[None]:
        name = self._bmc.name
        try:
            yield
        except requests.exceptions.SSLError as reason:
            raise self._untrusted(reason) from reason
        except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError) as reason:
            raise PowerUnreachable(f"BMC {name} took the connection and did not answer in time") from reason
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OSError) as reason:
            raise PowerUnreachable(
                f"BMC {name} broke the connection ({_printable(str(reason))}); check its address and its port"
            ) from reason

    def _untrusted(self, reason: Exception) -> PowerError:
        seen = _fingerprint_of(self._bmc)
        if not seen:
            return PowerError(
                f"BMC {self._bmc.name} does not speak TLS as it should ({_printable(str(reason))}); check the port"
            )
        if self._fingerprint:
            return PowerError(
                f"BMC {self._bmc.name} has another certificate than power_tls_fingerprint says: its SHA-256 "
                f"fingerprint is {seen}; find out why before you change the parameter"
            )
        return PowerError(
            f"the certificate of BMC {self._bmc.name} is not trusted ({_printable(str(reason))}); install its "
            f"authority on the racks (update-ca-certificates), or set power_tls_fingerprint={seen} if that is what the "
            "BMC itself shows, or set power_verify_ssl=n"
        )


def _fingerprint_of(bmc: Bmc) -> str:
    """Of the certificate that is shown there now, empty if none is."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((bmc.address, bmc.port), _CONNECT_S) as plain,
            context.wrap_socket(plain) as secured,
        ):
            shown = secured.getpeercert(binary_form=True)
    except OSError:
        return ""
    return hashlib.sha256(shown).hexdigest() if shown else ""


def _printable(text: str | None) -> str:
    """What a BMC said, fit for a log."""
    return "".join(character if character.isprintable() else " " for character in (text or "")[:300])


class RedfishSession:
    """One login, and the system that is meant. For one thread only."""

    alive = True

    def __init__(self, bmc: Bmc) -> None:
        if sushy is None:
            raise PowerError(f"sushy is not installed ({SUSHY_ERROR}); install the Debian package python3-sushy")
        self._bmc = bmc
        self._adapter = _Bounded(bmc)
        self._auth: Any = None
        with self._worded("log in"):
            self._root, connector = self._service()
            self._log_in(connector)
        try:
            self._system = self._find()
        except PowerError:
            self.close()
            raise

    def state(self) -> str:
        """On or off."""
        with self._worded("tell the power state"):
            self._system.refresh(force=True)
            told = self._system.power_state
        value = str(getattr(told, "value", told))
        if value not in _STATES:
            raise PowerError(f"BMC {self._bmc.name} gave the power state {_printable(value)!r}; update its firmware")
        return _STATES[value]

    def set_boot_device(self, device: str, *, uefi: bool = False) -> None:
        """For the next boot only; UEFI or legacy is asked for where the BMC has the other, and may be refused."""
        if device not in _TARGETS:
            raise ValueError(f"unknown boot device {device!r}; use one of {', '.join(_TARGETS)}")
        with self._worded(f"boot from {device} next"):
            self._system.refresh(force=True)
            listed = {one.value for one in self._system.get_allowed_system_boot_source_values()}
            once = sushy.BOOT_SOURCE_ENABLED_ONCE if device != "default" else sushy.BOOT_SOURCE_ENABLED_DISABLED
            target = next((name for name in _TARGETS[device] if name in listed), None)
            if target is None and device != "default":
                raise PowerRefused(
                    f"BMC {self._bmc.name} cannot boot from {device}; it has {', '.join(sorted(listed))}"
                )
            chosen = sushy.BootSource(target) if target else None
            mode = self._other_mode(uefi)
            if mode is not None:
                with contextlib.suppress(PowerRefused):
                    with self._worded("change between UEFI and legacy"):
                        self._system.set_system_boot_options(chosen, enabled=once, mode=mode)
                    return
            self._system.set_system_boot_options(chosen, enabled=once)

    def control(self, action: str) -> None:
        """On, off, soft-off or reset."""
        with self._worded(f"switch the machine {action}"):
            listed = {one.value: one for one in self._system.get_allowed_reset_system_values()}
            kind = next((name for name in _RESETS[action] if name in listed), None)
            if kind is None:
                known = ", ".join(sorted(listed)) or "none"
                raise PowerRefused(f"BMC {self._bmc.name} cannot switch the machine {action}; it has {known}")
            self._system.reset_system(listed[kind])

    def hurry(self, hurried: bool) -> None:
        """Wait 3 s for an answer instead of 10 s."""
        self._adapter.read_s = _HURRIED_S if hurried else _PATIENT_S

    def close(self) -> None:
        """End the session, which a BMC has few of. One that is gone by now is no error."""
        if self._auth is not None:
            with contextlib.suppress(PowerError, SushyError, ValueError, TypeError, AttributeError):
                self.hurry(True)
                self._auth.close()

    def _service(self) -> tuple[Any, Any]:
        """The service's root, which is told without a login, and the way to it."""
        connector = sushy_connector.Connector(self._adapter.url, verify=self._adapter.verify)
        web = connector._session
        # Otherwise REQUESTS_CA_BUNDLE, a proxy or a .netrc of the environment would have a say.
        web.trust_env = False
        web.mount("https://", self._adapter)
        web.mount("http://", self._adapter)
        if not self._adapter.verify:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        basic = sushy_auth.BasicAuth(self._bmc.user, self._bmc.password)
        return sushy.Sushy(self._adapter.url, auth=basic, connector=connector), connector

    def _log_in(self, connector: Any) -> None:
        """A session if the service offers some, else user and password with each request, as it is by now.

        sushy's own choice between the two logs in a second time with a wrong password, which locks accounts."""
        offered = self._root.json
        if "SessionService" not in offered and "Sessions" not in offered.get("Links", {}):
            return
        auth = sushy_auth.SessionAuth(self._bmc.user, self._bmc.password)
        auth.set_context(self._root, connector)
        try:
            auth.authenticate()
            self._auth = auth
        except AccessError:
            raise
        except (PowerRefused, SushyError):
            # All sessions in use, or none in truth.
            again = sushy_auth.BasicAuth(self._bmc.user, self._bmc.password)
            again.set_context(self._root, connector)
            again.authenticate()

    def _find(self) -> Any:
        """The system that node_id names, or the only one."""
        wanted = dict(self._bmc.options).get("node_id", "")
        with self._worded("list its systems"):
            paths = self._root.get_system_collection().members_identities
            by_id = {path.rstrip("/").rsplit("/", 1)[-1]: path for path in paths}
            known = _printable(", ".join(sorted(by_id)[:_MOST_NAMED])) or "none"
            if wanted and wanted not in by_id:
                raise PowerRefused(f"BMC {self._bmc.name} has no system {wanted}; set node_id to one of {known}")
            if not wanted and len(by_id) != 1:
                raise PowerRefused(f"BMC {self._bmc.name} has {len(by_id)} systems; set node_id to one of {known}")
            return self._root.get_system(by_id[wanted] if wanted else paths[0])

    def _other_mode(self, uefi: bool) -> Any:
        """The mode to ask for, None if the BMC has it already, has none, or nobody minds."""
        boot = self._system.boot
        current = getattr(boot.mode, "value", boot.mode) if boot is not None else None
        legacy = dict(self._bmc.options).get("power_boot_type") == "legacy"
        if uefi and current == "Legacy":
            return sushy.BOOT_SOURCE_MODE_UEFI
        return sushy.BOOT_SOURCE_MODE_BIOS if legacy and current == "UEFI" else None

    @contextlib.contextmanager
    def _worded(self, purpose: str) -> Iterator[None]:
        """Turn what sushy raises into one of our errors, with the remedy."""
        name = self._bmc.name
        try:
            yield
        except AccessError as reason:
            if reason.status_code == 403:
                raise PowerAuthError(
                    f"BMC {name} does not let user '{self._bmc.user}' {purpose} (403); give that user the role Operator"
                ) from reason
            raise PowerAuthError(
                f"BMC {name} refused user '{self._bmc.user}': wrong user name or password ({reason.status_code}); "
                "correct power_user and power_pass of the machine"
            ) from reason
        except HTTPError as reason:
            words = f"BMC {name} refused to {purpose}: {reason.status_code} {_printable(str(reason.detail or ''))}"
            raise (PowerBusy if reason.status_code in _BUSY else PowerRefused)(
                f"{words.rstrip()}; look at its event log and at the role of user '{self._bmc.user}'"
            ) from reason
        except InvalidParameterValueError as reason:
            raise PowerRefused(f"BMC {name} cannot {purpose}: {_printable(str(reason))}") from reason
        except (SushyError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as reason:
            # sushy takes answers as they come: whatever a broken BMC sends must not become a traceback.
            raise PowerError(
                f"BMC {name} sent something that is not Redfish when asked to {purpose} ({type(reason).__name__}: "
                f"{_printable(str(reason))}); check the port, or update its firmware"
            ) from reason
