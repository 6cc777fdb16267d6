# SPDX-License-Identifier: Apache-2.0
"""How long a child may still take for what it was asked.

Its time is what it had, not what the clock says: a child that others keep from its core is slow, not hung, and to kill
it would have the same work begin again on the same busy machine. Knows threads that wait for a core, and nothing of
what is asked.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

BETWEEN = 1.0
"""Seconds between two looks at how long a child's threads have waited."""

SLOWEST = 10.0
"""By how many times a child may be slowed down by others until it counts as hung."""

_PROC = Path("/proc")


def held_up(pid: int) -> dict[int, float]:
    """Seconds that each thread of a process has been ready to run and had no core; none where the system does not tell.

    Source: the second field of Linux's /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst).
    """
    found = {}
    with contextlib.suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            # A thread may end meanwhile, and a system may not count.
            with contextlib.suppress(OSError, IndexError, ValueError):
                found[int(thread.name)] = int((thread / "schedstat").read_text("ascii").split()[1]) / 1e9
    return found


class Deadline:
    """Seconds that are left to a child, which go by while it works and while it does nothing.

    While a thread of it waits for a core they do not, though they go by at a :data:`SLOWEST`-th of the clock's speed at
    least. Not thread-safe.
    """

    def __init__(self, seconds: float, now: float, delays: Mapping[int, float]) -> None:
        """``delays`` is how long it has been :func:`held_up` before."""
        self._left = seconds
        self._now = now
        self._delays = delays

    def spare(self, seconds: float) -> None:
        """Have it take so much longer."""
        self._left += seconds

    def due(self, now: float) -> bool:
        """Whether it is time to see how long it was held up, and to call :meth:`late`."""
        return now - self._now >= min(BETWEEN, self._left)

    def late(self, now: float, delays: Mapping[int, float]) -> bool:
        """Whether nothing is left; ``delays`` is how long it has been :func:`held_up` until ``now``."""
        # Whoever looks comes late as well when all of the machine was paused.
        passed = min(now - self._now, 2 * BETWEEN)
        waited = max((delay - self._delays.get(thread, 0.0) for thread, delay in delays.items()), default=0.0)
        self._left -= max(passed - waited, passed / SLOWEST)
        self._now, self._delays = now, delays
        return self._left <= 0
