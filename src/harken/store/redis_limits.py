# SPDX-License-Identifier: Apache-2.0
"""Requests in a time, counted in Redis: for servers of so many requests that the database should be spared them."""

from __future__ import annotations

import time

from limits import RateLimitItemPerSecond
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from harken.errors import StoreUnavailable, TooManyRequests


class RedisRateLimits:
    """The :class:`~harken.ports.RateLimits` of one Redis, by a sliding window. Thread-safe.

    Args:
        url: ``redis://host:port/database``, or ``rediss://``.
    """

    def __init__(self, url: str) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(
            storage_from_string(url, wrap_exceptions=True, key_prefix="harken")
        )

    def take(self, subject: str, limit: int, per: float = 60.0) -> None:
        """See :class:`~harken.ports.RateLimits`; ``per`` is whole seconds."""
        item = RateLimitItemPerSecond(limit, round(per))
        try:
            if self._limiter.hit(item, subject):
                return
            free_at = self._limiter.get_window_stats(item, subject).reset_time
        except StorageError as away:
            raise StoreUnavailable("Redis, which counts requests, does not answer; try again in a moment") from away
        error = TooManyRequests(f"more than {limit} requests in {per:g} seconds; slow down")
        error.retry_after = max(0.0, free_at - time.time())
        raise error
