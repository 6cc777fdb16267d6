# SPDX-License-Identifier: Apache-2.0
"""Voices known across recordings: learnt from a recording of one speaker, and found again among others' speakers.

A stranger must stay a stranger, so a voice is only recognised above a similarity that strangers hardly ever reach
(``harken bench diarization`` measures how often). Knows no store and no file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from harken.diarize.lines import LINES
from harken.errors import UnusableVoice
from harken.model import Diarization, KnownVoice, Speaker

Vector = npt.NDArray[np.float64]

LEAST = 1.5
"""Seconds of speech that a voice can be learnt from, and from which on a speaker is compared with known voices."""

OTHER, OTHER_SHARE = 1.5, 0.1
"""Seconds, and share of the speech, from which on a second speaker is one, not a cough or a stray guess."""

_SECONDS, _SIMILAR = (1.5, 6.0), (0.5, 0.58)
"""Seconds of speech, and the cosine from which on a voice is the known one. Of little speech the similarity comes out
lower, for the same voice as for others. With these a stranger is taken for one of ten known voices once in a hundred
times or less, also where both are heard over one bad line; docs/benchmarks.md has the figures."""


@dataclass(frozen=True, slots=True)
class Voiceprint:
    """A voice, and how much speech it was learnt from."""

    centroid: tuple[float, ...]
    """As :attr:`harken.model.Speaker.centroid`."""
    seconds: float


def single(found: Diarization) -> Voiceprint:
    """The voice of the only speaker.

    Raises:
        UnusableVoice: nobody speaks, too little, or several do.
    """
    speakers = sorted(found.speakers, key=lambda speaker: -speaker.speaking_time)
    total = sum(speaker.speaking_time for speaker in speakers)
    if total < LEAST:
        heard = f"{total:.1f} s of speech" if speakers else "no speech"
        raise UnusableVoice(
            f"there is {heard} in the recording, and a voice needs {LEAST:g} s at least; "
            "10 s and more of one person speaking alone are good"
        )
    others = [item for item in speakers[1:] if item.speaking_time >= max(OTHER, OTHER_SHARE * total)]
    if others:
        raise UnusableVoice(
            f"{1 + len(others)} people speak in the recording, and a voice is learnt from one who speaks alone; "
            "cut out a part of it in which only that person is heard"
        )
    return Voiceprint(speakers[0].centroid, round(speakers[0].speaking_time, 3))


def threshold(seconds: float) -> float:
    """The cosine to a known voice from which on it is recognised, given so many seconds of speech."""
    return float(np.interp(seconds, _SECONDS, _SIMILAR))


def match(speakers: Sequence[Speaker], voices: Sequence[KnownVoice]) -> tuple[Speaker, ...]:
    """The speakers, those with a name whose voice is known.

    Each voice is one speaker's at most and each speaker one voice's; the most similar pairs come first. Speakers who
    hardly speak, and those like nobody known, stay as they are.
    """
    pairs = sorted(
        (
            (similarity(speaker.centroid, voice.centroid), place, number)
            for place, speaker in enumerate(speakers)
            if speaker.speaking_time >= LEAST
            for number, voice in enumerate(voices)
        ),
        key=lambda pair: (-pair[0], pair[1:]),
    )
    named = list(speakers)
    taken: set[int] = set()
    for cosine, place, number in pairs:
        speaker = named[place]
        if speaker is speakers[place] and number not in taken and cosine >= threshold(speaker.speaking_time):
            taken.add(number)
            named[place] = replace(speaker, name=voices[number].name, similarity=round(cosine, 3))
    return tuple(named)


def similarity(one: Sequence[float], other: Sequence[float]) -> float:
    """The cosine of two voices without what lines do to them; 0 where one is none, or they are of different models."""
    if not one or len(one) != len(other):
        return 0.0
    first, second = _without_line(one), _without_line(other)
    scale = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / scale if scale else 0.0


def _without_line(voice: Sequence[float]) -> Vector:
    """The voice without the directions in which a telephone or a room moves every voice, if it is of that model."""
    vector = np.asarray(voice, np.float64)
    return vector - (LINES @ vector) @ LINES if len(vector) == LINES.shape[1] else vector
