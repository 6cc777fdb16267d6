# SPDX-License-Identifier: Apache-2.0
"""What the library takes for a recording: a path, a file, bytes or samples."""

from __future__ import annotations

import io
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from harken import pipeline
from harken.errors import InvalidOption
from harken.model import SAMPLE_RATE

AudioSource = str | os.PathLike[str] | BinaryIO | bytes | npt.NDArray[np.floating[Any]]
"""A path, a binary file, the bytes of one, or mono samples at 16 kHz."""


@contextmanager
def readable(source: AudioSource) -> Iterator[pipeline.Source]:
    """The source as a path, or as a binary file that can seek."""
    if isinstance(source, (str, os.PathLike)):
        yield Path(source)
    elif isinstance(source, (bytes, bytearray, memoryview)):
        yield io.BytesIO(source)
    elif isinstance(source, np.ndarray):
        yield io.BytesIO(_wav(source))
    elif not hasattr(source, "read"):
        raise InvalidOption(f"a source is a path, a file, bytes or an array, not {type(source).__name__}")
    elif not isinstance(source.read(0), bytes):
        raise InvalidOption("the file was opened as text; open it with mode 'rb'")
    elif source.seekable():
        yield source
    else:
        with tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(source, spool)
            yield spool


def _wav(samples: npt.NDArray[np.floating[Any]]) -> bytes:
    """Samples as the bytes of a WAV file of 32-bit floats."""
    if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating):
        raise InvalidOption(
            f"samples must be a one-dimensional array of floats, mono at {SAMPLE_RATE} Hz, "
            f"not {samples.dtype} of shape {samples.shape}"
        )
    data = samples.astype("<f4").tobytes()
    layout = struct.pack("<HHIIHH", 3, 1, SAMPLE_RATE, SAMPLE_RATE * 4, 4, 32)
    body = b"WAVE" + b"fmt " + struct.pack("<I", len(layout)) + layout + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body
