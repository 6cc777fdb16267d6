# SPDX-License-Identifier: Apache-2.0
"""The loaded speaker models: who speaks when in a recording, and voices to know again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harken import pipeline
from harken.diarize.diarizer import load
from harken.diarize.voices import single
from harken.errors import InvalidOption
from harken.library.installed import installed
from harken.library.sources import AudioSource, readable
from harken.model import Diarization, KnownVoice, Options
from harken.models.parts import speaker_files
from harken.models.store import ModelStore


class SpeakerModels:
    """Segmentation and voices, in memory; fetched first where they are not installed. Used by one thread at a time.

    Raises:
        ModelError: one of them cannot be had.
    """

    def __init__(self, store: ModelStore, threads: int = 1) -> None:
        self._diarizer = load(speaker_files(store.fetch), threads)

    def diarize(
        self,
        source: AudioSource,
        options: Options,
        *,
        voices: Sequence[KnownVoice] = (),
        on_progress: Callable[[float], None] | None = None,
    ) -> Diarization:
        """Who speaks when. Of the options count offset, duration, the numbers of speakers and the known voices.

        ``voices`` are known beside those of the options. ``on_progress`` is told how far it is, 0 to 1.

        Raises:
            MediaError: the source is not audio that can be decoded.
        """
        known = {voice.name: voice for voice in (*voices, *options.known_voices)}
        with readable(source) as file:
            return pipeline.diarize(
                file, options, self._diarizer, voices=tuple(known.values()), on_progress=on_progress
            )

    def voice(self, name: str, source: AudioSource) -> KnownVoice:
        """The voice in a recording of one speaker, to be known again.

        Raises:
            UnusableVoice: there is too little speech, or more than one voice.
            MediaError: the source is not audio that can be decoded.
        """
        return KnownVoice(name, single(self.diarize(source, Options(diarize=True))).centroid)


_COUNT = frozenset({"num_speakers", "min_speakers", "max_speakers", "known_voices", "offset", "duration"})


def find_speakers(source: AudioSource, models_dir: Path | str | None, given: dict[str, Any]) -> Diarization:
    """Who speaks when; see :func:`harken.speakers`."""
    for name in given:
        if name not in _COUNT:
            raise InvalidOption(f"there is no option {name}; there are {', '.join(sorted(_COUNT))}", param=name)
    store = installed(models_dir)
    options = pipeline.validate(Options(diarize=True, **given), store.catalog)
    return SpeakerModels(store).diarize(source, options)
