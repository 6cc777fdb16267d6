# SPDX-License-Identifier: Apache-2.0
"""The models that work beside a recogniser, by their catalog names, and which of their files is the network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DETECTOR = "silero-vad"
"""Catalog name of the speech detector."""
SEGMENTATION = "segmentation-3.0"
"""Catalog name of the model that hears how many speak."""
EMBEDDING = "campplus"
"""Catalog name of the model that hears voices."""
SPEAKERS = (SEGMENTATION, EMBEDDING)
"""What telling speakers apart takes."""


@dataclass(frozen=True, slots=True)
class SpeakerFiles:
    """The files with which voices are told apart."""

    segmentation: Path
    embedding: Path


def detector(folder: Callable[[str], Path]) -> Path:
    """The speech detector's file; ``folder`` says where a model of the catalog is installed, and may fetch it."""
    return folder(DETECTOR) / "silero_vad.onnx"


def speaker_files(folder: Callable[[str], Path]) -> SpeakerFiles:
    """The files with which voices are told apart, in their folders."""
    return SpeakerFiles(folder(SEGMENTATION) / "segmentation.onnx", folder(EMBEDDING) / "campplus.onnx")
