# SPDX-License-Identifier: Apache-2.0
"""Who spoke when as RTTM, which tools that score diarization read.

Ten fields a line, as in NIST's evaluation plan RT-09, appendix A; a field holds no blanks. Knows no words.
"""

from __future__ import annotations

from harken.model import Transcript
from harken.text import breaks
from harken.text.labels import label_by_id


def rttm(transcript: Transcript, recording: str) -> str:
    """A ``SPEAKER`` line for every turn, those that overlap too; ``recording`` names the file that it is about."""
    names = {id_: _field(name) for id_, name in label_by_id(transcript).items()}
    file = _field(recording)
    lines: list[str] = []
    for turn in sorted(transcript.turns, key=lambda turn: (turn.start, turn.end, turn.speaker)):
        start, end = round(turn.start, 3), round(turn.end, 3)
        if end > start:
            name = names.get(turn.speaker, turn.speaker)
            lines.append(f"SPEAKER {file} 1 {start:.3f} {end - start:.3f} <NA> <NA> {name} <NA> <NA>\n")
    return "".join(lines)


def _field(text: str) -> str:
    return "_".join(breaks.clean(text).split()) or "<NA>"
