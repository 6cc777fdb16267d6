# SPDX-License-Identifier: Apache-2.0
"""Native code for children under test that hears nothing: the name of its model says what it does instead.

``fine`` finds one speaker, ``crash`` dies, ``hang`` never answers, ``once`` dies when it is asked for the first time,
``slow`` works for a while by the clock, however much of a core it has. One that recognises takes as many steps of a
second as its model's name says, and then never answers, or finds that there were no windows.
The other model's path is a file that notes who was asked.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harken.asr.engine import Context, WindowAudio
from harken.errors import ModelCorrupt
from harken.model import SAMPLE_RATE, Diarization, Options, Speaker, Turn, WindowResult
from harken.models.parts import SpeakerFiles
from harken.worker.protocol import ModelRef


class _Scripted:
    def __init__(self, how: str, log: Path) -> None:
        self._how = how
        self._log = log

    def diarize(
        self,
        blocks: Iterable[np.ndarray[Any, np.dtype[np.float32]]],
        *,
        on_progress: Callable[[float], None],
        **_: object,
    ) -> Diarization:
        first = not self._log.exists()
        with self._log.open("a") as log:
            log.write(f"{os.getpid()}\n")
        seconds = sum(len(block) for block in blocks) / SAMPLE_RATE
        on_progress(seconds / 2)
        if self._how == "hang":
            time.sleep(3600)
        if self._how == "slow":
            end = time.monotonic() + 8
            while time.monotonic() < end:
                pass
        if self._how == "crash" or (self._how == "once" and first):
            ctypes.string_at(0)
        turns = (Turn(0.0, seconds, "SPEAKER_00"),) if seconds > 1 else ()
        return Diarization(turns, tuple(Speaker(turn.speaker, seconds, (0.6, 0.8)) for turn in turns))


def diarizer(models: SpeakerFiles) -> _Scripted:
    how = models.segmentation.name
    if how == "corrupt":
        raise ModelCorrupt("so it was planned")
    return _Scripted(how, models.embedding)


class _Stepping:
    def __init__(self, name: str, on_step: Callable[[], None]) -> None:
        self.name = name
        self._on_step = on_step

    def recognise(self, windows: Sequence[WindowAudio], options: Options, context: Context) -> list[WindowResult]:
        del windows, options, context
        for _ in range(int(self.name.split()[0])):
            time.sleep(1)
            self._on_step()
        if self.name.endswith("hang"):
            time.sleep(3600)
        return []

    def close(self) -> None:
        """Nothing is held."""


def recognizer(model: ModelRef, on_step: Callable[[], None]) -> _Stepping:
    return _Stepping(model.folder.name, on_step)
