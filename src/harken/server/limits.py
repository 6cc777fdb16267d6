# SPDX-License-Identifier: Apache-2.0
"""How much one caller may ask at once, counted in this process alone.

For what no other process has to know: the one caller of a server without keys, and open web sockets, of which the
memory of a process is what is short. What is shared is counted by adapters of the same ports. Knows no HTTP.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harken.errors import TooManyRequests


class LocalRates:
    """The :class:`~harken.ports.RateLimits` of one process: a token bucket for each, which refills evenly."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, subject: str, limit: int, per: float = 60.0) -> None:
        """See :class:`~harken.ports.RateLimits`."""
        now = self._clock()
        tokens, then = self._buckets.get(subject, (float(limit), now))
        tokens = min(float(limit), tokens + (now - then) * limit / per)
        if tokens < 1:
            self._buckets[subject] = (tokens, now)
            error = TooManyRequests(f"more than {limit} requests in {per:g} seconds; slow down")
            error.retry_after = (1 - tokens) * per / limit
            raise error
        self._buckets[subject] = (tokens - 1, now)


class LocalSlots:
    """The :class:`~harken.ports.Slots` of one process."""

    def __init__(self) -> None:
        self._held: Counter[str] = Counter()

    @contextmanager
    def hold(self, subject: str, limit: int) -> Iterator[None]:
        """See :class:`~harken.ports.Slots`."""
        if self._held[subject] >= limit:
            raise TooManyRequests(
                f"{limit} requests of yours are in progress, as many as may be; "
                "wait for one to end, or send long recordings as jobs"
            )
        self._held[subject] += 1
        try:
            yield
        finally:
            self._held[subject] -= 1
            if not self._held[subject]:
                del self._held[subject]
