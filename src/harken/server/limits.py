# SPDX-License-Identifier: Apache-2.0
"""How much one caller may ask at once: requests per minute, and requests in progress.

Counted in this process, in memory. Knows no HTTP.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harken.errors import TooManyRequests


class RateLimiter:
    """A token bucket per caller: a minute's worth may come at once, then they refill evenly."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._rate = per_minute / 60
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, caller: str) -> None:
        """Count one request. Raises TooManyRequests with the seconds until there is room again."""
        now = self._clock()
        tokens, then = self._buckets.get(caller, (self._capacity, now))
        tokens = min(self._capacity, tokens + (now - then) * self._rate)
        if tokens < 1:
            self._buckets[caller] = (tokens, now)
            error = TooManyRequests(f"more than {self._capacity:.0f} requests a minute; slow down")
            error.retry_after = (1 - tokens) / self._rate
            raise error
        self._buckets[caller] = (tokens - 1, now)


class ConcurrencyLimiter:
    """Uploads, waiting requests and streams of one caller that are in progress."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._running: Counter[str] = Counter()

    @contextmanager
    def slot(self, caller: str) -> Iterator[None]:
        """Hold a place for the length of the context. Raises TooManyRequests."""
        if self._running[caller] >= self._at_once:
            raise TooManyRequests(
                f"{self._at_once} requests of yours are in progress, as many as may be; "
                "wait for one to end, or send long recordings as jobs"
            )
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]
