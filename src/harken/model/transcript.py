# SPDX-License-Identifier: Apache-2.0
"""What was said: words, segments, what windows gave, and the transcript that is made of it."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harken.model.options import Task
from harken.model.speakers import Speaker, Turn

SAMPLE_RATE = 16_000
"""Samples per second of all audio inside harken (mono, float32)."""


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """What the headers of a recording say about its sound."""

    duration: float | None
    """Seconds; None where the container does not say, or says what its bytes cannot hold."""
    channels: int
    sample_rate: int
    codec: str
    container: str
    has_video: bool
    """Moving pictures; a cover image is none."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its place in the recording: ``[start, end)`` in seconds."""

    start: float
    end: float
    text: str
    """With the blank before it, where the language writes one; joined words give the segment's text."""
    probability: float
    """Mean probability of the word's tokens, 0 to 1."""
    speaker: str | None = None
    """Id of the :class:`Speaker`; None where nobody looked, or nobody speaks there."""
    speaker_confidence: float | None = None
    """How likely it is, 0 to 1, that the speaker is the right one; None where there is only one."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of words that the recogniser gave as one piece, ``[start, end)`` in seconds."""

    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    """Empty unless word times were asked for."""
    tokens: tuple[int, ...] = ()
    avg_logprob: float = 0.0
    """Mean log-probability of the tokens of the window the segment came from."""
    no_speech_prob: float = 0.0
    """The recogniser's own probability that the window holds no speech."""
    compression_ratio: float = 0.0
    """zlib ratio of the window's text; high values mean repetition."""
    temperature: float = 0.0
    """The sampling temperature that gave the text."""
    language: str | None = None
    """ISO 639-1 code that the window was decoded in."""
    channel: int | None = None
    """Channel of the recording, from 0, when every channel is transcribed on its own."""
    speaker: str | None = None
    """Id of the :class:`Speaker` of most of it; None as for words."""
    speaker_confidence: float | None = None
    """As for words."""


class DropReason(enum.StrEnum):
    """Why text that the recogniser wrote is not in the transcript."""

    NO_SPEECH = "no_speech"
    LOW_CONFIDENCE = "low_confidence"
    REPETITION = "repetition"


@dataclass(frozen=True, slots=True)
class Dropped:
    """Text that was left out, where it stood and why."""

    start: float
    end: float
    text: str
    reason: DropReason
    avg_logprob: float = 0.0
    no_speech_prob: float = 0.0


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a recording that is recognised as one piece: at most 30 s, ``[start, end)`` in seconds."""

    start: float
    end: float
    speech: tuple[tuple[float, float], ...] = ()
    """The detected speech inside it; empty when speech detection was off."""
    channel: int | None = None

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class WindowResult:
    """What the recogniser heard in one window."""

    window: Window
    segments: tuple[Segment, ...] = ()
    dropped: tuple[Dropped, ...] = ()
    language: str | None = None
    language_probability: float | None = None
    """None when the language was given, not detected."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the detected speech became text. Both in seconds; ``speech`` is 0 without speech detection."""

    speech: float = 0.0
    missed: float = 0.0
    """Seconds of detected speech that got no words."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time went, in seconds of wall clock."""

    queued: float = 0.0
    processing: float = 0.0

    @property
    def total(self) -> float:
        """Waiting and work together."""
        return self.queued + self.processing


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said in a recording."""

    segments: tuple[Segment, ...]
    language: str
    """ISO 639-1 code; of a recording with several languages, the one with most speech."""
    duration: float
    """Seconds of audio that were decoded."""
    model: str
    """Canonical name of the model that was really used."""
    language_probability: float | None = None
    languages: tuple[tuple[str, float], ...] = ()
    """Every language heard, with its seconds of speech, most first."""
    task: Task = "transcribe"
    dropped: tuple[Dropped, ...] = ()
    coverage: Coverage = field(default_factory=Coverage)
    warnings: tuple[str, ...] = ()
    timing: Timing = field(default_factory=Timing)
    turns: tuple[Turn, ...] = ()
    """Who spoke when; empty unless speakers were asked for."""
    speakers: tuple[Speaker, ...] = ()
    """Everyone who speaks; empty unless speakers were asked for and found."""

    @property
    def text(self) -> str:
        """The whole text, the segments' texts joined as the language writes them."""
        return "".join(segment.text for segment in self.segments).strip()

    @property
    def words(self) -> tuple[Word, ...]:
        """Every word of every segment; empty unless word times were asked for."""
        return tuple(word for segment in self.segments for word in segment.words)

    def named(self, names: Mapping[str, str | None]) -> Transcript:
        """The same with names for speakers by id; None takes a name away. What a voice was likened to is forgotten."""
        speakers = (
            replace(speaker, name=names[speaker.id], similarity=None) if speaker.id in names else speaker
            for speaker in self.speakers
        )
        return replace(self, speakers=tuple(speakers))
