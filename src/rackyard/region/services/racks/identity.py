# SPDX-License-Identifier: GPL-3.0-or-later
"""Rack identities: enrolment token text, certificate signing, certificate fingerprints.

Pure functions: no database, no clock of their own. Written for the API of `cryptography` 38 (Debian 12)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rackyard.region.errors import BadRequest

CERTIFICATE_LIFETIME = timedelta(days=30)
# Clocks of a region and a new rack may differ a little before chrony has run.
BACKDATE = timedelta(minutes=5)
TOKEN_PREFIX = "rye1."
RACK_URI = "rackyard:rack:"
MAX_CSR_BYTES = 16 * 1024


@dataclass(frozen=True)
class Certificate:
    """A signed certificate and what the database keeps of it."""

    pem: str
    sha256: str
    serial: str
    not_after: datetime


@dataclass(frozen=True)
class Shown:
    """What a rack's certificate says: whose it is, its serial number (hex), when it was signed and when it ends."""

    system_id: str
    serial: str
    issued_at: datetime
    not_after: datetime


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate in DER form, lower-case hex."""
    return hashlib.sha256(der).hexdigest()


def pem_fingerprint(pem: bytes) -> str:
    """SHA-256 of the first certificate in a PEM text, lower-case hex."""
    return fingerprint(x509.load_pem_x509_certificate(pem).public_bytes(serialization.Encoding.DER))


def new_secret() -> str:
    """256 random bits, urlsafe."""
    return secrets.token_urlsafe(32)


def secret_digest(secret: str) -> bytes:
    """What is stored of a random secret. A plain hash suffices: the secret has 256 bits of its own."""
    return hashlib.sha256(secret.encode()).digest()


def encode_token(urls: list[str], ca_sha256: str, secret: str) -> str:
    """The one-line enrolment token that an operator carries to a rack."""
    body = json.dumps({"urls": urls, "ca_sha256": ca_sha256, "secret": secret}, separators=(",", ":"))
    return TOKEN_PREFIX + base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def decode_token(text: str) -> dict[str, object]:
    """The content of an enrolment token. Raises BadRequest when it is not one."""
    body = text.strip().removeprefix(TOKEN_PREFIX)
    try:
        if not text.strip().startswith(TOKEN_PREFIX):
            raise ValueError("prefix")
        content = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        if not isinstance(content, dict) or not isinstance(content.get("secret"), str):
            raise TypeError("shape")
    except (ValueError, TypeError, binascii.Error):
        raise BadRequest(
            f"this is not an enrolment token (it starts with {TOKEN_PREFIX}); "
            "make one on a region with `rackyard-region enroll-token`"
        ) from None
    return content


def sign_rack(csr_pem: str, system_id: str, ca_cert_pem: bytes, ca_key_pem: bytes, now: datetime) -> Certificate:
    """Sign a rack's request: CN is its system id, SAN the URI `rackyard:rack:<system_id>`, 30 days.

    Nothing of the request but its public key is used. Raises BadRequest when the request is malformed, its own
    signature is wrong, or its key is weak."""
    request = _load_request(csr_pem)
    ca_cert = x509.load_pem_x509_certificate(ca_cert_pem)
    ca_key = serialization.load_pem_private_key(ca_key_pem, password=None)
    if not isinstance(ca_key, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        raise TypeError("the CA key must be RSA, EC or Ed25519")
    not_after = min((now + CERTIFICATE_LIFETIME).replace(microsecond=0), ends_at(ca_cert))
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, system_id)]))
        .issuer_name(ca_cert.subject)
        .public_key(request.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_naive(now - BACKDATE))
        .not_valid_after(_naive(not_after))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(f"{RACK_URI}{system_id}")]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key()), critical=False)
        # RFC 5280, 4.2.1.1; since Python 3.13 TLS refuses a certificate without it.
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
    )
    algorithm = None if isinstance(ca_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    signed = builder.sign(ca_key, algorithm)
    der = signed.public_bytes(serialization.Encoding.DER)
    return Certificate(
        pem=signed.public_bytes(serialization.Encoding.PEM).decode(),
        sha256=fingerprint(der),
        serial=f"{signed.serial_number:x}",
        not_after=not_after,
    )


def shown(pem: str) -> Shown | None:
    """What a certificate says that `sign_rack` has made; None for any other."""
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (ValueError, x509.ExtensionNotFound):
        return None
    ids = [uri.removeprefix(RACK_URI) for uri in uris if uri.startswith(RACK_URI)]
    if len(ids) != 1:
        return None
    return Shown(
        system_id=ids[0],
        serial=f"{certificate.serial_number:x}",
        issued_at=_aware(certificate, "not_valid_before") + BACKDATE,
        not_after=_aware(certificate, "not_valid_after"),
    )


def _load_request(csr_pem: str) -> x509.CertificateSigningRequest:
    if len(csr_pem) > MAX_CSR_BYTES:
        raise BadRequest("the certificate request is larger than 16 KiB; run `rackyard-rack enroll` again")
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
        valid = request.is_signature_valid
        key = request.public_key()
    except (ValueError, UnicodeError, UnsupportedAlgorithm):
        raise BadRequest("the certificate request is not PEM (PKCS #10); run `rackyard-rack enroll` again") from None
    if not valid:
        raise BadRequest("the certificate request's own signature is wrong; run `rackyard-rack enroll` again")
    strong = (
        (isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 8192)
        or (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1"))
        or isinstance(key, (ed25519.Ed25519PublicKey, ed448.Ed448PublicKey))
    )
    if not strong:
        raise BadRequest("the certificate request's key must be RSA of 2048 bits or more, P-256, P-384 or Ed25519")
    return request


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _naive(moment: datetime) -> datetime:
    # cryptography 38 takes naive UTC only.
    return moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)


def ends_at(certificate: x509.Certificate) -> datetime:
    """When a certificate ends, in UTC."""
    return _aware(certificate, "not_valid_after")


def _aware(certificate: x509.Certificate, name: str) -> datetime:
    aware = getattr(certificate, f"{name}_utc", None)  # cryptography >= 42; the other one is deprecated there
    if isinstance(aware, datetime):
        return aware
    naive: datetime = getattr(certificate, name)
    return naive.replace(tzinfo=UTC)
