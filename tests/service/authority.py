# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys, requests and certificates as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from rackyard.daemons.http import REGION_NAME
from rackyard.region.config import Config

NAMES = [x509.DNSName("localhost"), x509.DNSName(REGION_NAME)]


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)


def csr_pem(key: ec.EllipticCurvePrivateKey, name: str = "whatever") -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


class Authority:
    """A certificate authority that signs what a test asks for."""

    def __init__(self, name: str = "Rackyard test CA") -> None:
        self.key = new_key()
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = self._build(self.name, self.key, is_ca=True)

    def server(self) -> tuple[bytes, bytes]:
        """Certificate and key of a region at 127.0.0.1."""
        key = new_key()
        return self._pem(self._build(_subject("region1"), key, is_ca=False)), key_pem(key)

    def client(self, name: str) -> tuple[bytes, bytes]:
        """Certificate and key of anybody."""
        key = new_key()
        return self._pem(self._build(_subject(name), key, is_ca=False)), key_pem(key)

    def install(self, config: Config) -> None:
        """The region's CA and server certificate, in the files that the configuration names."""
        certificate, key = self.server()
        config.ca_cert.write_bytes(self.pem)
        config.ca_key.write_bytes(key_pem(self.key))
        config.tls_cert.write_bytes(certificate)
        config.tls_key.write_bytes(key)

    @property
    def pem(self) -> bytes:
        return self._pem(self.certificate)

    def _build(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, is_ca: bool) -> x509.Certificate:
        now = datetime.now(UTC).replace(tzinfo=None)
        usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName(NAMES),
                critical=False,
            )
        )
        if not is_ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    @staticmethod
    def _pem(certificate: x509.Certificate) -> bytes:
        return certificate.public_bytes(serialization.Encoding.PEM)


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
