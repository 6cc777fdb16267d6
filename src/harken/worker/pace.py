# SPDX-License-Identifier: Apache-2.0
"""How far planning may be ahead of recognition.

Planning is many times quicker. Left to itself it plans every recording in hand far ahead, and takes the cores for it
that would recognise what is planned already; so a chapter that nobody waits for is planned when the windows that wait
would soon run out, or its caller has none among them. Thread-safe. Knows no chapter and no child; waits for nothing.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable


class Pace:
    """Windows that are on their way to those that wait to be recognised: being planned, or planned ahead.

    Args:
        enough: windows with which nothing more need be planned.
        waiting: how many wait to be recognised.
        waits: whether some of a caller's do.
    """

    def __init__(self, enough: int, waiting: Callable[[], int], waits: Callable[[str], bool]) -> None:
        self._enough = enough
        self._waiting = waiting
        self._waits = waits
        self._lock = threading.Lock()
        self._coming: Counter[str] = Counter()

    def begin(self, caller: str, windows: int) -> Coming | None:
        """Note so many windows of a caller as coming, if they may be planned now."""
        with self._lock:
            alone = not self._coming[caller] and not self._waits(caller)
            if not alone and self._waiting() + self._coming.total() >= self._enough:
                return None
            self._coming[caller] += windows
            return Coming(self._end, caller, windows)

    def _end(self, caller: str, windows: int) -> None:
        with self._lock:
            self._coming[caller] -= windows
            self._coming += Counter()


class Coming:
    """Windows that count as coming until they have come."""

    def __init__(self, end: Callable[[str, int], None], caller: str, windows: int) -> None:
        self._end = end
        self._caller = caller
        self._windows = windows

    def come(self) -> None:
        """They wait now, or will not come. To be called by one thread at a time, as often as one likes."""
        windows, self._windows = self._windows, 0
        if windows:
            self._end(self._caller, windows)
