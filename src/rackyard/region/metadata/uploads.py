# SPDX-License-Identifier: GPL-3.0-or-later
"""What machines upload, read within limits: everything here comes from outside."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime

from flask import Request

from rackyard.region.db.racks.identity import Rack
from rackyard.region.errors import BadRequest, TooLarge
from rackyard.region.services.boots.deliveries import Delivery
from rackyard.region.services.operations.enlistment import REPORT_LIMIT_BYTES
from rackyard.region.services.operations.signals import STREAM_LIMIT_BYTES, STREAMS, Signal

# Every stream of a script at its limit, one byte over so that the stream can be named, and the multipart framing.
SIGNAL_LIMIT_BYTES = len(STREAMS) * (STREAM_LIMIT_BYTES + 1) + 256 * 1024
WEBHOOK_LIMIT_BYTES = 256 * 1024
# What is printed comes twice, alone and in the combined output, with its framing.
ENLISTMENT_LIMIT_BYTES = 2 * REPORT_LIMIT_BYTES + 16 * 1024
MAX_PARTS = 24
MAX_TOGETHER = 100
# Runs of one script, one for each device.
MAX_INSTANCES = 256
# What a rack says of a post. A machine behind a rack of the release before can say it too, of its own posts only.
KEY_HEADER, TAKEN_HEADER = "X-Rackyard-Post-Key", "X-Rackyard-Post-Taken"
_KEY = re.compile(r"[0-9a-f]{32}", re.ASCII)
_INTEGER = re.compile(r"-?[0-9]{1,10}", re.ASCII)


@dataclass(frozen=True)
class WebhookReport:
    """One report of cloud-init's webhook handler."""

    event_type: str
    name: str
    result: str


def signal(request: Request, limit_bytes: int = SIGNAL_LIMIT_BYTES) -> Signal:
    """An `op=signal` call. Raises TooLarge or BadRequest, in words."""
    _check_length(request, limit_bytes)
    form, files = request.form, request.files
    if form.get("op", request.args.get("op")) != "signal":
        raise BadRequest("only op=signal is known here")
    if len(form) + len(files) > MAX_PARTS:
        raise BadRequest(f"the report has more than {MAX_PARTS} parts")
    return Signal(
        status=form.get("status", ""),
        error=form.get("error", ""),
        script_result_ids=_ids(form.get("script_result_id", "")),
        exit_status=_integer(form.get("exit_status"), "exit_status"),
        runtime_s=_seconds(form.get("runtime")),
        instances=_parameters(form.get("instances", "")),
        instance=_instance(form.get("instance")),
        files={name: part.read(STREAM_LIMIT_BYTES + 1) for name, part in files.items()},
    )


def webhook(request: Request) -> WebhookReport:
    """A webhook report. Raises TooLarge or BadRequest, in words."""
    _check_length(request, WEBHOOK_LIMIT_BYTES)
    try:
        body = json.loads(request.get_data(cache=False).decode())
    except (ValueError, RecursionError):
        raise BadRequest("the report is not JSON in UTF-8, or is nested too deeply") from None
    if not isinstance(body, dict):
        raise BadRequest("the report must be a JSON object")
    return WebhookReport(str(body.get("event_type")), str(body.get("name")), str(body.get("result", "")))


def delivery(request: Request, rack: Rack) -> Delivery:
    """How the post came. What is malformed counts as not said."""
    key = request.headers.get(KEY_HEADER, "")
    try:
        taken_at: datetime | None = datetime.fromisoformat(request.headers.get(TAKEN_HEADER, ""))
    except ValueError:
        taken_at = None
    if taken_at is not None and taken_at.tzinfo is None:
        taken_at = None
    return Delivery(rack, key if _KEY.fullmatch(key) else "", taken_at)


def _check_length(request: Request, limit_bytes: int) -> None:
    if request.content_length is None:
        raise BadRequest("the request needs a Content-Length")
    if request.content_length > limit_bytes:
        raise TooLarge(f"{request.content_length} bytes, the limit is {limit_bytes}")


def _integer(text: str | None, name: str) -> int | None:
    if text is None or text == "":
        return None
    if not _INTEGER.fullmatch(text) or abs(int(text)) > 2**31 - 1:
        raise BadRequest(f"{name} must be a whole number")
    return int(text)


def _ids(text: str) -> tuple[int, ...]:
    """Numbers of script results, between commas: those that begin together are told of together."""
    numbers = tuple(_integer(word, "script_result_id") for word in text.split(",")) if text else ()
    if len(numbers) > MAX_TOGETHER:
        raise BadRequest(f"script_result_id names more than {MAX_TOGETHER} script results")
    return tuple(number for number in numbers if number is not None)


def _instance(text: str | None) -> int:
    number = _integer(text, "instance") or 0
    if not 0 <= number < MAX_INSTANCES:
        raise BadRequest(f"instance must be 0 to {MAX_INSTANCES - 1}")
    return number


def _parameters(text: str) -> tuple[dict[str, str], ...]:
    """What each run of a script is given: a JSON list of objects with texts."""
    if not text:
        return ()
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise BadRequest("instances is not JSON, or is nested too deeply") from None
    if not isinstance(found, list) or not 1 <= len(found) <= MAX_INSTANCES:
        raise BadRequest(f"instances must be a list of 1 to {MAX_INSTANCES} objects")
    for given in found:
        if not isinstance(given, dict) or not all(_is_word(word) for word in [*given, *given.values()]):
            raise BadRequest("instances must be objects with texts of at most 256 characters that can be printed")
    return tuple(found)


def _is_word(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 256 and value.isprintable()


def _seconds(text: str | None) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise BadRequest("runtime must be seconds") from None
    return value if math.isfinite(value) and 0 <= value < 1e9 else None
