# SPDX-License-Identifier: Apache-2.0
"""Native code for children under test: the real one, but a model by the name of ``deadly`` kills whoever loads it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

from harken.asr.engine import Recognizer
from harken.worker import natives
from harken.worker.natives import detector, probe
from harken.worker.protocol import ModelRef

__all__ = ["detector", "probe", "recognizer"]


def recognizer(model: ModelRef, on_step: Callable[[], None]) -> Recognizer:
    if model.folder.name == "deadly":
        ctypes.string_at(0)
    return natives.recognizer(model, on_step)
