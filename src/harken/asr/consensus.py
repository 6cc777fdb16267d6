# SPDX-License-Identifier: Apache-2.0
"""Which of several hearings of the same sound to believe: the text that the others agree with most.

Where a model is in doubt, its probabilities do not tell right from wrong (they favour whichever text a shift of
hundredths of a second happened to suit), but hearings that differ by nothing a listener would notice go wrong in
different places. Pure functions over texts; knows no engine.
"""

from __future__ import annotations

from collections.abc import Sequence

from harken.asr.quality import Reading, plain_words


def agreed(readings: Sequence[Reading]) -> bool:
    """Whether two readings say the same words: no text is then fewer edits away from all than theirs."""
    said = [tuple(plain_words(reading.text)) for reading in readings]
    return len(set(said)) < len(said)


def most_agreed(readings: Sequence[Reading]) -> Reading:
    """The reading whose text is changed into the others' with the fewest edits; the better ranked of equals.

    Signs and case have no vote. The decision rule of minimum Bayes risk with each hearing as one sample: Goel and
    Byrne, *Minimum Bayes-risk automatic speech recognition* (2000).
    """
    texts = [" ".join(plain_words(reading.text)) for reading in readings]
    edits = [sum(edit_distance(text, other) for other in texts) for text in texts]
    fewest = min(edits)
    return max(
        (reading for reading, count in zip(readings, edits, strict=True) if count == fewest),
        key=lambda reading: reading.rank,
    )


def edit_distance(first: str, second: str) -> int:
    """Characters put in, left out or changed between two texts (Levenshtein)."""
    before = list(range(len(second) + 1))
    for row, left in enumerate(first, 1):
        here = [row]
        for column, right in enumerate(second, 1):
            here.append(min(before[column] + 1, here[-1] + 1, before[column - 1] + (left != right)))
        before = here
    return before[-1]
