# SPDX-License-Identifier: Apache-2.0
"""How hard to search for a window's text: cheap first, more where the text is not to be believed.

Every decision is about one clip alone, so a clip's text does not depend on the batch it came in. Knows no windows and
no times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harken.asr.consensus import agreed, most_agreed
from harken.asr.coverage import NEAR
from harken.asr.decoding import Decoder, Encoded, Search
from harken.asr.engine import LENGTHS, Samples
from harken.asr.quality import Reading
from harken.asr.timestamps import earlier, goes_on
from harken.asr.tokens import WhisperTokens
from harken.model import SAMPLE_RATE, Options

BEAM = Search(beam_size=5)

WIDE = Search(beam_size=10)

FALLBACKS = (
    Search(beam_size=10, patience=2.0),
    Search(temperature=0.4, candidates=5),
    Search(temperature=0.8, candidates=5),
)
"""One after the other, while a text has failed."""

SURE = -0.35
"""Mean log-probability over which a greedy text is kept without a beam search."""

DOUBTFUL = -0.45
"""Mean log-probability below which a beam's text is searched for again with all the silence Whisper was trained on."""

DOUBTFUL_ABROAD = -0.2
"""The same for a short clip in another language than English, where short context costs more words."""

SHIFTS = (0.0, 0.1, 0.2)
"""Seconds of silence before each further hearing of such a clip, at most so many; whole timestamps."""

SHORT = 12.0
"""Seconds that a short clip is heard for at most."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What is searched for text."""

    samples: Samples
    prompt: list[int]
    """Of the same length for every clip of a batch."""
    language: str
    spoken: float
    """Where the last speech ends, in seconds from its start."""


class Searcher:
    """Searches in one model."""

    def __init__(self, decoder: Decoder, tokens: WhisperTokens) -> None:
        self._decoder = decoder
        self._tokens = tokens

    def search(self, encoded: Encoded, clips: Sequence[Clip], options: Options) -> list[Reading]:
        """The text of each clip of the batch."""
        if options.temperature:
            sampling = Search(temperature=options.temperature, candidates=options.best_of or 5)
            return self._read(encoded, clips, sampling)
        found = self._read(encoded, clips, Search(beam_size=options.beam_size or 1))
        if options.mode == "default":
            if options.beam_size is None:
                unsure = [row for row, item in enumerate(found) if item.hypothesis.avg_logprob < SURE]
                self._improve(found, unsure, encoded, clips, BEAM)
            if encoded.seconds < LENGTHS[-1]:
                self._hear_longer(found, clips, options, short=encoded.seconds <= SHORT)
        if options.temperature is None:
            for search in FALLBACKS:
                failed = [row for row, item in enumerate(found) if item.failed]
                self._improve(found, failed, encoded, clips, search)
        return found

    def best_of(self, encoded: Encoded, row: int, clips: Sequence[Clip]) -> int:
        """Which of several prompts for the clip in one row gives the best text, by greedy search."""
        found = self._read(encoded.rows([row] * len(clips)), clips, Search())
        return max(range(len(found)), key=lambda index: (found[index].rank, -index))

    def _hear_longer(self, found: list[Reading], clips: Sequence[Clip], options: Options, *, short: bool) -> None:
        """Short context is cheap and nearly as good; where the text is doubtful, Whisper's full 30 s are tried.

        A short clip in another language than English is heard so until hearings agree, unless its text is beyond doubt;
        they vote, whatever their probabilities say.
        """
        rows: list[int] = []
        abroad: list[int] = []
        for row, (item, clip) in enumerate(zip(found, clips, strict=True)):
            foreign = short and clip.language != "en"
            if not item.silent and item.hypothesis.avg_logprob < (DOUBTFUL_ABROAD if foreign else DOUBTFUL):
                (abroad if foreign else rows).append(row)
        given = None if options.beam_size is None else Search(beam_size=options.beam_size)
        if rows:
            again = self._hear([clips[row] for row in rows], given or BEAM)
            for row, item in zip(rows, again, strict=True):
                found[row] = max(found[row], item, key=lambda reading: reading.rank)
        if abroad:
            self._vote(found, abroad, clips, given or WIDE)

    def _vote(self, found: list[Reading], rows: Sequence[int], clips: Sequence[Clip], search: Search) -> None:
        """Hear some clips until two hearings of each agree, or there are no more :data:`SHIFTS`; then they vote.

        What was heard with short context has no vote: in these languages it is wrong more often.
        """
        heard: dict[int, list[Reading]] = {row: [] for row in rows}
        for shift in SHIFTS:
            open_ = [row for row in rows if not agreed(_sound(heard[row]))]
            if not open_:
                break
            for row, item in zip(open_, self._hear([clips[row] for row in open_], search, shift), strict=True):
                heard[row].append(item)
        for row, readings in heard.items():
            sound = _sound(readings)
            best = max((found[row], *readings), key=lambda reading: reading.rank)
            found[row] = most_agreed(sound) if sound else best

    def _hear(self, clips: Sequence[Clip], search: Search, shift: float = 0.0) -> list[Reading]:
        """Hear clips with all the silence Whisper was trained on, ``shift`` seconds of it before them."""
        silence = np.zeros(round(shift * SAMPLE_RATE), np.float32)
        encoded = self._decoder.encode([np.concatenate((silence, clip.samples)) for clip in clips], LENGTHS[-1])
        return self._read(encoded, clips, search, shift)

    def _improve(
        self, found: list[Reading], rows: Sequence[int], encoded: Encoded, clips: Sequence[Clip], search: Search
    ) -> None:
        """Search again for some clips; each keeps the better text."""
        if rows:
            again = self._read(encoded.rows(rows), [clips[row] for row in rows], search)
            for row, item in zip(rows, again, strict=True):
                found[row] = max(found[row], item, key=lambda reading: reading.rank)

    def _read(self, encoded: Encoded, clips: Sequence[Clip], search: Search, shift: float = 0.0) -> list[Reading]:
        found = self._decoder.search(encoded, [clip.prompt for clip in clips], search)
        readings = []
        for item, clip in zip(found, clips, strict=True):
            tokens = earlier(item.tokens, self._tokens, shift)
            stop = goes_on(tokens, self._tokens)
            unfinished = stop is not None and stop < clip.spoken - NEAR
            text = self._tokens.decode(tokens).strip()
            readings.append(Reading(replace(item, tokens=tokens), text, unfinished))
        return readings


def _sound(readings: Sequence[Reading]) -> list[Reading]:
    """Readings that may vote."""
    return [item for item in readings if not item.failed and not item.unfinished]
