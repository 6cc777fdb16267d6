# SPDX-License-Identifier: Apache-2.0
"""harken: speech to text on your own machine.

    import harken

    transcript = harken.transcribe("talk.mp3", model="base", word_timestamps=True)
    for segment in harken.stream("three_hours.mkv"):
        print(segment.start, segment.text)

    with harken.load("small") as model:  # many recordings, the model loaded once
        texts = [model.transcribe(path).text for path in paths]

    meeting = harken.transcribe("meeting.wav", diarize=True)  # who says what
    for turn in harken.speakers("meeting.wav").turns:  # only who speaks when, without words
        print(turn.start, turn.end, turn.speaker)

A source is a path, a binary file, ``bytes``, or mono samples at 16 kHz as a one-dimensional float array of numpy; any
media that FFmpeg reads. The options are those of :class:`Options`. Errors are :class:`HarkenError` and its kinds, in
:mod:`harken.errors`. Importing harken loads no engine; the first use does, and fetches models that are not installed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harken.errors import HarkenError
from harken.model import Diarization, KnownVoice, Options, Segment, Speaker, Transcript, Turn, Word

if TYPE_CHECKING:
    from harken.library import AudioSource, LoadedModel

# ONNX Runtime reports its use to its makers unless this is set before it is first imported. harken tells nobody.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "Diarization",
    "HarkenError",
    "KnownVoice",
    "Options",
    "Segment",
    "Speaker",
    "Transcript",
    "Turn",
    "Word",
    "load",
    "speakers",
    "stream",
    "transcribe",
    "voice",
]


def load(model: str | None = None, *, models_dir: Path | str | None = None, **how: Any) -> LoadedModel:
    """Load a model once for many recordings; close it, or use it as a context manager.

    Args:
        model: any name of the catalog; None is ``base``. Fetched first when it is not installed.
        models_dir: folder of the installed models; None is ``HARKEN_MODELS_DIR``, or the user's cache.
        how: ``device``, ``compute_type`` and ``threads`` of :class:`harken.library.LoadedModel`.

    Raises:
        UnknownModel: nobody knows the model.
        ModelUnavailable: it is not installed, and no source delivered it.
    """
    from harken.library import LoadedModel  # noqa: PLC0415 - brings the engine

    return LoadedModel(model, models_dir=models_dir, **how)


def transcribe(
    source: AudioSource, model: str | None = None, *, models_dir: Path | str | None = None, **options: Any
) -> Transcript:
    """What was said in a recording.

    Args:
        source: a path, a binary file, bytes, or float samples at 16 kHz.
        model: see :func:`load`.
        models_dir: see :func:`load`.
        options: fields of :class:`Options`: ``language="de"``, ``word_timestamps=True``, ...

    Raises:
        InvalidRequest: an option is unknown, out of range, or not possible with this model.
        MediaError: the source is not audio that can be decoded.
        ModelError: the model cannot be had.
    """
    with load(model, models_dir=models_dir, threads=options.pop("cpu_threads", None)) as loaded:
        return loaded.transcribe(source, **options)


def stream(
    source: AudioSource, model: str | None = None, *, models_dir: Path | str | None = None, **options: Any
) -> Iterator[Segment]:
    """The segments of a recording, each as soon as it is recognised; arguments and errors as in :func:`transcribe`.

    Leaving the loop stops the work.
    """
    with (
        load(model, models_dir=models_dir, threads=options.pop("cpu_threads", None)) as loaded,
        closing(loaded.stream(source, **options)) as segments,
    ):
        yield from segments


def speakers(source: AudioSource, *, models_dir: Path | str | None = None, **options: Any) -> Diarization:
    """Who speaks when in a recording, without a word of what is said.

    Args:
        source: as in :func:`transcribe`.
        models_dir: see :func:`load`.
        options: ``num_speakers``, ``min_speakers``, ``max_speakers``, ``known_voices``, ``offset``, ``duration``.

    Raises:
        InvalidRequest: an option is unknown or out of range.
        MediaError: the source is not audio that can be decoded.
        ModelError: the models cannot be had.
    """
    from harken.library import find_speakers  # noqa: PLC0415

    return find_speakers(source, models_dir, options)


def voice(name: str, source: AudioSource, *, models_dir: Path | str | None = None) -> KnownVoice:
    """The voice in a recording of one speaker, to be given a name in others: ``known_voices=[harken.voice(...)]``.

    Ten seconds of clear speech are good; two are the least.

    Raises:
        UnusableVoice: there is too little speech, or more than one voice.
        MediaError: the source is not audio that can be decoded.
        ModelError: the models cannot be had.
    """
    from harken.library import SpeakerModels, installed  # noqa: PLC0415

    return SpeakerModels(installed(models_dir)).voice(name, source)
