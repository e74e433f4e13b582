# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP for drivers whose BMC is a web server: one bounded request at a time, to declared networks only.

An operator types the address, and a rack stands where the operator does not: so a name is looked up once, each address
that it has must lie in a network that this rack was told to be one of BMCs, and the connection goes to what was
checked. Redirects are not followed, and proxies of the environment not used. (python3-requests can do the last two,
but connects to what it looks up by itself.)
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .base import Bmc, PowerAuthError, PowerBusy, PowerError, PowerRefused, PowerUnreachable

_CONNECT_S = 4.0
# For the whole of one request. The worker's process has a limit of its own, for what trickles in.
_REQUEST_S = 12.0
_CHUNK = 65536
# 408 Request Timeout, 429 Too Many Requests, 503 Service Unavailable (RFC 9110, RFC 6585).
_BUSY = frozenset({408, 429, 503})


@dataclass(frozen=True)
class Site:
    """A web server: where it is, whether its certificate is verified, and the networks that it must be in."""

    host: str
    port: int
    tls: bool
    verify: bool
    networks: tuple[str, ...]

    @property
    def name(self) -> str:
        """As an operator knows it."""
        usual = self.port == (443 if self.tls else 80)
        return self.host if usual else f"{self.host} port {self.port}"


@dataclass(frozen=True)
class Answer:
    """What came back, not more than was allowed."""

    status: int
    reason: str
    body: bytes


def networks_of(bmc: Bmc) -> tuple[str, ...]:
    """The networks of BMCs that the rack has given along with the BMC."""
    return tuple(dict(bmc.options).get("bmc_networks", "").split())


def basic(user: str, password: str) -> dict[str, bytes]:
    """The header for a user name and a password (RFC 7617)."""
    return {"Authorization": b"Basic " + base64.b64encode(f"{user}:{password}".encode())}


def token(scheme: str, text: str, setting: str) -> dict[str, bytes]:
    """The header for a token. Raises PowerRefused, without quoting it, when no header can have it."""
    if not text.isascii() or not text.isprintable():
        raise PowerRefused(f"{setting} has characters that no HTTP header can have; correct it")
    return {"Authorization": f"{scheme}{text}".encode()}


def knock(site: Site) -> None:
    """Find out whether something listens there. Raises PowerUnreachable within some seconds."""
    _connected(site).close()


def ask(
    site: Site, method: str, target: str, headers: Mapping[str, bytes], body: bytes | None = None, *, most_bytes: int
) -> Answer:
    """One request. Raises PowerUnreachable, PowerError for what is no HTTP, a wrong certificate or too long an answer,
    and what the status says: PowerAuthError for 401 and 403, PowerBusy, PowerRefused for a redirect."""
    deadline = time.monotonic() + _REQUEST_S
    with _worded(site), contextlib.closing(_secured(site, _connected(site))) as stream:
        connection = http.client.HTTPConnection(site.host, site.port)
        connection.sock = stream
        stream.settimeout(_REQUEST_S)
        connection.request(method, target, body, {"Accept": "application/json", "Connection": "close", **headers})
        response = connection.getresponse()
        answer = Answer(response.status, response.reason, _read(site, stream, response, deadline, most_bytes))
    _judge(site, answer)
    return answer


def _read(
    site: Site, stream: socket.socket, response: http.client.HTTPResponse, deadline: float, most_bytes: int
) -> bytes:
    body = b""
    while (left_s := deadline - time.monotonic()) > 0:
        if not response.isclosed():
            stream.settimeout(left_s)
        chunk = response.read1(min(_CHUNK, most_bytes + 1 - len(body)))
        body += chunk
        if not chunk:
            return body
        if len(body) > most_bytes:
            raise PowerError(f"BMC {site.name} sent more than {most_bytes // 1024} KiB; check the address")
    raise PowerUnreachable(f"BMC {site.name} did not end its answer within {_REQUEST_S:.0f} s")


def _judge(site: Site, answer: Answer) -> None:
    """What the status means by itself; the rest is the driver's."""
    if answer.status in (401, 403):
        raise PowerAuthError(
            f"BMC {site.name} refused the user, password or token ({answer.status}); correct the machine's power "
            "parameters, or the rights that they give there"
        )
    if answer.status in _BUSY:
        raise PowerBusy(f"BMC {site.name} is busy ({answer.status} {printable(answer.reason)})")
    if 300 <= answer.status < 400:
        raise PowerRefused(
            f"BMC {site.name} sends elsewhere ({answer.status}), which is not followed; give the final URI"
        )


def printable(text: str) -> str:
    """What a BMC said, fit for a log."""
    return "".join(character if character.isprintable() else " " for character in text[:200])


def _connected(site: Site) -> socket.socket:
    """A connection to an address that was checked."""
    last: OSError | None = None
    for address in _addresses(site):
        try:
            return socket.create_connection((address, site.port), _CONNECT_S)
        except OSError as reason:
            last = reason
    raise PowerUnreachable(f"BMC {site.name} does not answer ({last}); check its address and its cable") from last


def _addresses(site: Site) -> list[str]:
    """The addresses of the host, two at most. Raises PowerUnreachable unless all lie in networks of BMCs."""
    try:
        found = socket.getaddrinfo(site.host, site.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as reason:
        raise PowerUnreachable(f"BMC {site.host} has no address ({reason}); check the name and the DNS") from reason
    networks = [ipaddress.ip_network(text) for text in site.networks]
    addresses = list(dict.fromkeys(str(place[0]) for *_kind, place in found))
    for address in addresses:
        if not any(ipaddress.ip_address(address) in network for network in networks):
            known = ", ".join(site.networks) or "none"
            raise PowerUnreachable(
                f"BMC {site.host} is at {address}, which is in no network of BMCs of this rack ({known}); correct the "
                "address, or declare the network in rack_service_bmc_networks"
            )
    return addresses[:2]


def _secured(site: Site, plain: socket.socket) -> socket.socket:
    if not site.tls:
        return plain
    context = ssl.create_default_context()
    # Python 3.13 (Debian 13) is stricter than 3.11 (Debian 12): a site's authority must do on both, or on none.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not site.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        return context.wrap_socket(plain, server_hostname=site.host)
    except BaseException:
        plain.close()
        raise


@contextlib.contextmanager
def _worded(site: Site) -> Iterator[None]:
    """Turn what the standard library raises into one of our errors, with the remedy."""
    try:
        yield
    except ssl.SSLCertVerificationError as reason:
        raise PowerError(
            f"the certificate of BMC {site.name} is not trusted ({reason.verify_message}); install its authority on "
            "the racks (update-ca-certificates), or set power_verify_ssl=n"
        ) from reason
    except ssl.SSLError as reason:
        raise PowerError(
            f"BMC {site.name} does not speak TLS as it should ({reason.reason}); check the port"
        ) from reason
    except TimeoutError as reason:
        raise PowerUnreachable(f"BMC {site.name} took the connection and did not answer in time") from reason
    except OSError as reason:
        raise PowerUnreachable(f"BMC {site.name} broke the connection ({reason}); check its address") from reason
    except http.client.HTTPException as reason:
        raise PowerError(
            f"BMC {site.name} sent something that is not HTTP ({type(reason).__name__}); check the address and the port"
        ) from reason
