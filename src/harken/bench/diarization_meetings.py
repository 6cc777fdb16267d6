# SPDX-License-Identifier: Apache-2.0
"""Meetings stitched from what readers say: it is known to the hundredth of a second who speaks when.

Speakers take turns of varied length, fall into each other's words, wait, go on after a pause, and say a word while
another speaks. The same seed gives the same samples. Knows no corpus and no engine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from harken.audio.decode import Samples
from harken.bench.diarization_corpus import Said, Utterance, speech
from harken.model import SAMPLE_RATE, Turn

LEAST = 8.0
"""Seconds that a reader must have to be in a meeting."""
LONGEST = 15.0
"""Seconds of an utterance that is taken whole where its text is needed."""
TURNS = (1.5, 3.0, 5.0, 8.0, 12.0)
"""Seconds, about, of a turn; each as often."""
OVERLAPPED, OVERLAP = 0.3, (0.3, 2.0)
"""Share of turns that begin before the one before ends, and by how many seconds."""
WAIT, LONGEST_WAIT = 0.35, 2.0
"""Seconds of silence between others: the mean, and at most."""
GOES_ON = 0.15
"""Share of turns after which the same speaker goes on."""
BACKCHANNELS, BACKCHANNEL = 0.35, (0.25, 1.0)
"""Share of turns of at least four seconds into which another says a word, and its seconds."""
PAUSE = 0.3
"""Seconds of silence that end a turn of the reference, as in NIST's evaluations."""
LOUDNESS, SPREAD, NOISE = -26.0, 4.0, -62.0
"""Decibels of full scale: speech on the whole, how far speakers are from it, and noise."""


@dataclass(frozen=True, slots=True)
class Meeting:
    """A conversation that never took place."""

    name: str
    samples: Samples
    turns: tuple[Turn, ...]
    """Without pauses of :data:`PAUSE` and more."""
    said: tuple[Said, ...]
    """Empty where the text of some words is not known."""

    @property
    def seconds(self) -> float:
        """Length."""
        return len(self.samples) / SAMPLE_RATE


def meetings(readers: Mapping[str, Sequence[Utterance]], count: int, seed: int, *, texts: bool) -> list[Meeting]:
    """So many meetings of 2, 3, 4, 5, 6, 2, ... speakers, as far as there are readers, of one to four minutes.

    Args:
        readers: who reads what; those with less than ``LEAST`` seconds are left out.
        count: how many meetings.
        seed: another gives other meetings.
        texts: whether it must be known who says which words; then utterances are taken whole, and nobody says a word
            while another speaks.
    """
    usable = {name: own for name, said in readers.items() if _enough(own := _usable(said, texts))}
    most = min(6, len(usable))
    return [
        stitch(
            f"meeting-{seed + number}-{speakers}",
            usable,
            speakers,
            seconds=(60.0, 120.0, 240.0)[number % 3],
            seed=seed + number,
            texts=texts,
        )
        for number in range(count)
        if (speakers := 2 + number % (most - 1) if most >= 2 else 0)
    ]


def stitch(
    name: str,
    readers: Mapping[str, Sequence[Utterance]],
    speakers: int,
    *,
    seconds: float,
    seed: int,
    texts: bool = False,
) -> Meeting:
    """One meeting of so many readers. It ends after ``seconds``, or before, when there is nothing left to say."""
    rng = np.random.default_rng(seed)
    chosen = [str(item) for item in rng.choice(sorted(readers), size=speakers, replace=False)]
    left = {who: _pieces(readers[who], rng, whole=texts) for who in chosen}
    gains = {who: float(rng.uniform(-SPREAD, SPREAD)) for who in chosen}
    placed: list[tuple[float, Utterance]] = []
    now, before = 0.3, ""
    free = dict.fromkeys(chosen, 0.0)
    while now < seconds and any(left.values()):
        able = [who for who in chosen if left[who]]
        # Whoever has not spoken yet is next, so that all do.
        unheard = [who for who in able if not free[who]]
        others = unheard or [who for who in able if who != before] or able
        who = before if before in able and rng.random() < GOES_ON and not unheard else str(rng.choice(others))
        piece = left[who].pop()
        start = now + min(float(rng.exponential(WAIT)) + 0.05, LONGEST_WAIT)
        if who != before and placed and rng.random() < OVERLAPPED:
            shared = min(float(rng.uniform(*OVERLAP)), piece.seconds / 2, placed[-1][1].seconds / 2)
            start = max(now - shared, free[who] + 0.05)
        placed.append((start, piece))
        if not texts and piece.seconds >= 4.0 and rng.random() < BACKCHANNELS:
            placed.extend(_backchannel(start, piece, [other for other in chosen if other != who], readers, free, rng))
        now, before = start + piece.seconds, who
        free[who] = now
    return _mixed(name, sorted(placed, key=lambda item: item[0]), gains, rng, texts=texts)


def _usable(said: Sequence[Utterance], texts: bool) -> list[Utterance]:
    return [item for item in said if not texts or (item.text and item.seconds <= LONGEST)]


def _enough(said: Sequence[Utterance]) -> bool:
    return sum(item.seconds for item in said) >= LEAST


def _pieces(said: Sequence[Utterance], rng: np.random.Generator, *, whole: bool) -> list[Utterance]:
    """What a reader has to say, in any order: his utterances, or cut at pauses into turns of varied length."""
    pieces = list(said) if whole else [piece for utterance in said for piece in _cut(utterance, rng)]
    return [pieces[index] for index in rng.permutation(len(pieces))]


def _cut(utterance: Utterance, rng: np.random.Generator) -> Iterator[Utterance]:
    spans = speech(utterance.samples)
    begin, wanted = 0, float(rng.choice(TURNS))
    for index, (_, end) in enumerate(spans):
        if end - spans[begin][0] >= wanted or index == len(spans) - 1:
            yield _part(utterance, spans[begin][0], end)
            begin, wanted = index + 1, float(rng.choice(TURNS))


def _part(utterance: Utterance, start: float, end: float) -> Utterance:
    samples = utterance.samples[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]
    return replace(utterance, samples=samples, text=None)


def _backchannel(
    start: float,
    piece: Utterance,
    others: Sequence[str],
    readers: Mapping[str, Sequence[Utterance]],
    free: dict[str, float],
    rng: np.random.Generator,
) -> Iterator[tuple[float, Utterance]]:
    """A word of somebody else somewhere inside a turn."""
    who = str(rng.choice(sorted(others)))
    utterance = readers[who][int(rng.integers(len(readers[who])))]
    words = [
        (begin, end)
        for begin, end in speech(utterance.samples, 0.06)
        if BACKCHANNEL[0] <= end - begin <= BACKCHANNEL[1]
    ]
    if words:
        begin, end = words[int(rng.integers(len(words)))]
        at = start + float(rng.uniform(0.8, piece.seconds - 2.0))
        if at > free[who] + 0.05:
            free[who] = at + end - begin
            yield at, _part(utterance, begin, end)


def _mixed(
    name: str,
    placed: Sequence[tuple[float, Utterance]],
    gains: Mapping[str, float],
    rng: np.random.Generator,
    *,
    texts: bool,
) -> Meeting:
    length = max((start + piece.seconds for start, piece in placed), default=0.0) + 0.5
    samples = rng.normal(0, _amplitude(NOISE), round(length * SAMPLE_RATE)).astype(np.float32)
    spans: list[Turn] = []
    said = []
    for start, piece in placed:
        at = round(start * SAMPLE_RATE)
        level = float(np.sqrt(np.mean(np.square(piece.samples, dtype=np.float64)))) or 1.0
        gain = _amplitude(LOUDNESS + gains[piece.reader]) / level
        samples[at : at + len(piece.samples)] += (gain * piece.samples)[: len(samples) - at]
        spans += [Turn(start + begin, start + end, piece.reader) for begin, end in speech(piece.samples, PAUSE)]
        if texts:
            said.append(Said(start, start + piece.seconds, piece.reader, piece.text or ""))
    return Meeting(name, np.clip(samples, -1.0, 1.0), _joined(spans), tuple(said))


def _joined(spans: Sequence[Turn]) -> tuple[Turn, ...]:
    """One speaker's spans with less than a pause between them are one turn."""
    turns: list[Turn] = []
    for span in sorted(spans, key=lambda span: (span.speaker, span.start)):
        if turns and turns[-1].speaker == span.speaker and span.start - turns[-1].end < PAUSE:
            turns[-1] = replace(turns[-1], end=max(turns[-1].end, span.end))
        else:
            turns.append(span)
    return tuple(sorted(turns, key=lambda turn: (turn.start, turn.end)))


def _amplitude(decibels: float) -> float:
    return float(10 ** (decibels / 20))
