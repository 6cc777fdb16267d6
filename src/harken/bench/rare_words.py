# SPDX-License-Identifier: Apache-2.0
"""Which words of a labelled corpus a caller would put on a list: said in few of its texts, and rare at large.

How rare a word is at large, the model's own byte pairs tell: they were merged by how often they are written, so a word
that is one of them is a common one. No list of anybody's is needed. Knows no engine.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from harken.bench.corpus import Item
from harken.bench.scoring import BY_CHARACTER, tokens

Half = Literal["all", "development", "held-out"]

SEEN = 3
"""Texts of the corpus that a rare word is in at most."""

SHORTEST = 4
"""Letters of a rare word at least."""

_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A recording and the rare words that are said in it."""

    item: Item
    words: tuple[str, ...] = ()


def says(text: str, word: str, language: str | None) -> int:
    """How often a text has a word, both normalised as for word errors."""
    return _times(tokens(text, language), tokens(word, language))


def label(items: Sequence[Item], pieces: Callable[[str], int]) -> list[Labelled]:
    """Every recording with its rare words; none in languages that write no blanks.

    Args:
        items: the corpus.
        pieces: how many byte pairs a word is.
    """
    texts = {" ".join(tokens(item.text, item.language)): item for item in items if item.spoken}
    found = {key: _words(item) for key, item in texts.items()}
    seen = Counter(word.casefold() for words in found.values() for word in words)
    rare = {
        key: tuple(sorted(word for word in words if seen[word.casefold()] <= SEEN and pieces(word) > 1))
        for key, words in found.items()
    }
    return [Labelled(item, rare[" ".join(tokens(item.text, item.language))] if item.spoken else ()) for item in items]


def half(labelled: Sequence[Labelled], which: Half) -> list[Labelled]:
    """Every second text of the corpus with its recordings; recordings without speech are in both halves."""
    if which == "all":
        return list(labelled)
    texts = list(dict.fromkeys(" ".join(tokens(one.item.text, one.item.language)) for one in labelled))
    mine = set(texts[0 if which == "development" else 1 :: 2])
    return [
        one for one in labelled if not one.item.spoken or " ".join(tokens(one.item.text, one.item.language)) in mine
    ]


def everything(labelled: Collection[Labelled]) -> tuple[str, ...]:
    """The rare words of all recordings together, each once."""
    return tuple(sorted({word for one in labelled for word in one.words}))


def _words(item: Item) -> set[str]:
    if item.language in BY_CHARACTER:
        return set()
    # What stands in brackets is not counted as said.
    said = tokens(item.text, item.language)
    words = {word for word in _WORD.findall(item.text) if len(word) >= SHORTEST}
    return {word for word in words if _times(said, tokens(word, item.language))}


def _times(said: Sequence[str], wanted: Sequence[str]) -> int:
    return sum(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1)) if wanted else 0
