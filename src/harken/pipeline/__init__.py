# SPDX-License-Identifier: Apache-2.0
"""The stages of recognition as plain functions over windows; used in-process by the library, piecewise by workers.

A recording is worked off chapter by chapter: from a cursor, decode forward, find speech, plan windows, recognise them,
move the cursor. A chapter is a function of the recording, the cursor and the options, so a step that was killed can be
done again and gives the same windows. Knows no job, no process and no wire form.
"""

from __future__ import annotations

from harken.asr.engine import Context
from harken.asr.windows import PlannedWindow
from harken.audio.probe import MediaInfo, Source, probe
from harken.pipeline.assembly import assemble
from harken.pipeline.cursor import Cursor, advance, chapter_limit, cursor_from, cursor_to_dict
from harken.pipeline.planner import Chapter, Planner
from harken.pipeline.run import transcribe
from harken.pipeline.validation import check_duration, validate

__all__ = [
    "Chapter",
    "Context",
    "Cursor",
    "MediaInfo",
    "PlannedWindow",
    "Planner",
    "Source",
    "advance",
    "assemble",
    "chapter_limit",
    "check_duration",
    "cursor_from",
    "cursor_to_dict",
    "probe",
    "transcribe",
    "validate",
]
