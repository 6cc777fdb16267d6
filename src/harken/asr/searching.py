# SPDX-License-Identifier: Apache-2.0
"""How hard to search for a window's text: cheap first, more where the text is not to be believed.

Every decision is about one clip alone, so a clip's text does not depend on the batch it came in. Knows no windows and
no times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harken.asr.coverage import NEAR
from harken.asr.decoding import Decoder, Encoded, Search
from harken.asr.engine import LENGTHS, Samples
from harken.asr.quality import Reading
from harken.asr.timestamps import goes_on
from harken.asr.tokens import WhisperTokens
from harken.model import Options

BEAM = Search(beam_size=5)

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
                self._hear_longer(found, clips, options, abroad=encoded.seconds <= SHORT)
        if options.temperature is None:
            for search in FALLBACKS:
                failed = [row for row, item in enumerate(found) if item.failed]
                self._improve(found, failed, encoded, clips, search)
        return found

    def best_of(self, encoded: Encoded, row: int, clips: Sequence[Clip]) -> int:
        """Which of several prompts for the clip in one row gives the best text, by greedy search."""
        found = self._read(encoded.rows([row] * len(clips)), clips, Search())
        return max(range(len(found)), key=lambda index: (found[index].rank, -index))

    def _hear_longer(self, found: list[Reading], clips: Sequence[Clip], options: Options, *, abroad: bool) -> None:
        """Short context is cheap and nearly as good; where the text is doubtful, Whisper's full 30 s are tried.

        With ``abroad``, a clip in another language than English is heard so unless its text is beyond doubt, and the
        longer hearing is believed whatever the probabilities say.
        """
        rows = []
        for row, (item, clip) in enumerate(zip(found, clips, strict=True)):
            limit = DOUBTFUL_ABROAD if abroad and clip.language != "en" else DOUBTFUL
            if item.hypothesis.avg_logprob < limit and not item.silent:
                rows.append(row)
        if rows:
            chosen = [clips[row] for row in rows]
            longer = self._decoder.encode([clip.samples for clip in chosen], LENGTHS[-1])
            search = BEAM if options.beam_size is None else Search(beam_size=options.beam_size)
            again = self._read(longer, chosen, search)
            for row, clip, item in zip(rows, chosen, again, strict=True):
                if abroad and clip.language != "en" and not item.failed and not item.unfinished:
                    found[row] = item
                else:
                    found[row] = max(found[row], item, key=lambda reading: reading.rank)

    def _improve(
        self, found: list[Reading], rows: Sequence[int], encoded: Encoded, clips: Sequence[Clip], search: Search
    ) -> None:
        """Search again for some clips; each keeps the better text."""
        if rows:
            again = self._read(encoded.rows(rows), [clips[row] for row in rows], search)
            for row, item in zip(rows, again, strict=True):
                found[row] = max(found[row], item, key=lambda reading: reading.rank)

    def _read(self, encoded: Encoded, clips: Sequence[Clip], search: Search) -> list[Reading]:
        found = self._decoder.search(encoded, [clip.prompt for clip in clips], search)
        readings = []
        for item, clip in zip(found, clips, strict=True):
            stop = goes_on(item.tokens, self._tokens)
            unfinished = stop is not None and stop < clip.spoken - NEAR
            readings.append(Reading(item, self._tokens.decode(item.tokens).strip(), unfinished))
        return readings
