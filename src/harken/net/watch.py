# SPDX-License-Identifier: Apache-2.0
"""What one exchange with a stranger may cost: bytes and seconds; and whether anybody still waits for it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from harken.errors import FetchTimeout, JobCancelled

_LOOK = 0.25
"""Seconds between two looks at the clock while nothing comes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes and seconds. ``idle`` is how long nothing may come, ``total`` bounds everything together.

    ``slowest`` is how many bytes a second must come at least, on the average over ``idle`` seconds: who sends less
    keeps others from their turn.

    ``max_audio`` is how long a recording may be that says so before it comes; others are probed when they are there.
    """

    max_bytes: int
    max_audio: float = math.inf
    min_free: int = 0
    connect: float = 10.0
    idle: float = 30.0
    total: float = 3600.0
    slowest: float = 0.0
    redirects: int = 10


class Watch:
    """The clock of one exchange, which may take several connections."""

    def __init__(self, limits: Limits, cancelled: Callable[[], bool] | None = None) -> None:
        self._limits = limits
        self._cancelled = cancelled
        self._until = time.monotonic() + limits.total

    def check(self) -> float:
        """Seconds that are left. Raises FetchTimeout, JobCancelled."""
        if self._cancelled is not None and self._cancelled():
            raise JobCancelled("the address was not called to the end: nobody waits for it any more")
        left = self._until - time.monotonic()
        if left <= 0:
            raise FetchTimeout(f"the address was not done within {self._limits.total:g} s")
        return left

    def connecting(self) -> float:
        """Seconds that a connection may take from now on. Raises FetchTimeout, JobCancelled."""
        return min(self._limits.connect, self.check())

    def waits(self) -> _Wait:
        """A wait for the other side, which begins now."""
        return _Wait(self, self._limits.idle)

    def pace(self) -> Pace:
        """The pace at which the other side sends, from its first byte on."""
        return Pace(self._limits)


class Pace:
    """How fast something comes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._since: float | None = None
        self._bytes = 0

    def came(self, size: int) -> None:
        """So many bytes more. Raises FetchTimeout when they come too slowly."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        self._bytes += size
        took = now - self._since
        if took < self._limits.idle:
            return
        if self._bytes < self._limits.slowest * took:
            raise FetchTimeout(
                f"the server at the address sent {self._bytes / took:.0f} bytes a second, and less than "
                f"{self._limits.slowest:g} is not waited for"
            )
        self._since, self._bytes = now, 0


class _Wait:
    """A wait for the other side to send or take something."""

    def __init__(self, watch: Watch, idle: float) -> None:
        self._watch = watch
        self._idle = idle
        self._until = time.monotonic() + idle

    def slice(self) -> float:
        """Seconds to wait before asking again. Raises FetchTimeout, JobCancelled."""
        left = self._watch.check()
        quiet = self._until - time.monotonic()
        if quiet <= 0:
            raise FetchTimeout(f"the server at the address was silent for {self._idle:g} s")
        return min(_LOOK, left, quiet)
