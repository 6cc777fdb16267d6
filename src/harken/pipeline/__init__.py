# SPDX-License-Identifier: Apache-2.0
"""The stages of recognition as plain functions over windows; used in-process by the library, piecewise by workers.

A recording is worked off chapter by chapter: from a cursor, decode forward, find speech, plan windows, recognise them,
move the cursor. A chapter is a function of the recording, the cursor and the options, so a step that was killed can be
done again and gives the same windows. Knows no job, no process and no wire form.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harken.asr.engine import Context
from harken.pipeline.assembly import assemble
from harken.pipeline.cursor import Cursor, advance, chapter_limit, cursor_from, cursor_to_dict
from harken.pipeline.validation import check_duration, validate

if TYPE_CHECKING:
    from harken.asr.windows import PlannedWindow
    from harken.audio.probe import Source, probe
    from harken.pipeline.diarization import SpeakerDiarizer, diarize
    from harken.pipeline.planner import Chapter, Planner
    from harken.pipeline.run import transcribe

__all__ = [
    "Chapter",
    "Context",
    "Cursor",
    "PlannedWindow",
    "Planner",
    "Source",
    "SpeakerDiarizer",
    "advance",
    "assemble",
    "chapter_limit",
    "check_duration",
    "cursor_from",
    "cursor_to_dict",
    "diarize",
    "probe",
    "transcribe",
    "validate",
]

_NATIVE = {
    "Chapter": "harken.pipeline.planner",
    "PlannedWindow": "harken.asr.windows",
    "Planner": "harken.pipeline.planner",
    "Source": "harken.audio.probe",
    "SpeakerDiarizer": "harken.pipeline.diarization",
    "diarize": "harken.pipeline.diarization",
    "probe": "harken.audio.probe",
    "transcribe": "harken.pipeline.run",
}
"""What needs native libraries, and where it is: imported when used, since most processes only check and assemble."""


def __getattr__(name: str) -> Any:
    if name not in _NATIVE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_NATIVE[name]), name)
