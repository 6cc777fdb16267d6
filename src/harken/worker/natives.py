# SPDX-License-Identifier: Apache-2.0
"""The native code that a child runs: engines, decoders, the speech detector, what tells voices apart.

Imported by children only, when the first request comes; another module with the same functions can take its place
(:attr:`harken.worker.process.ChildSettings.natives`), which is how tests crash a child on a given window.
"""

from __future__ import annotations

from pathlib import Path

from harken.asr.engine import Recognizer, load
from harken.audio.probe import probe as read_headers
from harken.audio.vad import SileroDetector, SpeechDetector
from harken.model import MediaInfo
from harken.pipeline import SpeakerDiarizer
from harken.worker.protocol import ModelRef, SpeakerModels


def recognizer(model: ModelRef) -> Recognizer:
    """Load a model. Raises ModelUnavailable, MissingExtra."""
    return load(
        model.folder,
        engine=model.engine,
        device=model.device,
        compute_type=model.compute_type,
        threads=model.threads,
    )


def detector(path: Path) -> SpeechDetector:
    """Load the speech detector. Raises ModelUnavailable."""
    return SileroDetector(path)


def probe(path: Path) -> MediaInfo:
    """Read a recording's headers. Raises MediaError."""
    return read_headers(path)


def diarizer(models: SpeakerModels) -> SpeakerDiarizer:
    """Load what tells speakers apart. Raises ModelUnavailable, ModelCorrupt."""
    from harken.diarize.diarizer import Diarizer  # noqa: PLC0415  few children need it
    from harken.diarize.embedding import Embedder  # noqa: PLC0415
    from harken.diarize.segmentation import Segmenter  # noqa: PLC0415

    return Diarizer(Segmenter(models.segmentation), Embedder(models.embedding))
