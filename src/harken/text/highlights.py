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
    lengths = [words.count(passage.text) for passage in passages]
    stretches = max(1, min(len(passages), round(limit * len(costs) / sum(costs))))
    best: dict[int, int] = {}
    said = 0
    for place, length in enumerate(lengths):
        stretch = min(stretches - 1, said * stretches // sum(lengths))
        said += length
        telling = scores[place] > 0 or not any(scores)
        if telling and costs[place] <= limit and (stretch not in best or scores[place] > scores[best[stretch]]):
            best[stretch] = place
    chosen: list[int] = []
    for place in sorted(best.values(), key=lambda place: (-scores[place], place)):
        if costs[place] <= limit:
            chosen.append(place)
            limit -= costs[place]
    return [passages[place] for place in sorted(chosen)]
