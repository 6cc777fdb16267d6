# SPDX-License-Identifier: Apache-2.0
"""Native code for children under test: the real one, but a window with the mark in it kills or hangs the child."""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence

from harken.asr.engine import Context, Recognizer, WindowAudio
from harken.model import Options, WindowResult
from harken.worker import natives
from harken.worker.natives import detector, probe
from harken.worker.protocol import ModelRef

__all__ = ["detector", "probe", "recognizer"]

LOUDEST = 32_700 / 32_768
"""No honest sample of the tests' recordings is this loud; the mark is."""


class _Poisoned:
    def __init__(self, real: Recognizer) -> None:
        self._real = real

    @property
    def name(self) -> str:
        return self._real.name

    def recognise(self, windows: Sequence[WindowAudio], options: Options, context: Context) -> list[WindowResult]:
        if any(float(audio.samples.max()) >= LOUDEST for audio in windows):
            if options.prompt == "hang":
                time.sleep(3600)
            ctypes.string_at(0)
        return self._real.recognise(windows, options, context)

    def close(self) -> None:
        self._real.close()


def recognizer(model: ModelRef, on_step: Callable[[], None]) -> Recognizer:
    return _Poisoned(natives.recognizer(model, on_step))
