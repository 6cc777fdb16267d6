# SPDX-License-Identifier: Apache-2.0
"""How hard to search for a window's text: cheap first, more where the text is not to be believed.

Every decision is about one clip alone, so a clip's text does not depend on the batch it came in. Knows no windows and
no times.
"""

from __future__ import annotations

from collections.abc import Sequence

from harken.asr.decoding import Decoder, Encoded, Search
from harken.asr.engine import LONGEST, Samples
from harken.asr.quality import Reading
from harken.asr.tokens import WhisperTokens
from harken.model import Options

BEAM = Search(beam_size=5)

FALLBACKS = (
    Search(beam_size=10, patience=2.0),
    *(Search(temperature=step / 10, candidates=5) for step in (2, 4, 6, 8, 10)),
)
"""One after the other, while a text has failed."""

SURE = -0.2
"""Mean log-probability over which a greedy text is kept without a beam search."""

DOUBTFUL = -0.45
"""Mean log-probability below which a beam's text is searched for again with all the silence Whisper was trained on."""

MARGIN_AWAY = 2.0
"""Seconds that this adds at least, to be worth it."""


class Searcher:
    """Searches in one model."""

    def __init__(self, decoder: Decoder, tokens: WhisperTokens) -> None:
        self._decoder = decoder
        self._tokens = tokens

    def search(
        self, encoded: Encoded, clips: Sequence[Samples], prompts: Sequence[list[int]], options: Options
    ) -> list[Reading]:
        """The text of each clip of the batch. Prompts are of one length."""
        if options.temperature:
            return self._read(
                encoded, prompts, Search(temperature=options.temperature, candidates=options.best_of or 5)
            )
        found = self._read(encoded, prompts, Search(beam_size=options.beam_size or 1))
        if options.mode == "default":
            if options.beam_size is None:
                unsure = [row for row, item in enumerate(found) if item.hypothesis.avg_logprob < SURE]
                self._improve(found, unsure, encoded, prompts, BEAM)
            if encoded.seconds <= LONGEST - MARGIN_AWAY:
                self._hear_longer(found, clips, prompts, options)
        if options.temperature is None:
            for search in FALLBACKS:
                failed = [row for row, item in enumerate(found) if item.failed]
                self._improve(found, failed, encoded, prompts, search)
        return found

    def best_of(self, encoded: Encoded, row: int, prompts: Sequence[list[int]]) -> int:
        """Which of several prompts gives one clip the best text, by greedy search."""
        found = self._read(encoded.rows([row] * len(prompts)), prompts, Search())
        return max(range(len(found)), key=lambda index: (found[index].rank, -index))

    def _hear_longer(
        self, found: list[Reading], clips: Sequence[Samples], prompts: Sequence[list[int]], options: Options
    ) -> None:
        """Short context is cheap and nearly as good; where the text is doubtful, Whisper's full 30 s are tried."""
        rows = [row for row, item in enumerate(found) if item.hypothesis.avg_logprob < DOUBTFUL and not item.silent]
        if rows:
            longer = self._decoder.encode([clips[row] for row in rows], LONGEST)
            search = BEAM if options.beam_size is None else Search(beam_size=options.beam_size)
            better = self._read(longer, [prompts[row] for row in rows], search)
            for row, item in zip(rows, better, strict=True):
                found[row] = max(found[row], item, key=lambda reading: reading.rank)

    def _improve(
        self, found: list[Reading], rows: Sequence[int], encoded: Encoded, prompts: Sequence[list[int]], search: Search
    ) -> None:
        """Search again for some clips; each keeps the better text."""
        if rows:
            better = self._read(encoded.rows(rows), [prompts[row] for row in rows], search)
            for row, item in zip(rows, better, strict=True):
                found[row] = max(found[row], item, key=lambda reading: reading.rank)

    def _read(self, encoded: Encoded, prompts: Sequence[list[int]], search: Search) -> list[Reading]:
        return [
            Reading(item, self._tokens.decode(item.tokens).strip())
            for item in self._decoder.search(encoded, prompts, search)
        ]
