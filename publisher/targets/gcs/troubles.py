"""What an answer that is none means. The codes: https://cloud.google.com/storage/docs/json_api/v1/status-codes."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import InvalidHeader
from urllib3.util import Retry

from publisher.targets.wire import Trouble, Why

UNAUTHORIZED = 401
MISSING = 404
UNSATISFIABLE = 416
_KINDS = {
    400: Why.WRONG,
    403: Why.REFUSED,
    404: Why.GONE,
    408: Why.BUSY,
    409: Why.BUSY,  # two writers of one object at once
    410: Why.GONE,
    412: Why.CONDITION,
    429: Why.BUSY,
    499: Why.GONE,  # an upload session that was cancelled
    500: Why.BUSY,
    502: Why.BUSY,
    503: Why.BUSY,
    504: Why.BUSY,
}
_TOO_FAST = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
_CHECKSUM = re.compile(r"crc32c|md5|checksum|x-goog-hash", re.IGNORECASE)
_LONGEST = 400  # characters of what a server says that people are shown


class Said(NamedTuple):
    """The sentence and the reason of an error, as the service gives them."""

    message: str
    reason: str


def said(answer: BaseHTTPResponse) -> Said:
    """Read an error's body: JSON from the interface itself, text or a page from what stands before it."""
    try:
        error = json.loads(answer.data)["error"]
        message, reason = str(error["message"]), str(error.get("errors", [{}])[0].get("reason", ""))
    except (ValueError, KeyError, TypeError, IndexError):
        text = re.sub(r"<[^>]*>", " ", answer.data[: 4 * _LONGEST].decode(errors="replace"))
        message, reason = text, ""
    message = " ".join(message.split())[:_LONGEST]
    return Said(message or f"the answer is {answer.status} {answer.reason or ''}".rstrip(), reason)


def of_answer(answer: BaseHTTPResponse, missing: str) -> Trouble:
    """Say what an answer means; `missing` tells why there are no credentials, and is "" where there are."""
    message, reason = said(answer)
    why = _KINDS.get(answer.status, Why.WRONG)
    if answer.status == UNAUTHORIZED:
        why = Why.REFUSED if missing else Why.EXPIRED
    elif why is Why.REFUSED and reason in _TOO_FAST:
        why = Why.BUSY
    elif why is Why.WRONG and _CHECKSUM.search(message):
        why = Why.CORRUPT
    if why is Why.REFUSED and missing:
        message = f"{message} ({missing})"
    return Trouble(why, message, retry_after=_retry_after(answer))


def _retry_after(answer: BaseHTTPResponse) -> float | None:
    try:
        return Retry().get_retry_after(answer)
    except InvalidHeader:
        return None
