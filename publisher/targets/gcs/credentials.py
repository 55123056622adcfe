"""Who is asking: Google's application default credentials, found when first needed and renewed before they end.

They are a service account's key file, Workload Identity, what `gcloud auth application-default login` left behind, or
the machine's own account. https://cloud.google.com/docs/authentication/application-default-credentials
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from publisher.targets.wire import Trouble, Why

if TYPE_CHECKING:
    from google.auth.credentials import Credentials as GoogleCredentials

SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
_CLOCK = re.compile(r"\b(iat|exp)\b|short-lived|timeframe|not yet valid|in the future|clock", re.IGNORECASE)
_NOBODY: Mapping[str, str] = {}


class Credentials:
    """The headers that say who is asking. Many threads ask, one renews."""

    def __init__(self, *, anonymous: bool) -> None:
        """Look for credentials when they are first needed, unless nobody needs any."""
        self.missing = "requests to an emulator are anonymous" if anonymous else ""
        self._lock = threading.Lock()
        self._found: GoogleCredentials | None = None
        self._headers: Mapping[str, str] | None = _NOBODY if anonymous else None

    def headers(self) -> Mapping[str, str]:
        """Return the headers, from a renewed token where the last one has ended or was rejected."""
        headers, found = self._headers, self._found
        if headers is not None and (found is None or found.valid):
            return headers
        with self._lock:
            if self._headers is None or (self._found is not None and not self._found.valid):
                self._headers = self._renewed()
            return self._headers

    def reject(self, headers: Mapping[str, str]) -> None:
        """Renew the token before the next request, unless another thread has done so since."""
        with self._lock:
            if self._headers is headers and self._found is not None:
                self._headers = None

    def _renewed(self) -> Mapping[str, str]:
        from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, TransportError  # noqa: PLC0415
        from google.auth.transport.requests import Request  # noqa: PLC0415 - knows proxies; 0.1 s to import

        try:
            if self._found is None:
                self._found = _default()
            self._found.refresh(Request())
        except DefaultCredentialsError as error:
            self.missing = f"no Google credentials were found, so the request was anonymous: {_line(error)}"
            return _NOBODY
        except TransportError as error:
            raise Trouble(Why.LOST, f"no access token: {_line(error)}") from error
        except GoogleAuthError as error:
            raise _refusal(error) from error
        headers: dict[str, str] = {}
        self._found.apply(headers)
        return headers


def _default() -> GoogleCredentials:
    import google.auth  # noqa: PLC0415 - 34 ms, and only where there is a bucket

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # quotas are no concern of storage
        found, _ = google.auth.default(scopes=SCOPES)
    return found


def _refusal(error: Exception) -> Trouble:
    """Say why there is no token: https://developers.google.com/identity/protocols/oauth2/service-account."""
    text = _line(error)
    if _CLOCK.search(text):
        return Trouble(Why.SKEW, f"this machine's clock seems to be off: {text}")
    if getattr(error, "retryable", False):
        return Trouble(Why.BUSY, f"no access token: {text}")
    expired = "invalid_grant" in text or "reauth" in text.lower()
    return Trouble(Why.EXPIRED if expired else Why.REFUSED, f"no access token: {text}")


def _line(error: Exception) -> str:
    return " ".join(str(error.args[0] if error.args else error).split())[:400]
