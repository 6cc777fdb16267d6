# SPDX-License-Identifier: Apache-2.0
"""How often a stranger is taken for a known voice, and a known voice for a stranger.

Every reader of a corpus is learnt from one part of his speech and looked for in the other, as it is and as if heard
over a telephone; everybody else is a stranger to him. Knows no files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harken.audio.decode import Samples
from harken.bench.diarization_corpus import Utterance
from harken.diarize.diarizer import Diarizer
from harken.diarize.voices import similarity, threshold
from harken.model import SAMPLE_RATE

SECONDS = (2.0, 6.0, 15.0)
"""Of speech that is compared, and learnt from at most the longest."""
COSINES = (0.35, 0.40, 0.45, 0.50, 0.55, 0.60)
KNOWN = 10
"""Known voices, beside the one of a single, that a stranger is compared with."""
_DRAWS = 50
"""Groups of so many known voices that every stranger meets."""
_BAND = (300.0, 3400.0)
"""Hertz that a telephone lets through."""
_HISS = 0.1
"""Noise of the line, of the speech's amplitude."""


@dataclass(frozen=True, slots=True)
class VoiceRow:
    """What one threshold does with so much speech."""

    seconds: float
    cosine: float
    chosen: bool
    """Whether it is harken's."""
    strangers: int
    """Comparisons of strangers with one voice."""
    accepted: float
    """Share of them, in percent, that are taken for it."""
    accepted_of_ten: float
    """Share of strangers, in percent, that are taken for one of :data:`KNOWN` voices."""
    known: int
    """Comparisons of voices with themselves on the same line."""
    rejected: float
    """Share of them, in percent, that are not recognised."""
    rejected_elsewhere: float
    """The same where one was heard over the telephone and the other was not."""


@dataclass(frozen=True, slots=True)
class _Heard:
    reader: str
    line: str
    seconds: float
    centroid: tuple[float, ...]


def measure_voices(
    readers: Mapping[str, Sequence[Utterance]], diarizer: Diarizer, progress: Callable[[str], None] = lambda _: None
) -> list[VoiceRow]:
    """The table: for every length, every threshold and harken's own. Readers of under four seconds are left out."""
    learnt: list[_Heard] = []
    tried: list[_Heard] = []
    for name, said in readers.items():
        progress(name)
        samples = np.concatenate([item.samples for item in said])
        if len(samples) >= 4 * SAMPLE_RATE:
            for line, heard in _lines(samples):
                half = len(heard) // 2
                learnt += _voices(name, line, heard[:half], SECONDS[-1:], diarizer)
                tried += _voices(name, line, heard[half:], SECONDS, diarizer)
    rng = np.random.default_rng(1)
    return [row for seconds in SECONDS for row in _rows(seconds, tried, learnt, rng)]


def _lines(samples: Samples) -> Iterator[tuple[str, Samples]]:
    yield "room", samples
    spectrum = np.fft.rfft(samples)
    hertz = np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE)
    spectrum[(hertz < _BAND[0]) | (hertz > _BAND[1])] = 0
    heard = np.fft.irfft(spectrum, len(samples))
    noise = np.random.default_rng(0).normal(0, _HISS * float(np.sqrt(np.mean(heard**2))), len(samples))
    yield "telephone", (heard + noise).astype(np.float32)


def _voices(name: str, line: str, samples: Samples, lengths: Sequence[float], diarizer: Diarizer) -> Iterator[_Heard]:
    """What is learnt of the beginning, for every length that is there; the shortest always."""
    for seconds in lengths:
        if len(samples) >= 0.9 * seconds * SAMPLE_RATE or len(lengths) == 1:
            found = diarizer.diarize([samples[: round(seconds * SAMPLE_RATE)]], num_speakers=1)
            if found.speakers:
                yield _Heard(name, line, seconds, found.speakers[0].centroid)


def _rows(
    seconds: float, tried: Sequence[_Heard], learnt: Sequence[_Heard], rng: np.random.Generator
) -> Iterator[VoiceRow]:
    strangers: list[float] = []
    tens: list[float] = []
    same: list[float] = []
    elsewhere: list[float] = []
    for one in (item for item in tried if item.seconds == seconds):
        others = []
        for other in learnt:
            cosine = similarity(one.centroid, other.centroid)
            if one.reader == other.reader:
                (same if one.line == other.line else elsewhere).append(cosine)
            elif one.line == other.line:
                others.append(cosine)
        strangers += others
        if len(others) >= KNOWN:
            tens += [max(rng.choice(others, KNOWN, replace=False)) for _ in range(_DRAWS)]
    chosen = threshold(seconds)
    for cosine in sorted({*COSINES, chosen}) if strangers else ():
        yield VoiceRow(
            seconds,
            cosine,
            cosine == chosen,
            len(strangers),
            _share(strangers, cosine),
            _share(tens, cosine),
            len(same),
            100.0 - _share(same, cosine) if same else 0.0,
            100.0 - _share(elsewhere, cosine) if elsewhere else 0.0,
        )


def _share(cosines: Sequence[float], least: float) -> float:
    """Percent that are at least so high."""
    return 100.0 * sum(cosine >= least for cosine in cosines) / len(cosines) if cosines else 0.0
