# SPDX-License-Identifier: Apache-2.0
"""Which words are with the right speaker, before segments are cut at changes of speaker and after.

Words that were heard as they were said tell it: the recognised text is aligned with the known one. Knows no files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TypeVar

import jiwer

from harken.bench.diarization_corpus import Said
from harken.bench.diarization_scoring import BINS, names
from harken.diarize.assign import assign
from harken.model import Diarization, Transcript, Turn

Owner = TypeVar("Owner")


@dataclass(frozen=True, slots=True)
class Words:
    """Words that were heard as they were said, and with whom."""

    matched: int = 0
    whole: int = 0
    """With the right speaker when every segment stays whole and is one speaker's."""
    overlap: int = 0
    """With the right speaker when each goes to whoever speaks during most of it."""
    right: int = 0
    """With the right speaker as harken does it."""
    mended: int = 0
    """Right as harken does it, and wrong with whole segments."""
    spoilt: int = 0
    """The other way round."""
    sure: tuple[tuple[int, int], ...] = field(default=((0, 0),) * (len(BINS) - 1), compare=False)
    """For every group of :data:`BINS` the words with such a confidence, and those of them that are right."""

    @property
    def percent(self) -> float:
        """Share of the matched words that are right, as harken does it."""
        return 100.0 * self.right / self.matched if self.matched else 0.0

    def __add__(self, other: Words) -> Words:
        counts = (getattr(self, name) + getattr(other, name) for name in _COUNTS)
        groups = zip(self.sure, other.sure, strict=True)
        return replace(Words(*counts), sure=tuple((one + more, right + well) for (one, right), (more, well) in groups))


_COUNTS = tuple(item.name for item in fields(Words) if item.name != "sure")


def count_words(said: Sequence[Said], transcript: Transcript, diarization: Diarization) -> Words:
    """Put the transcript's words to speakers in all three ways and compare.

    Args:
        said: what was really said, by whom.
        transcript: what was heard, with word times and without speakers.
        diarization: who speaks when.
    """
    wordless = replace(transcript, segments=tuple(replace(item, words=()) for item in transcript.segments))
    whole = _right(said, [(item.text, item.speaker) for item in assign(wordless, diarization).segments])
    single = [(word.text, _loudest(word.start, word.end, diarization.turns)) for word in transcript.words]
    words = assign(transcript, diarization).words
    own = _right(said, [(word.text, word.speaker) for word in words])
    # The words that were matched are the same whoever owns them.
    confidence = [place for _, place in _matched(said, [(word.text, word.speaker_confidence) for word in words])]
    return Words(
        matched=len(own),
        whole=sum(whole),
        overlap=sum(_right(said, single)),
        right=sum(own),
        mended=sum(mine and not theirs for mine, theirs in zip(own, whole, strict=True)),
        spoilt=sum(theirs and not mine for mine, theirs in zip(own, whole, strict=True)),
        sure=_by_confidence(confidence, own),
    )


def _by_confidence(confidence: Sequence[float | None], right: Sequence[bool]) -> tuple[tuple[int, int], ...]:
    groups = [[0, 0] for _ in BINS[1:]]
    for sure, well in zip(confidence, right, strict=True):
        if sure is not None:
            group = groups[max(index for index, edge in enumerate(BINS[:-1]) if sure >= edge)]
            group[0] += 1
            group[1] += well
    return tuple((one, good) for one, good in groups)


def _loudest(start: float, end: float, turns: Iterable[Turn]) -> str | None:
    """Who speaks during most of a time, or nearest to it."""
    seconds: dict[str, float] = {}
    for turn in turns:
        shared = min(end, turn.end) - max(start, turn.start)
        seconds[turn.speaker] = max(seconds.get(turn.speaker, shared), shared)
    return max(seconds, key=seconds.__getitem__, default=None)


def _right(said: Iterable[Said], heard: Iterable[tuple[str, str | None]]) -> list[bool]:
    """For every word that was heard as it was said, in order, whether its speaker is right.

    Compared in lower case and without punctuation; speakers are mapped so that most words are right.
    """
    pairs = _matched(said, heard)
    places = [(float(place), place + 1.0) for place in range(len(pairs))]
    known = names(
        [Turn(*place, speaker) for place, (speaker, _) in zip(places, pairs, strict=True)],
        [Turn(*place, owner) for place, (_, owner) in zip(places, pairs, strict=True) if owner is not None],
    )
    return [owner is not None and known.get(owner) == speaker for speaker, owner in pairs]


def _matched(said: Iterable[Said], heard: Iterable[tuple[str, Owner]]) -> list[tuple[str, Owner]]:
    """For every word that was heard as it was said, in order, who said it and whose it is taken for."""
    true = _plain((f" {item.text}", item.speaker) for item in sorted(said, key=lambda item: item.start))
    found = _plain(heard)
    if not true or not found:
        return []
    aligned = jiwer.process_words(" ".join(word for word, _ in true), " ".join(word for word, _ in found))
    return [
        (true[chunk.ref_start_idx + index][1], found[chunk.hyp_start_idx + index][1])
        for chunk in aligned.alignments[0]
        if chunk.type == "equal"
        for index in range(chunk.ref_end_idx - chunk.ref_start_idx)
    ]


def _plain(texts: Iterable[tuple[str, Owner]]) -> list[tuple[str, Owner]]:
    """The words of texts that make up one, each with the owner of its first character."""
    words: list[tuple[str, Owner]] = []
    inside = False
    for text, owner in texts:
        for char in text.lower():
            if char.isspace() or char == "-":
                inside = False
            elif char.isalnum() and inside:
                words[-1] = (words[-1][0] + char, words[-1][1])
            elif char.isalnum():
                words.append((char, owner))
                inside = True
    return words
