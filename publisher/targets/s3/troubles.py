"""What an answer that is none means, in a sentence for people.

obstore tells of a failed request in one text; botocore takes the answer apart. Both end here. The codes:
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from html import unescape
from typing import Any, NamedTuple

from obstore.exceptions import InvalidPathError

from publisher.targets.wire import Trouble, Why

MISSING = 404
UNSATISFIABLE = 416
NO_BUCKET = "NoSuchBucket"
_MOVED = 301
_REDIRECT = "PermanentRedirect"
_LONGEST = 400  # characters of what a store says that people are shown

_BUSY = frozenset({429, 500, 502, 503, 504})
_CODES = {
    "BadDigest": Why.CORRUPT,
    "InvalidDigest": Why.CORRUPT,
    "XAmzContentSHA256Mismatch": Why.CORRUPT,
    "XAmzContentChecksumMismatch": Why.CORRUPT,
    "ExpiredToken": Why.EXPIRED,
    "ExpiredTokenException": Why.EXPIRED,  # by the security token service
    "TokenRefreshRequired": Why.EXPIRED,
    "InvalidToken": Why.EXPIRED,
    "RequestTimeTooSkewed": Why.SKEW,
    "NoSuchBucket": Why.GONE,
    "NoSuchUpload": Why.GONE,
    "NoSuchKey": Why.CONDITION,  # of a put: what was to be there, by its tag, is not
    "ConditionalRequestConflict": Why.BUSY,
    "OperationAborted": Why.BUSY,
    "SlowDown": Why.BUSY,
    "RequestTimeout": Why.LOST,  # the store waited too long for the body
    "IncompleteBody": Why.LOST,
    _REDIRECT: Why.WRONG,
    "AuthorizationHeaderMalformed": Why.WRONG,
    "InvalidBucketState": Why.WRONG,
}
_STATUSES = {301: Why.WRONG, 304: Why.CONDITION, 401: Why.REFUSED, 403: Why.REFUSED, 404: Why.GONE, 408: Why.LOST}
_STATUSES |= {409: Why.BUSY, 412: Why.CONDITION} | dict.fromkeys(_BUSY, Why.BUSY)

_LOG_IN = "the credentials have expired: log in again, such as by aws sso login"
_NO_KEYS = "no credentials were found: set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_ELSEWHERE = "the bucket lies in {}: set AWS_REGION to it"
_SENTENCES = {
    "NoSuchBucket": "there is no such bucket here",
    "NoSuchUpload": "the unfinished upload is not there any more",
    "InvalidAccessKeyId": "the store does not know this access key: is it the right AWS_PROFILE or AWS_ACCESS_KEY_ID?",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key: set AWS_SECRET_ACCESS_KEY anew",
    "NoSuchKey": "what was to be replaced is not there",
    "ConditionalRequestConflict": "somebody else writes the same object at this moment",
    "PreconditionFailed": "something else is there",
}
_OTHER_REGION = frozenset({_REDIRECT, "AuthorizationHeaderMalformed"})
_UNTRUSTED = "does not show a certificate that is trusted here: set AWS_CA_BUNDLE to the file of its authority"


class Said(NamedTuple):
    """What a store answered. `status` is 0 where it is not known; `server_time` is ISO 8601 or a date of HTTP."""

    status: int
    code: str
    message: str
    region: str = ""
    server_time: str = ""
    retry_after: float | None = None


class Answered(Trouble):
    """Trouble that the store itself told of."""

    def __init__(self, said: Said) -> None:
        """Take the answer."""
        self.status, self.code, self.region = said.status, said.code, said.region
        super().__init__(_why(said), _sentence(said), retry_after=said.retry_after)

    @property
    def is_elsewhere(self) -> bool:
        """Whether the bucket lies in another region, which was not named."""
        return self.code in _OTHER_REGION and not self.region


class OddKey(Trouble):
    """A key that obstore cannot hold: a//b, a/../b, with control characters."""


def of_obstore(error: Exception, place: str) -> Trouble:
    """Read the text of obstore's error; `place` is where it asked."""
    # Its second half is Rust's account of the same. Credentials may be asked for elsewhere, and that fail.
    text, _, account = str(error).partition("\n\nDebug source:")
    asked = re.search(r"Error performing [A-Z]+ (https?://[^/\s]+)", text)
    place = asked[1] if asked else place
    found = re.search(r"non-2xx status code: (\d{3})\b[^:]*:? ?", text)
    if found:
        body = text[found.end() :]
        told = {name: _element(body, name) for name in ("Code", "Message", "Region", "ServerTime")}
        return Answered(Said(int(found[1]), told["Code"], told["Message"], told["Region"], told["ServerTime"]))
    if "redirect without LOCATION" in text:
        return elsewhere("")
    if "credential provider: " in text:
        return _nobody(text.partition("credential provider: ")[2].partition(": ")[2])
    if isinstance(error, (ValueError, InvalidPathError)):
        return OddKey(Why.WRONG, f"no key for every program: {_short(text)}")
    if "HTTP error:" in text:
        return _unanswered(account, place)
    return Trouble(Why.WRONG, _short(text.removeprefix("Generic S3 error: ")))


def of_answer(status: int, headers: Mapping[str, str], body: str) -> Answered:
    """Read an answer as it came; names of headers are in small letters."""
    told = {name: _element(body, name) for name in ("Code", "Message", "Region", "ServerTime")}
    region = headers.get("x-amz-bucket-region") or told["Region"]
    since = told["ServerTime"] or headers.get("date", "")
    after = _seconds(headers.get("retry-after", ""))
    return Answered(Said(status, told["Code"], told["Message"], region, since, after))


def unanswered(error: Exception | None, place: str) -> Trouble:
    """Say why nobody answered; None is a connection that ended."""
    return _unanswered(f"{error} {error!r}" if error else "", place)


def of_botocore(error: Exception, place: str) -> Trouble:
    """Read botocore's error, which may be an answer, or one of many things that happen before there is one."""
    response: Mapping[str, Any] | None = getattr(error, "response", None)
    if response is not None and "Error" in response:
        told, about = response["Error"], response.get("ResponseMetadata", {})
        headers = about.get("HTTPHeaders", {})
        return Answered(
            Said(
                about.get("HTTPStatusCode", 0),
                _code(told.get("Code") or ""),
                told.get("Message") or "",
                headers.get("x-amz-bucket-region") or told.get("Region") or "",
                told.get("ServerTime") or headers.get("date", ""),
                _seconds(headers.get("retry-after", "")),
            )
        )
    name, text = type(error).__name__, str(error)
    if "NoCredentials" in name or "PartialCredentials" in name:
        return Trouble(Why.REFUSED, _NO_KEYS)
    if name == "ProfileNotFound":
        return Trouble(
            Why.WRONG, f"{_short(text).rstrip('.')}: `aws configure list-profiles` names those that are there"
        )
    if "Token" in name or "CredentialRetrieval" in name:  # of single sign-on, of a profile's own program
        return _nobody(text)
    if "Connect" in name or "Timeout" in name or name in {"SSLError", "HTTPClientError", "ResponseStreamingError"}:
        return _unanswered(f"{text} {getattr(error, 'kwargs', {}).get('error')!r}", place)
    return Trouble(Why.WRONG, _short(text))


def elsewhere(region: str) -> Trouble:
    """Say that the bucket lies in another region, and in which where that is known."""
    return Answered(Said(_MOVED, _REDIRECT, "", region))


def no_credentials() -> Trouble:
    """Say that nobody is logged in."""
    return Trouble(Why.REFUSED, _NO_KEYS)


def _why(said: Said) -> Why:
    return _CODES.get(said.code) or _STATUSES.get(said.status, Why.WRONG)


def _sentence(said: Said) -> str:
    why = _why(said)
    if why is Why.SKEW:
        return f"this machine's clock is {_minutes_off(said.server_time)} off"
    if why is Why.EXPIRED:
        return _LOG_IN
    if said.code in _OTHER_REGION:
        return _ELSEWHERE.format(f"the region {said.region}" if said.region else "another region")
    what = " ".join(filter(None, (str(said.status or ""), said.code)))
    if why is Why.CORRUPT:
        return f"the store got other bytes than were sent ({what})"
    if why is Why.BUSY and said.code not in _SENTENCES:
        return f"the store is too busy ({what})"
    told = _SENTENCES.get(said.code) or _short(said.message).rstrip(".")
    if why is Why.REFUSED and said.code not in _SENTENCES:
        return f"these credentials may not do this ({what})" + (f": {told}" if told else "")
    return f"{told} ({what})" if told else f"the store answers {what}"


def _unanswered(account: str, place: str) -> Trouble:
    """Say why nobody answered, by what the operating system or the encryption tells in passing."""
    if "InvalidCertificate" in account or "CERTIFICATE_VERIFY" in account:
        return Trouble(Why.WRONG, f"{place} {_UNTRUSTED}")
    if re.search(r"dns error|NameResolutionError", account):
        return _lost(place, "has a name that nobody knows: is AWS_ENDPOINT_URL right, and the network there?")
    if re.search(r"refused", account, re.IGNORECASE):
        return _lost(place, "refuses connections: is AWS_ENDPOINT_URL right?")
    if re.search(r"timed ?out|timeout", account, re.IGNORECASE):
        return _lost(place, "does not answer")
    never = re.search(r"kind: Connect|Could not connect", account)
    return _lost(place, "cannot be connected to" if never else "broke off the connection")


def _nobody(why: str) -> Trouble:
    return Trouble(
        Why.EXPIRED,
        f"no credentials are to be had: {_short(why).rstrip('.: ')}. Log in again, such as by aws sso login",
    )


def _lost(place: str, what: str) -> Trouble:
    return Trouble(Why.LOST, f"{place} {what}")


def _minutes_off(server_time: str) -> str:
    try:
        there = datetime.fromisoformat(server_time) if server_time[:1].isdigit() else parsedate_to_datetime(server_time)
    except (TypeError, ValueError):
        return "many minutes"
    there = there.replace(tzinfo=there.tzinfo or UTC)
    minutes = round(abs((datetime.now(UTC) - there).total_seconds()) / 60)
    return f"{minutes} minute{'s' * (minutes != 1)}"


def _seconds(retry_after: str) -> float | None:
    """Read Retry-After: seconds, or a date."""
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return None


def _element(body: str, name: str) -> str:
    found = re.search(rf"<{name}>([^<]*)</{name}>", body)
    return unescape(found[1]) if found else ""


def _code(text: str) -> str:
    """Return an error's code; of an answer without a body botocore gives the status again."""
    return "" if text.isdigit() else text


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
