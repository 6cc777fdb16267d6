# SPDX-License-Identifier: Apache-2.0
"""Detected speech that got no text: where to listen once more. Pure functions over times in seconds."""

from __future__ import annotations

from collections.abc import Sequence

Span = tuple[float, float]

NEAR = 0.3
"""Seconds around a piece of text that count as covered: neither speech detection nor timestamps are finer."""

WORTH = 1.0
"""Seconds of speech without text, after the last text, that are worth another pass."""

WORTH_BETWEEN = 2.0
"""The same between two texts, where a timestamp is more often wrong than a sentence lost."""


def uncovered(speech: Sequence[Span], texts: Sequence[Span], *, goes_on: bool = False) -> list[Span]:
    """Stretches of speech without text that are worth another pass, in order.

    ``goes_on`` says that the recogniser itself stopped where speech goes on: then any tail is.
    """
    stretches: list[Span] = []
    last = max((end for _, end in texts), default=0.0)
    edges = sorted((start - NEAR, end + NEAR) for start, end in texts)
    for start, end in speech:
        position = start
        for low, high in edges:
            if high <= position or low >= end:
                continue
            stretches.append((position, low))
            position = high
        stretches.append((position, end))
    joined: list[Span] = []
    held: list[float] = []
    for start, end in stretches:
        if end <= start:
            continue
        if joined and not any(low < start and high > joined[-1][1] for low, high in edges):
            joined[-1] = (joined[-1][0], end)
            held[-1] += end - start
        else:
            joined.append((start, end))
            held.append(end - start)
    return [
        (start, end)
        for (start, end), seconds in zip(joined, held, strict=True)
        if seconds >= (WORTH_BETWEEN if start < last else 0.0 if goes_on else WORTH)
    ]
