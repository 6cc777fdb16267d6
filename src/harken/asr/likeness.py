# SPDX-License-Identifier: Apache-2.0
"""Where in a text something stands that sounds like a word of a list: candidates for another spelling, not verdicts.

A weighted edit distance over letters, folded so that spellings of about one sound are near in any script that writes
sounds. Pure functions; knows no engine and no audio.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

UNLIKE = 0.42
"""Distance, as a share of the longer of the two, over which a word does not sound like another."""

SPAN = 5
"""Heard words that may be one listed word: a name that is not known falls apart into several that are."""

SHORTEST = 3
"""Letters of a listed word that may be heard as something else; a shorter one is like too much."""

_VOWELS = frozenset("aeiouy" + "аеиоуыэюя" + "αεηιουω")
_NEAR = ("bp", "dt", "gkqcx", "szcx", "vfw", "mn", "lr", "gj", "iyj", "hx", "uw")
"""Latin letters that stand for near sounds, in one language or another."""
_SPELT = (
    ("ph", "f"), ("ck", "k"), ("qu", "k"), ("sch", "s"), ("sh", "s"), ("ch", "c"), ("tz", "ts"), ("th", "t"),
    ("gh", "g"),
)  # fmt: skip
"""Several letters for one sound."""

_VOWEL_FOR_VOWEL = 0.4
_NEAR_FOR_NEAR = 0.4
_WEAK = 0.5
"""What a vowel or an h costs that is in one of two words only; it is often not heard."""
_STRONG = 0.8
"""The same of another letter."""


@dataclass(frozen=True, slots=True)
class Place:
    """Words ``first`` to ``stop`` of a text, which sound like ``entry`` of a list; 0 is the same."""

    first: int
    stop: int
    entry: int
    distance: float


def sound(text: str) -> str:
    """The letters and digits of a text, folded: case, accents, doubled letters and usual spellings of one sound."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(char for char in plain if char.isalnum())
    for written, said in _SPELT:
        plain = plain.replace(written, said)
    return "".join(char for at, char in enumerate(plain) if at == 0 or plain[at - 1] != char)


def places(words: Sequence[str], starts: Sequence[bool], entries: Sequence[str]) -> list[Place]:
    """Every run of words that sounds like an entry, most alike first.

    Args:
        words: of a text, as :func:`sound` folds them.
        starts: for each whether a word may begin with it; it is else the rest of the one before.
        entries: the list, folded too.
    """
    sounds = _Sounds(entries, {char for word in words for char in word})
    found: list[Place] = []
    for first, may_start in enumerate(starts):
        if may_start and words[first]:
            found += sounds.beginning(words, starts, first)
    return sorted(found, key=lambda place: (place.distance, place.first, place.stop, place.entry))


class _Sounds:
    """A list as one array, so that all of it is compared at once."""

    def __init__(self, entries: Sequence[str], heard: set[str]) -> None:
        letters = sorted(heard | {char for entry in entries for char in entry})
        codes = {char: code for code, char in enumerate(letters)}
        self._codes = codes
        self._letters = np.array([_weight(char) for char in letters], np.float32)
        self._change = np.array([[_change(one, other) for other in letters] for one in letters], np.float32)
        self._lengths = np.array([len(entry) for entry in entries], np.int64)
        self._longest = int(self._lengths.max(initial=0))
        self._entries = np.zeros((len(entries), self._longest), np.int64)
        for row, entry in zip(self._entries, entries, strict=True):
            row[: len(entry)] = [codes[char] for char in entry]
        # What it costs to leave out an entry's letters up to each.
        self._out = np.zeros((len(entries), self._longest + 1), np.float32)
        if entries:
            self._out[:, 1:] = np.cumsum(self._letters[self._entries], axis=1)

    def beginning(self, words: Sequence[str], starts: Sequence[bool], first: int) -> list[Place]:
        """The places that begin with one word: Levenshtein's rows, one for each letter heard."""
        found: list[Place] = []
        row: npt.NDArray[np.float32] = self._out
        length = count = 0
        for stop in range(first, len(words)):
            count += starts[stop]
            length += len(words[stop])
            if count > SPAN or length * (1 - UNLIKE) > self._longest:
                break
            for char in words[stop]:
                row = self._next(row, self._codes[char])
            if words[stop] and (stop + 1 == len(words) or starts[stop + 1]):
                found += self._near(row, length, first, stop + 1)
        return found

    def _next(self, row: npt.NDArray[np.float32], char: int) -> npt.NDArray[np.float32]:
        here = row + self._letters[char]
        here[:, 1:] = np.minimum(here[:, 1:], row[:, :-1] + self._change[char][self._entries])
        # Leaving out letters of the entry, however many: a running minimum instead of a loop.
        best: npt.NDArray[np.float32] = self._out + np.minimum.accumulate(here - self._out, axis=1)
        return best

    def _near(self, row: npt.NDArray[np.float32], length: int, first: int, stop: int) -> list[Place]:
        distances = row[np.arange(len(row)), self._lengths] / np.maximum(np.maximum(self._lengths, length), 1)
        limits = np.where(self._lengths < SHORTEST, 0.0, UNLIKE)
        return [
            Place(first, stop, int(entry), float(distances[entry]))
            for entry in np.flatnonzero((distances <= limits + 1e-6) & (self._lengths > 0))
        ]


def _weight(char: str) -> float:
    return _WEAK if char in _VOWELS or char == "h" else _STRONG


def _change(one: str, other: str) -> float:
    if one == other:
        return 0.0
    if one in _VOWELS and other in _VOWELS:
        return _VOWEL_FOR_VOWEL
    return _NEAR_FOR_NEAR if any(one in group and other in group for group in _NEAR) else 1.0
