# SPDX-License-Identifier: GPL-3.0-or-later
"""Every form of body that clients send."""

from __future__ import annotations

import io
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest

from .test_api import M1


def in_base64(fields: dict) -> bytes:
    """As python-libmaas and MAAS's command line write a form."""
    message = MIMEMultipart("form-data", boundary="the-boundary")
    for name, given in fields.items():
        for value in [given] if isinstance(given, str) else given:
            part = MIMEText(value, "plain", "utf-8")
            part.add_header("Content-Disposition", "form-data", name=name)
            message.attach(part)
    return message.as_bytes().partition(b"\n\n")[2]


@pytest.mark.parametrize("form", ["json", "multipart", "base64", "words", "files"])
def test_body_may_come_in_every_form_that_clients_use(api, form) -> None:
    kwargs = {
        "json": {"json": M1},
        "multipart": {"data": M1, "content_type": "multipart/form-data"},
        "base64": {"data": in_base64(M1), "content_type": "multipart/form-data; boundary=the-boundary"},
        "words": {"data": {**M1, "mac_addresses": ", ".join(M1["mac_addresses"])}},
        "files": {"data": {"mac_addresses": (io.BytesIO(b"52:54:00:20:01:01"), "f"), "commission": "false"}},
    }[form]
    response = api.post("machines/", **kwargs)
    assert response.status_code == 200, response.text
    assert response.json["boot_interface"]["mac_address"] == "52:54:00:20:01:01"
