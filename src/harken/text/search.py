# SPDX-License-Identifier: Apache-2.0
"""The passages of a transcript that answer a question best, by BM25.

Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009. Knows nothing of speakers.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

from harken.text import stopwords, words

_K1 = 1.2
_B = 0.75


# Kana that stand between words more often than they are one: particles and endings.
_HIRAGANA = re.compile(r"[\u3040-\u309f]+")


def query_terms(question: str, language: str) -> set[str]:
    """What to look for: the question's terms that say something, in its own language or the transcript's."""
    common = stopwords.of(language) | stopwords.of(stopwords.guess(question) or language)
    kept = (word for word in words.words(question) if not _common(word, common))
    found = {term for word in kept for term in words.terms(word)}
    return {term for term in found if not (_HIRAGANA.fullmatch(term) or set(term) <= stopwords.RUNNING)}


def _common(word: str, common: frozenset[str]) -> bool:
    folded = words.fold(word)
    return folded in common or folded.replace("\u2019", "'").split("'")[0] in common


class Index:
    """Texts that can be searched."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._counts = [Counter(words.terms(text)) for text in texts]
        self._lengths = [sum(counts.values()) for counts in self._counts]
        self._mean = sum(self._lengths) / max(1, len(texts)) or 1.0
        self._holding = Counter(term for counts in self._counts for term in counts)

    def scores(self, terms: set[str]) -> list[float]:
        """How well each text answers; 0 where it holds none of the terms."""
        weights = {term: self._weight(term) for term in sorted(terms) if term in self._holding}
        return [
            sum(weight * self._saturated(counts[term], length) for term, weight in weights.items() if counts[term])
            for counts, length in zip(self._counts, self._lengths, strict=True)
        ]

    def _weight(self, term: str) -> float:
        holding = self._holding[term]
        return math.log(1 + (len(self._counts) - holding + 0.5) / (holding + 0.5))

    def _saturated(self, count: int, length: int) -> float:
        return count * (_K1 + 1) / (count + _K1 * (1 - _B + _B * length / self._mean))
