# SPDX-License-Identifier: Apache-2.0
"""The seam between the pipeline and an engine: what every recogniser takes and gives.

Knows no engine's types, no model files' layout and no job: an engine is given windows of samples and answers with
:class:`~harken.model.WindowResult`, times absolute in the recording.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from harken.model import Options, Window, WindowResult

if TYPE_CHECKING:
    # This module is read by processes that never touch a sample.
    import numpy as np
    import numpy.typing as npt

Samples: TypeAlias = "npt.NDArray[np.float32]"
"""Mono audio at :data:`harken.model.SAMPLE_RATE`, -1 to 1."""

MARGIN = 1.0
"""Seconds that an engine hears after a window's end, as silence: without any, last words are repeated."""

LENGTHS = (6.0, 8.0, 10.0, 12.0, 16.0, 20.0, 24.0, 30.0)
"""Seconds that an engine's input may have: few enough that windows of about one length share a batch.

With less than the first around it, Whisper writes a single word many times; the last is what it was trained on.
"""

SETTLED = 30.0
"""Seconds of speech after which the evidence for a recording's languages counts in full."""


@dataclass(frozen=True, slots=True)
class Context:
    """What later windows of a recording may know of earlier ones. Plain JSON types inside."""

    languages: tuple[tuple[str, float], ...] = ()
    """Evidence so far: language code and seconds of speech that were heard in it."""
    text: str = ""
    """Text said before, for ``condition_on_previous_text``."""


class WindowAudio(Protocol):
    """A window and exactly its samples."""

    @property
    def window(self) -> Window:
        """Where it stands in the recording."""

    @property
    def samples(self) -> Samples:
        """``window.duration`` seconds of audio."""


class Recognizer(Protocol):
    """One loaded model. Used by one thread at a time."""

    @property
    def name(self) -> str:
        """The engine and the folder's model, for people."""

    def recognise(self, windows: Sequence[WindowAudio], options: Options, context: Context) -> list[WindowResult]:
        """What was said in each window, in the same order.

        Language detection, second passes over an uncovered tail and quality retries happen inside. A window's result
        does not depend on the windows beside it, only on its samples, the options and the context.

        Raises:
            InvalidOption: the model cannot do what the options ask, say translate with an English-only one.
        """

    def close(self) -> None:
        """Give the model's memory back."""


def heard_seconds(window: Window) -> float:
    """How long an engine's input for ``window`` is: its duration and margin, rounded up to one of :data:`LENGTHS`."""
    wanted = window.duration + MARGIN
    return next((length for length in LENGTHS if length >= wanted), LENGTHS[-1])


def language_shares(context: Context) -> tuple[tuple[str, float], ...]:
    """What the context says of languages, in tenths: each one's share of the speech, less while little was heard.

    Coarse on purpose: recordings in one language soon have the same shares, so that their windows can share a batch.
    """
    total = sum(weight for _, weight in context.languages)
    if total <= 0:
        return ()
    strength = min(1.0, total / SETTLED)
    shares = ((code, round(weight / total * strength, 1)) for code, weight in context.languages)
    return tuple(sorted(item for item in shares if item[1] > 0))


def batch_key(window: Window, options: Options, context: Context | None = None) -> str:
    """Equal for windows, of any recording, that may be recognised in one call: same length, options and context."""
    context = context or Context()
    same = options.but(
        vad_filter=True,
        vad_threshold=None,
        vad_padding=None,
        vad_silence=None,
        offset=0.0,
        duration=None,
        channels="mix",
        cpu_threads=None,
        num_workers=None,
        word_timestamps=options.timed_words,
        diarize=False,
        num_speakers=None,
        min_speakers=None,
        max_speakers=None,
        known_voices=(),
    )
    return repr((heard_seconds(window), astuple(same), language_shares(context), context.text))


def load(
    folder: Path,
    *,
    engine: str = "whisper",
    device: str = "auto",
    compute_type: str = "default",
    threads: int = 1,
    on_step: Callable[[], None] = lambda: None,
) -> Recognizer:
    """Load the model in ``folder``.

    Args:
        folder: an installed model, as :class:`harken.models.store.ModelStore` gives it.
        engine: ``whisper`` (CTranslate2) or ``onnx`` (onnx-asr).
        device: ``cpu``, ``cuda`` or ``auto``.
        compute_type: CTranslate2's; ``default`` is int8 on a CPU.
        threads: threads of one recogniser; a process for each core is faster than threads.
        on_step: called whenever native code has come back, several times in each ``recognise`` of ``whisper``: who
            watches a recogniser can tell one that has much to do from one that hangs.

    Raises:
        ModelUnavailable: the folder holds no such model.
        MissingExtra: the engine's library is not installed.
    """
    # Engines are imported when used: each brings a large native library.
    if engine == "onnx":
        from harken.asr.onnx import OnnxRecognizer  # noqa: PLC0415

        return OnnxRecognizer(folder, threads=threads)
    from harken.asr.whisper import WhisperRecognizer  # noqa: PLC0415

    return WhisperRecognizer(folder, device=device, compute_type=compute_type, threads=threads, on_step=on_step)
