# SPDX-License-Identifier: Apache-2.0
"""The native code that a child runs: engines, decoders, the speech detector, what tells voices apart.

Imported by children only, when the first request comes; another module with the same functions can take its place
(:attr:`harken.worker.process.ChildSettings.natives`), which is how tests crash a child on a given window. Each function
imports what it needs: a child that recognises holds no decoders, and one that reads no engine.
"""
# ruff: noqa: PLC0415

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from harken.models.parts import SpeakerFiles
from harken.worker.protocol import ModelRef

if TYPE_CHECKING:
    from harken.asr.engine import Recognizer
    from harken.audio.probe import Source
    from harken.audio.vad import SpeechDetector
    from harken.model import MediaInfo
    from harken.pipeline import SpeakerDiarizer


def recognizer(model: ModelRef, on_step: Callable[[], None]) -> Recognizer:
    """Load a model, which calls ``on_step`` while it works. Raises ModelUnavailable, MissingExtra."""
    from harken.asr.engine import load

    return load(
        model.folder,
        engine=model.engine,
        device=model.device,
        compute_type=model.compute_type,
        threads=model.threads,
        on_step=on_step,
    )


def detector(path: Path) -> SpeechDetector:
    """Load the speech detector. Raises ModelUnavailable, ModelCorrupt."""
    from harken.audio.vad import SileroDetector

    return SileroDetector(path)


def probe(source: Source) -> MediaInfo:
    """Read a recording's headers. Raises MediaError."""
    from harken.audio.probe import probe as read_headers

    return read_headers(source)


def diarizer(models: SpeakerFiles) -> SpeakerDiarizer:
    """Load what tells speakers apart. Raises ModelUnavailable, ModelCorrupt."""
    from harken.diarize.diarizer import load

    return load(models)
