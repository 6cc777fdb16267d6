# SPDX-License-Identifier: Apache-2.0
"""Which sentences of a recording to show when there is no room for all: the most telling of each stretch of time.

They are highlights and not a summary: what was said in between is lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from harken.text import words
from harken.text.spoken import Passage

_TYPICAL = 14
"""Words of a sentence that says something and can be read at a glance."""


def score(passage: Passage, weights: dict[str, float]) -> float:
    """How much a sentence tells of what the recording is about, whatever its length."""
    telling = sum(math.sqrt(weights.get(term, 0.0)) for term in sorted(set(words.terms(passage.text))))
    length = words.count(passage.text)
    return telling / math.sqrt(max(length, _TYPICAL)) * min(1.0, length / 5)


def choose(
    passages: Sequence[Passage], weights: dict[str, float], limit: int, shown: Callable[[Passage], str]
) -> list[Passage]:
    """Sentences in their order that take at most ``limit`` words together as they are ``shown``.

    The recording is cut into as many stretches as there is room for sentences, and each gives its best one.
    """
    if not passages:
        return []
    costs = [words.count(shown(passage)) for passage in passages]
    scores = [score(passage, weights) for passage in passages]
    telling = [place for place, cost in enumerate(costs) if cost <= limit and (scores[place] > 0 or not any(scores))]
    middles = _middles([words.count(passage.text) for passage in passages])
    many = min(len(telling), 2 * round(limit * len(costs) / sum(costs)) + 1)
    for stretches in range(many, 0, -1):
        best: dict[int, int] = {}
        for place in telling:
            stretch = int(middles[place] * stretches)
            if stretch not in best or scores[place] > scores[best[stretch]]:
                best[stretch] = place
        if sum(costs[place] for place in best.values()) <= limit:
            return [passages[place] for place in sorted(best.values())]
    return []


def _middles(lengths: Sequence[int]) -> list[float]:
    """Where the middle of each sentence is, as a share of all their words."""
    total, said = sum(lengths), 0
    found: list[float] = []
    for length in lengths:
        found.append((said + length / 2) / max(1, total))
        said += length
    return found
