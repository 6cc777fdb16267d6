# SPDX-License-Identifier: Apache-2.0
"""Sentences of any language, and texts cut where one ends.

Knows punctuation and a few abbreviations; no grammar.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator

from harken.text import words

# Marks that end a sentence wherever they stand, and those that do only before a blank. Closing quotes go with them.
_END = re.compile(
    r"(?:[\u3002\uff01\uff1f\uff0e\u0964\u0965\u061f\u06d4\u1362\u17d4\u104b]+[\"'\u201d\u2019\u300d\u300f)\]]*"
    r"|[.!?\u2026]+[\"'\u201d\u2019\u00bb)\]]*(?=\s|$))"
)
# After these a full stop ends nothing: titles and the like, initials, and a number that begins a line.
_ABBREVIATION = re.compile(
    r"(?:\b(?:mr|mrs|ms|dr|prof|st|vs|e\.g|i\.e|z\.b|bzw|ca|approx|sra|mme|mlle)|\b[^\W\d_]|^\s*\d{1,3})\.$",
    re.IGNORECASE,
)


_NEXT = re.compile(r"\S")
_TAIL = 16
"""Characters that an abbreviation is looked for in: more than any has."""


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence begins and ends; blanks between them belong to none."""
    start = 0
    for end in _END.finditer(text):
        if end.group() == "." and (after := _NEXT.search(text, end.end())) is not None:
            tail = text[max(start, end.end() - _TAIL) : end.end()]
            if after.group().islower() or _ABBREVIATION.search(tail):
                continue
        yield from _trimmed(text, start, end.end())
        start = end.end()
    yield from _trimmed(text, start, len(text))


def split(text: str) -> list[str]:
    """The sentences, without the blanks around them."""
    return [text[start:end] for start, end in spans(text)]


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if piece.strip():
        yield start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def cut(text: str, limit: int) -> str:
    """As many whole lines and sentences from the beginning as have at most ``limit`` words together.

    Where not even the first sentence fits, its first words with an ellipsis; never more than ``limit`` words.
    """
    if words.count(text) <= limit:
        return text
    ends = list(_ends(text))
    fitting = bisect.bisect_right(ends, limit, key=lambda end: words.count(text[:end]))
    return text[: ends[fitting - 1]] if fitting else _first_words(text, limit)


def _ends(text: str) -> Iterator[int]:
    offset = 0
    for line in text.splitlines(keepends=True):
        for _, end in spans(line):
            yield offset + end
        offset += len(line)


def _first_words(text: str, limit: int) -> str:
    low = (
        bisect.bisect_right(range(len(text) + 1), limit, key=lambda end: words.count(text[:end].rstrip() + "\u2026"))
        - 1
    )
    found = text[:low]
    blank = max(found.rfind(" "), found.rfind("\n"))
    if low < len(text) and not text[low].isspace() and blank > 0 and not words.unspaced(found):
        found = found[:blank]
    return found.strip().rstrip(",;:-") + "\u2026"
