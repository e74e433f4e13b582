# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rack says of a region's answer that is none: one line, which stands in tables."""

from __future__ import annotations

import pytest

from rackyard.rack.errors import RegionAway, RegionBusy, RegionFailed, RegionRefused
from rackyard.rack.transport import Response, checked

PAGE = b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<hr>nginx\r\n</body>\r\n</html>\r\n"


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (502, PAGE, RegionAway, "HTTP 502: Bad Gateway"),
        (502, b"", RegionAway, "HTTP 502: Bad Gateway"),
        (500, b"first line\n  second line\n", RegionFailed, "HTTP 500: first line second line"),
        (429, b'{"error": "come back later"}', RegionBusy, "HTTP 429: come back later"),
        (403, b'{\n "error": "this rack was revoked"\n}', RegionRefused, "this rack was revoked"),
    ],
)
def test_answer_that_is_none_is_told_in_one_line(status: int, body: bytes, error: type[Exception], said: str) -> None:
    with pytest.raises(error) as raised:
        checked(Response(status, {}, body))
    assert str(raised.value) == said
