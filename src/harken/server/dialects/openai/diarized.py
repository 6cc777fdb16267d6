# SPDX-License-Identifier: Apache-2.0
"""Speakers in answers: OpenAI's ``diarized_json``, and what other formats have beside their own.

OpenAI calls speakers by the names of known voices, and others A, B and so on; our own fields have our ids. Knows no
request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from harken.model import Job, Segment, Transcript, Word
from harken.server.dialects.openai.figures import duration_usage
from harken.server.figures import figure, seconds
from harken.text.labels import label_by_id

UNKNOWN = "unknown"
"""The speaker of a segment that nobody was found for: OpenAI's clients want a text."""


def asked(job: Job, transcript: Transcript) -> bool:
    """Whether answers tell speakers: they were asked for, when the job was made or since."""
    return job.options.diarize or bool(transcript.speakers)


def diarized(transcript: Transcript, warnings: list[str]) -> dict[str, Any]:
    """OpenAI's ``diarized_json``."""
    return {
        "task": transcript.task,
        "duration": seconds(transcript.duration),
        "text": transcript.text,
        "segments": segments(transcript, letters(transcript)),
        "usage": duration_usage(transcript),
        **people(transcript, letters(transcript)),
        "language": transcript.language,
        "warnings": warnings,
    }


def segments(transcript: Transcript, called: Mapping[str, str]) -> list[dict[str, Any]]:
    """The segments of ``diarized_json``, which are also events of a stream. ``called`` has labels by id."""
    return [
        {
            "type": "transcript.text.segment",
            "id": f"seg_{number}",
            "start": seconds(segment.start),
            "end": seconds(segment.end),
            "speaker": UNKNOWN if segment.speaker is None else called.get(segment.speaker, segment.speaker),
            "speaker_confidence": _confidence(segment),
            "text": segment.text.strip(),
        }
        for number, segment in enumerate(transcript.segments)
    ]


def called(transcript: Transcript, response_format: str) -> dict[str, str]:
    """The label of every speaker, by id, as a format has them."""
    return letters(transcript) if response_format == "diarized_json" else label_by_id(transcript)


def letters(transcript: Transcript) -> dict[str, str]:
    """What OpenAI calls each speaker, by id: the name, else the next letter that is nobody's name."""
    taken = {speaker.name for speaker in transcript.speakers}
    free = (letter for letter in _letters() if letter not in taken)
    return {speaker.id: speaker.name or next(free) for speaker in transcript.speakers}


def _letters() -> Iterator[str]:
    """A to Z, AA, AB and so on."""
    for number in count(1):
        letter, left = "", number
        while left:
            left, digit = divmod(left - 1, 26)
            letter = chr(ord("A") + digit) + letter
        yield letter


def people(transcript: Transcript, called: Mapping[str, str]) -> dict[str, Any]:
    """Everyone who speaks, and when. ``called`` has labels by id."""
    return {
        "speakers": [
            {
                "id": speaker.id,
                "label": called[speaker.id],
                "name": speaker.name,
                "similarity": None if speaker.similarity is None else figure(speaker.similarity),
                "speaking_time": seconds(speaker.speaking_time),
            }
            for speaker in transcript.speakers
        ],
        "turns": [
            {
                "start": seconds(turn.start),
                "end": seconds(turn.end),
                "speaker": turn.speaker,
                "confidence": None if turn.confidence is None else figure(turn.confidence),
            }
            for turn in transcript.turns
        ],
    }


def who(said: Segment | Word) -> dict[str, Any]:
    """Who says a segment or a word, by our id, and how sure that is."""
    return {"speaker": said.speaker, "speaker_confidence": _confidence(said)}


def _confidence(said: Segment | Word) -> float | None:
    return None if said.speaker_confidence is None else figure(said.speaker_confidence)
