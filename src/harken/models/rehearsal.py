# SPDX-License-Identifier: Apache-2.0
"""Tries a speaker model that was just built: it must give what the network gives in torch.

The features it is tried on are made here, of sines; the embeddings it must give were made once, by the network of its
authors in torch with the same checkpoint. One piece is within a pooling segment, one takes two.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

_LIKENESS = 0.9999
"""Least cosine with the reference. Weights of 16 bits cost 0.00001."""

REFERENCES: Mapping[int, str] = {
    158: (
        "4zVKu8mhSrI+tnusXrxIsH2thzl+NYixMygfLZoxrS0sNI8x4DREMjS2u6zsLPk4zrRNtUK8vbvKuLg8rDzPPoYzlDEHsKa5V7Xb"
        "tDE4YbH7tNU7n7gBrEW1LrqipPIyEDgsuMUu2rIqrym8orkBpwq3PDiDMuWxtbqyPh+1gTZqs3esjrmMLLM7JLZjMYC6cjQgJrma"
        "AzVoNPqwKTZ/sIKxEbpxOBq4ga8lPXk8/7j1rI+4CTiYN+410jaHOf859bwfucY3JroaN+c4X75JOQSzEjsMtbI7PC9Ito63dTmw"
        "Ovaxyjo+NXQzsLHHuhovqbkXrVU4Y7UJvP66Da6isWszJTKctki1zTU/OSAuijT6u+20CTkutdu14bzkuAO5LLb3rU06uroduYi3"
        "i70yOh0467f5q+u5nq9duMYsmLHKuxI6xjR3s/M21ypiusa6mZcavay2iTeKOI836LzOtJq0iTVvNQu41DgnsQ+wajyANX65eLUT"
        "t9imCrUQtFU1"
    ),
    260: (
        "ejOpuoararSfsnyoTbxHtTkqJzvtNMy0f6mPqYE02C8mLgunGzSDL/62tq1sqJo2O7aFtMq8Q7pVupI8aztIPqkonzBmLUe5WrY9"
        "tG84irTgsQo7aLfzsP+3DLtKonY03TZlt+ksVbbkqf667LqerQS4hTSSNC2zkbhKPv6zADhItfiawbgHM107T7YlNUy7DjSeLFkn"
        "CzfvH4Ms2jdNq2SsqbonOZG40yyePIM6F7lJroO3izjtM4038TAsPMU5GbyQt681Zbl8MVM5VL7MOcu2EToMrSo7OS9Tsbu2fzix"
        "OaaxiTrbMPItaSwluoeyXLnBKEc4q7EZvLO6G7AmrWY02zSZtTe28zSDOYisDDbPvK60lDjSth23VbvxuDK3Va33KZY5n7vNuTC5"
        "wL0GO7s34bW7sHa5Bq0Ntx81/rNkuo44mjZJtkI1GjHruCa6HK97vJGzjDd2Or43mr2ptyq1vja5L626TjmIsEGuUDz6M5W617Vs"
        "tX6tAraatV0w"
    ),
}
"""By the number of frames: the 192 numbers of the embedding, as 16-bit floats in base64."""


def features(frames: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Frames of 80 numbers that move about zero as speech might, the same on every machine."""
    time, band = np.arange(frames)[:, None], np.arange(80)[None]
    x = 3 * np.sin(0.31 * time + 0.05 * band) * np.cos(0.17 * band)
    x += 2 * np.sin(0.007 * time * (1 + band / 20)) + np.cos(0.9 * time + band)
    return np.asarray(x - x.mean(0), np.float32)


def check(path: Path) -> None:
    """Try the model at ``path``.

    Raises:
        ValueError: it cannot be run, or gives something else.
    """
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        found = {frames: _run(session, frames) for frames in REFERENCES}
    except Exception as error:  # ONNX Runtime has no common error
        raise ValueError(f"what was built cannot be run: {error}") from error
    for frames, reference in REFERENCES.items():
        expected = np.frombuffer(base64.b64decode(reference), "<f2").astype(np.float64)
        got = found[frames].astype(np.float64)
        likeness = expected @ got / (np.linalg.norm(expected) * np.linalg.norm(got))
        if not likeness >= _LIKENESS:
            raise ValueError(f"what was built gives other embeddings than it must (cosine {likeness:.4f})")


def _run(session: Any, frames: int) -> Any:
    half = -(-frames // 2)
    windows = np.full((1, half), 1 / half, np.float32)
    return session.run(None, {"features": features(frames)[None], "windows": windows})[0][0, 0]
