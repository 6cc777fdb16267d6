# SPDX-License-Identifier: Apache-2.0
"""Whose turn it is among callers who share the recognisers: the one who has had least of their time.

Start-time fair queueing (Goyal, Vin and Cheng, 1996). Turns in leading batches would not be fair: who has many windows
rides along in the batches that others lead, and others seldom in theirs. Who comes, or comes back, begins where the
others are, and neither makes up for having been away nor pays for it. Knows no windows and no clock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

_BATCH = 0.25
"""What a batch costs beyond its windows, in windows: eight together are a sixth cheaper than one by one."""
_APART = 16.0
"""Windows by which callers count as ahead of the clock or behind it, at most. Riding along costs others little, and
nobody shall wait for hours because of it; nor because somebody's windows could not be taken for a while."""


class Turns:
    """What each caller has had, by a clock that goes on with what the one had whose turn it is."""

    def __init__(self) -> None:
        self._had: dict[str, float] = {}
        self._now = 0.0

    def comes(self, caller: str, waiting: Collection[str]) -> None:
        """A caller has something to wait for again, beside those who ``waiting`` are."""
        self._had = {one: had for one, had in self._had.items() if had > self._now or one in waiting}
        self._had[caller] = max(self._had.get(caller, 0.0), self._now)

    def taken(self, callers: Sequence[str]) -> None:
        """A batch is taken of a window of each of ``callers``; it was the first one's turn."""
        cost = _BATCH + len(callers)
        self._now = max(self._now, self._had[callers[0]])
        for caller in callers:
            had = max(self._had[caller], self._now - _APART) + cost / len(callers)
            self._had[caller] = min(had, self._now + max(_APART, cost))

    def in_order(self, callers: Collection[str]) -> list[str]:
        """Whose turn is first; of those who have had as much, who stands first in ``callers``."""
        return sorted(callers, key=lambda caller: self._had[caller])
