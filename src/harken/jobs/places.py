# SPDX-License-Identifier: Apache-2.0
"""How many jobs of a lane one worker has in hand, so that every owner and every machine gets its share.

A lane has a number of places in a worker. Somebody's fifty files would take them all and keep everybody else out for
hours, however fairly their windows were shared out; so there are a few places more for those who wait and have nothing
in hand. Some of these are for those who have nothing in hand here: it is within a worker that windows are shared out.
What only waits for the network takes no place at all. And a worker that has enough to do leaves what comes to others
for a moment: else the quickest to ask would have all there is, and machines beside it nothing. Knows no queue.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from harken.jobs.hands import Hands
from harken.model import Lane
from harken.ports import Executor, Store

log = logging.getLogger(__name__)

GUESTS = 4
"""Places of a lane beyond its own, for the first jobs of those who wait and have nothing in hand."""
NEIGHBOURS = 2
"""How many of them those may have who have something in hand elsewhere. Who gets one is said by the queue's order: who
had fewer jobs when the next one was entered."""
FETCHES = 8
"""Jobs that take no place of their lane, because their recordings are still being fetched."""
LEFT = 0.5
"""Seconds for which a worker that has enough to do leaves what comes to others."""


class Places:
    """The places of one worker.

    Args:
        store: who waits, and for how long.
        hands: what this worker has in hand, and whether it rests.
        executor: this worker, and what it serves.
        limits: jobs of each lane that it does at a time; of those lanes alone it takes any.
        enough: jobs of a lane with which it has enough to do; it leaves others to those that have not, at first, and
            takes so many of them at a time then.
        others: who else is alive.
        fetching: how many of the jobs in hand only wait for their recordings to be fetched; they are of the batch lane.
    """

    def __init__(
        self,
        store: Store,
        hands: Hands,
        executor: Executor,
        limits: Mapping[Lane, int],
        enough: int,
        others: Callable[[], Sequence[Executor]],
        fetching: Callable[[], int],
    ) -> None:
        self.limits = dict(limits)
        self.models = executor.models
        self.suits = executor.serves
        self._store = store
        self._hands = hands
        self._enough = enough
        self._others = others
        self._fetching = fetching

    def now(self, lane: Lane, running: int) -> int:
        """How many jobs of a lane may be in hand now, where ``running`` are."""
        if lane is not Lane.TEXT and self._hands.resting:
            return 0
        fetching = min(self._fetching(), FETCHES) if lane is Lane.BATCH else 0
        limit = self.limits[lane] + fetching
        alone = not any(other.serves(lane, None) for other in self._others())
        enough = limit if alone else min(self._enough + fetching, limit)
        try:
            if running < enough:
                return enough
            if running < limit:
                left = self._suiting(lane, self._store.passed_by(lane, LEFT))
                return min(running + min(left, self._enough), limit)
            held = self._hands.running()
            guests = self._suiting(lane, self._store.newcomers(lane, held))
            if guests or alone:
                return max(limit, min(running + guests, limit + GUESTS))
            neighbours = self._suiting(lane, self._store.newcomers(lane, held, here=True))
            return max(limit, min(running + neighbours, limit + NEIGHBOURS))
        except Exception as error:  # noqa: BLE001  the next look at the queue meets it too, and knows how to wait
            log.debug("cannot tell who waits: %s", error)
            return enough

    def _suiting(self, lane: Lane, found: Mapping[str | None, int]) -> int:
        return sum(found[model] for model in found if self.suits(lane, model))
