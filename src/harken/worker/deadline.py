# SPDX-License-Identifier: Apache-2.0
"""How long a child may still take for what it was asked.

Its time is what it had, not what the clock says: a child that others keep from its core is slow, not hung, and to kill
it would have the same work begin again on the same busy machine. Knows processor time, and nothing of what is asked.
"""

from __future__ import annotations

import os
from pathlib import Path

BETWEEN = 1.0
"""Seconds between two looks at a child's processor time, which the system counts in hundredths."""

SLOWEST = 10.0
"""By how many times a child may be slowed down by others until it counts as hung."""

_PROC = Path("/proc")
_USER_TIME, _SYSTEM_TIME = 11, 12
"""Places in /proc/PID/stat, counted from the process's state."""


def processor_seconds(pid: int) -> float | None:
    """Processor time that a process and its threads have used; None where the system does not tell.

    Source: proc_pid_stat(5).
    """
    try:
        # Its name is in parentheses and may hold any character.
        words = (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return (int(words[_USER_TIME]) + int(words[_SYSTEM_TIME])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, ValueError):
        return None


class Deadline:
    """Seconds that are left to a child, which go by while it works and while it does nothing.

    While it works at less than the speed of a core they go by as slowly, though no slower than by :data:`SLOWEST`.
    Not thread-safe.
    """

    def __init__(self, seconds: float, now: float, used: float | None) -> None:
        """``used`` is its processor time ``now``."""
        self._left = seconds
        self._now = now
        self._used = used

    def spare(self, seconds: float) -> None:
        """Have it take so much longer."""
        self._left += seconds

    def due(self, now: float) -> bool:
        """Whether it is time to look at its processor time again, and to call :meth:`late`."""
        return now - self._now >= min(BETWEEN, self._left)

    def late(self, now: float, used: float | None) -> bool:
        """Whether nothing is left, given its processor time now."""
        passed = now - self._now
        worked = used - self._used if used is not None and self._used is not None else 0.0
        self._left -= min(passed, max(worked, passed / SLOWEST)) if worked > 0 else passed
        self._now, self._used = now, used
        return self._left <= 0
