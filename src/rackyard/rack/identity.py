# SPDX-License-Identifier: GPL-3.0-or-later
"""The rack's key and certificate: made here, kept here (0600), renewed at two thirds of its life.

Written for `cryptography` 38 (Debian 12) and newer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rackyard.daemons import files
from rackyard.rack.errors import RackError

KEY, CERTIFICATE, CA = "rack.key", "rack.crt", "ca.crt"

# Tells one state of the files from another.
Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Identity:
    """What the certificate on disk says; times are UTC."""

    system_id: str
    not_before: datetime
    not_after: datetime

    def renew_at(self) -> datetime:
        """Two thirds of the certificate's life."""
        return self.not_before + (self.not_after - self.not_before) * 2 / 3


def new_key() -> bytes:
    """A P-256 private key as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def request_for(key_pem: bytes, name: str) -> str:
    """A certificate request (PKCS #10, PEM) signed by the key. The region decides about the subject."""
    key = serialization.load_pem_private_key(key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise RackError("the rack's key is not an EC key; enrol again with `rackyard-rack enroll --force`")
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def read(directory: Path) -> Identity | None:
    """The identity on disk; None when this rack is not enrolled. RackError when it cannot be read."""
    try:
        pem = (directory / CERTIFICATE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as reason:
        raise RackError(
            f"cannot read {directory / CERTIFICATE}: {reason.strerror}; run as root or rackyard"
        ) from reason
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as reason:
        raise RackError(f"{directory / CERTIFICATE} is damaged; enrol again with --force") from reason
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return Identity(
        system_id=str(names[0].value) if names else "",
        not_before=_utc(certificate, "not_valid_before"),
        not_after=_utc(certificate, "not_valid_after"),
    )


def stamp(directory: Path) -> Stamp:
    """Changes whenever one of the three files is replaced."""
    found = []
    for name in (KEY, CERTIFICATE, CA):
        try:
            status = (directory / name).stat()
        except OSError:
            continue
        found.append((status.st_mtime_ns, status.st_ino))
    return tuple(found)


def store(directory: Path, key: bytes, certificate: str, ca: str) -> None:
    """Write all three files, 0600. The certificate is last: it is what says that the rack is enrolled."""
    check(key, certificate)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files.replace(directory / CA, ca.encode(), 0o600)
    files.replace(directory / KEY, key, 0o600)
    files.replace(directory / CERTIFICATE, certificate.encode(), 0o600)


def renew(directory: Path, certificate: str) -> None:
    """Replace the certificate; the key stays."""
    check((directory / KEY).read_bytes(), certificate)
    files.replace(directory / CERTIFICATE, certificate.encode(), 0o600)


def check(key_pem: bytes, certificate_pem: str) -> None:
    """RackError unless the certificate is for this key."""
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem.encode())
    except ValueError as reason:
        raise RackError("the region's certificate for this rack is not PEM; update the region") from reason
    key = serialization.load_pem_private_key(key_pem, password=None)
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise RackError("the region's certificate is for another key; enrol again with --force")


def ca_fingerprint(pem: bytes) -> str:
    """SHA-256 of the CA certificate in DER form, lower-case hex."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as reason:
        raise RackError("what the region sent as its CA is not a PEM certificate; is this URL a region's?") from reason
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest()


def due_in_s(identity: Identity, now: datetime) -> float:
    """Seconds until the certificate should be renewed; not negative."""
    return max(timedelta(0), identity.renew_at() - now).total_seconds()


def _utc(certificate: x509.Certificate, name: str) -> datetime:
    aware = getattr(certificate, f"{name}_utc", None)  # since cryptography 42; the naive one is deprecated there
    if isinstance(aware, datetime):
        return aware
    naive: datetime = getattr(certificate, name)
    return naive.replace(tzinfo=UTC)
