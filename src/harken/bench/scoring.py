# SPDX-License-Identifier: Apache-2.0
"""Word errors of a hypothesis against a reference, after the normalisation of the Whisper paper (appendix C).

Languages written without blanks are counted by character. Counts add up, so a set's rate is corpus-wide: all errors
over all reference words, not a mean of rates. Knows no engine and no files.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import jiwer

with warnings.catch_warnings():
    # A docstring of theirs has a bad escape, which Python complains of when it compiles the package.
    warnings.simplefilter("ignore")
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

BY_CHARACTER = frozenset({"zh", "yue", "ja", "ko", "th", "lo", "my", "km"})


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of words (or characters) and of what became of them."""

    words: int = 0
    """In the reference."""
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self) -> int:
        """All three kinds together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def wer(self) -> float:
        """Errors per word of the reference, in percent."""
        return 100.0 * self.errors / self.words if self.words else 0.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.words + other.words,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def tokens(text: str, language: str | None) -> list[str]:
    """The words, or characters, of ``text`` that are compared."""
    return _normaliser(language)(text).split()


def score(reference: str, hypothesis: str, language: str | None) -> Score:
    """Compare, both normalised as the reference's ``language`` asks (None is treated as no language in particular)."""
    words = tokens(reference, language)
    found = jiwer.process_words(" ".join(words), " ".join(tokens(hypothesis, language)))
    return Score(len(words), found.substitutions, found.deletions, found.insertions)


def invented(text: str) -> int:
    """Words in ``text``, as written, where nothing was said."""
    return len(text.split())


def differences(reference: str, hypothesis: str, language: str | None) -> list[str]:
    """What was heard wrongly, in order: ``right>wrong``, ``-left out`` and ``+put in``."""
    found = jiwer.process_words(" ".join(tokens(reference, language)), " ".join(tokens(hypothesis, language)))
    marks = {"substitute": "{0}>{1}", "delete": "-{0}", "insert": "+{1}"}
    return [
        marks[chunk.type].format(
            " ".join(found.references[0][chunk.ref_start_idx : chunk.ref_end_idx]),
            " ".join(found.hypotheses[0][chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in found.alignments[0]
        if chunk.type != "equal"
    ]


@functools.cache
def _normaliser(language: str | None) -> Callable[[str], str]:
    normaliser: Callable[[str], str]
    if language == "en":
        normaliser = EnglishTextNormalizer()
    else:
        normaliser = BasicTextNormalizer(split_letters=language in BY_CHARACTER, preserve_marks=True)
    return normaliser
