"""Keeps visitors within bounds: how much they may ask, and that a form is answered by who was shown it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from itsdangerous import BadSignature, URLSafeTimedSerializer

FORM_AGE_S = 6 * 3600
"""A form that was opened longer ago is shown again."""
KEPT_VISITORS = 50_000


@dataclass(slots=True)
class RateLimit:
    """A token bucket a visitor: *count* at once, filled up again over *seconds*."""

    count: int
    seconds: float
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, visitor: str, now: float | None = None) -> float:
        """Take one; return 0, or the seconds after which there is one again.

        Args:
            visitor: Address or sender.
            now: Monotonic seconds; None: this moment.
        """
        now = time.monotonic() if now is None else now
        rate = self.count / self.seconds
        with self._lock:
            left, since = self._buckets.pop(visitor, (float(self.count), now))
            left = min(float(self.count), left + (now - since) * rate)
            wait = 0.0 if left >= 1 else (1 - left) / rate
            self._buckets[visitor] = (left - 1 if wait == 0 else left, now)
            while len(self._buckets) > KEPT_VISITORS:
                self._buckets.popitem(last=False)
        return wait


class Forms:
    """Signs forms for a browser, and takes each answer once.

    Args:
        key: Signs; None: drawn for this process.
    """

    def __init__(self, key: str | None) -> None:
        self._serializer = URLSafeTimedSerializer(key or secrets.token_hex(32), salt="palmares-form")
        self._used: OrderedDict[str, float] = OrderedDict()
        self._lock = threading.Lock()

    def token(self, browser: str) -> str:
        """Return a token for a form that is shown to *browser* (the value of its cookie)."""
        return self._serializer.dumps([browser, secrets.token_hex(8)])

    def accept(self, token: str, browser: str) -> bool:
        """Tell whether *token* was made for *browser* not long ago and was not used before."""
        try:
            whom, nonce = self._serializer.loads(token, max_age=FORM_AGE_S)
        except (BadSignature, ValueError, TypeError):
            return False
        if not browser or not hmac.compare_digest(str(whom), browser):
            return False
        now = time.monotonic()
        with self._lock:
            while self._used and next(iter(self._used.values())) < now - FORM_AGE_S:
                self._used.popitem(last=False)
            if nonce in self._used:
                return False
            self._used[nonce] = now
        return True


def digest_of(token: str) -> str:
    """SHA-256 of a sender's token, as the operator's list holds it; 64 hex digits."""
    return hashlib.sha256(token.encode()).hexdigest()
