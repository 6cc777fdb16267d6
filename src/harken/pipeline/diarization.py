# SPDX-License-Identifier: Apache-2.0
"""Who speaks in a recording, from its bytes to turns: decode what the options name, and have speakers told apart."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np

from harken.audio.decode import Decoder
from harken.audio.probe import Source
from harken.diarize.voices import match
from harken.model import SAMPLE_RATE, Diarization, KnownVoice, Options

Samples = np.ndarray[Any, np.dtype[np.float32]]
"""Mono audio at 16 kHz."""


class SpeakerDiarizer(Protocol):
    """Tells speakers apart; :class:`harken.diarize.diarizer.Diarizer` does."""

    def diarize(
        self,
        blocks: Iterable[Samples],
        *,
        num_speakers: int | None = None,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Diarization:
        """Who speaks when, in seconds from the first block; ``on_progress`` is told seconds that are done."""


def diarize(
    source: Source,
    options: Options,
    diarizer: SpeakerDiarizer,
    *,
    voices: Sequence[KnownVoice] = (),
    on_progress: Callable[[float], None] | None = None,
) -> Diarization:
    """Who speaks when in the part of a recording that ``options`` name, with its channels mixed.

    Times are seconds of the recording, whatever its ``offset``. Memory does not grow with the length but for what the
    diarizer keeps. A speaker with one of the ``voices`` gets its name. ``on_progress`` is told how far it is, 0 to 1,
    where the length is known.

    Raises:
        NotMedia, NoAudio, CorruptMedia: nothing can be heard.
    """
    with Decoder(source) as decoder:
        begin = round(options.offset * SAMPLE_RATE)
        stop = None if options.duration is None else begin + round(options.duration * SAMPLE_RATE)
        whole = decoder.info.duration if stop is None else stop / SAMPLE_RATE
        length = None if whole is None else whole - options.offset

        def tell(seconds: float) -> None:
            if on_progress is not None and length is not None and length > 0:
                on_progress(min(1.0, seconds / length))

        found = diarizer.diarize(_blocks(decoder, begin, stop), **options.speaker_counts, on_progress=tell)
        end = decoder.position / SAMPLE_RATE if stop is None else min(stop, decoder.position) / SAMPLE_RATE
    turns = (
        replace(turn, start=round(turn.start + options.offset, 3), end=round(min(turn.end + options.offset, end), 3))
        for turn in found.turns
    )
    return Diarization(tuple(turns), match(found.speakers, voices))


def _blocks(decoder: Decoder, begin: int, stop: int | None) -> Iterator[Samples]:
    decoder.skip_to(begin)
    while (stop is None or decoder.position < stop) and (block := decoder.read()) is not None:
        yield block[0] if stop is None else block[0, : block.shape[1] - max(0, decoder.position - stop)]
