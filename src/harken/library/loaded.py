# SPDX-License-Identifier: Apache-2.0
"""A loaded model that is given recordings. Knows no server and no job."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from harken import pipeline
from harken.asr import engine
from harken.audio.vad import SileroDetector
from harken.diarize.assign import assign, by_channel
from harken.errors import HarkenError, InvalidOption
from harken.library.installed import installed
from harken.library.sources import AudioSource, readable
from harken.library.speakers import SpeakerModels
from harken.model import KnownVoice, Options, Segment, StageKind, Timing, Transcript, WindowResult, excuse
from harken.models.parts import detector
from harken.models.store import ModelStore

log = logging.getLogger(__name__)

_MOST_THREADS = 4
"""Threads of one recogniser that still make it faster."""


class LoadedModel:
    """A model in memory. A context manager; used by one thread at a time.

    Args:
        model: any name of the catalog; None is its default.
        models_dir: folder of the installed models.
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: CTranslate2's; None leaves it to the preset, or takes int8 on a CPU.
        threads: threads to recognise with; None is a thread for each core, up to four.
        store: where models are kept and what they are called, in place of ``models_dir``.
        voices: known in every recording whose speakers are told apart, beside those of its options.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        models_dir: Path | str | None = None,
        device: str = "auto",
        compute_type: str | None = None,
        threads: int | None = None,
        store: ModelStore | None = None,
        voices: Sequence[KnownVoice] = (),
    ) -> None:
        store = store or installed(models_dir)
        self._store = store
        self._voices = tuple(voices)
        self._catalog = store.catalog
        resolved = self._catalog.resolve(model)
        preset = resolved.preset
        self._asked = resolved.name
        self.name = resolved.spec.name
        """Canonical name of the model."""
        self._vad = SileroDetector(detector(store.fetch))
        self._speakers: SpeakerModels | None = None
        self._recognizer = engine.load(
            store.fetch(self.name),
            engine=resolved.spec.engine,
            device=device,
            compute_type=compute_type or (preset.compute_type if preset is not None else None) or "default",
            threads=threads
            or (preset.cpu_threads if preset is not None else None)
            or min(_MOST_THREADS, os.cpu_count() or 1),
        )

    def __enter__(self) -> LoadedModel:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the model's memory back."""
        self._recognizer.close()

    @property
    def speakers(self) -> SpeakerModels:
        """The models that tell speakers apart, loaded when first asked for. Raises ModelError."""
        if self._speakers is None:
            self._speakers = SpeakerModels(self._store)
        return self._speakers

    def transcribe(
        self,
        source: AudioSource,
        *,
        on_window: Callable[[WindowResult, float | None], None] | None = None,
        **options: Any,
    ) -> Transcript:
        """What was said in a recording, and who said it. Arguments and errors as in :func:`harken.transcribe`.

        A recording whose speakers cannot be told apart still gives a transcript, with a warning. ``on_window`` gets the
        result of each window as soon as it is there, and how many seconds the recording has, as far as known.
        """
        began = time.monotonic()
        checked = self._options(options)
        # Before the work: a model that cannot be had is told at once.
        speakers = self.speakers if checked.diarize and checked.channels == "mix" else None
        chapters: list[pipeline.Chapter] = []
        with readable(source) as file:
            results = []
            for result in pipeline.transcribe(
                file, checked, self._recognizer, self._vad, on_chapter=lambda chapter: _keep(chapters, chapter)
            ):
                results.append(result)
                if on_window is not None:
                    on_window(result, chapters[-1].duration)
            last = chapters[-1]
            transcript = pipeline.assemble(
                results, checked, duration=last.decoded, model=self.name, timing=Timing(), warnings=last.warnings
            )
            if speakers is not None:
                transcript = self._with_speakers(transcript, file, checked, speakers)
            elif checked.diarize:
                transcript = by_channel(transcript)
        return replace(transcript, timing=Timing(processing=time.monotonic() - began))

    def windows(self, source: AudioSource, **options: Any) -> Generator[WindowResult]:
        """The result of each window, in order, as soon as it is there: segments, and text that was dropped.

        Raises InvalidOption for ``diarize``: who speaks is known when all has been heard.
        """
        checked = self._options(options)
        if checked.diarize:
            raise InvalidOption("diarize needs the whole recording; use transcribe", param="diarize")
        with readable(source) as file:
            yield from pipeline.transcribe(file, checked, self._recognizer, self._vad)

    def stream(self, source: AudioSource, **options: Any) -> Generator[Segment]:
        """The segments of a recording, each as soon as it is recognised. Leaving the loop stops the work."""
        for result in self.windows(source, **options):
            yield from result.segments

    def _with_speakers(
        self, transcript: Transcript, file: pipeline.Source, options: Options, speakers: SpeakerModels
    ) -> Transcript:
        try:
            return assign(transcript, speakers.diarize(file, options, voices=self._voices))
        except (HarkenError, RuntimeError, MemoryError) as error:
            log.warning("diarization failed", exc_info=error)
            told = error.message if isinstance(error, HarkenError) else type(error).__name__
            return replace(transcript, warnings=(*transcript.warnings, excuse(StageKind.DIARIZE, told)))

    def _options(self, given: dict[str, Any]) -> Options:
        known = {item.name for item in fields(Options)} - {"model", "cpu_threads", "num_workers"}
        for name in given:
            if name not in known:
                raise InvalidOption(f"there is no option {name}; there are {', '.join(sorted(known))}", param=name)
        return pipeline.validate(Options(model=self._asked, **given), self._catalog)


def _keep(chapters: list[pipeline.Chapter], chapter: pipeline.Chapter) -> None:
    """Only the last: a chapter holds its windows' samples."""
    chapters[:] = [chapter]
