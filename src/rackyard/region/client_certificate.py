# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of a rack, as the region's nginx hands it on.

nginx ends TLS: it has checked that the site's CA signed the certificate and that it is in date, and that the caller
holds the key. It puts the certificate into a header (`$ssl_client_escaped_cert`), drops what a caller sends under that
name, and is the only one that reaches the sockets of the processes that read it."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Mapping
from urllib.parse import unquote

HEADER = "X-Rackyard-Certificate"
ENVIRON_KEY = "HTTP_X_RACKYARD_CERTIFICATE"


def pem_of(environ: Mapping[str, object]) -> str:
    """The caller's certificate (PEM), empty when it presented none."""
    return unquote(str(environ.get(ENVIRON_KEY, "")))


def sha256_of(environ: Mapping[str, object]) -> str | None:
    """SHA-256 (hex) of the caller's certificate in DER form, None when it presented none."""
    try:
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem_of(environ))).hexdigest()
    except ValueError:
        return None
