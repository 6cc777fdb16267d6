# SPDX-License-Identifier: Apache-2.0
"""The nouns of harken: words, segments, speakers, transcripts, options and jobs.

Frozen dataclasses and enums, times in seconds, no I/O. Everything else imports this module and this module imports
nothing of harken, so it knows no engine, no database and no dialect.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

SAMPLE_RATE = 16_000
"""Samples per second of all audio inside harken (mono, float32)."""

Task = Literal["transcribe", "translate"]
Mode = Literal["default", "fast"]
Channels = Literal["mix", "split"]


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


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch ``[start, end)`` in seconds in which one speaker speaks. Turns of two speakers may overlap."""

    start: float
    end: float
    speaker: str
    """Id of the :class:`Speaker`."""
    confidence: float | None = None
    """How likely it is, 0 to 1, that the speaker is the right one; None where there is only one."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """Someone who speaks in a recording."""

    id: str
    """``SPEAKER_00`` and so on, in the order in which they first speak."""
    speaking_time: float = 0.0
    """Seconds, those included in which others speak too."""
    centroid: tuple[float, ...] = ()
    """The voice: a vector of length 1 to compare with others by cosine. Empty where no voice was compared."""
    name: str | None = None
    """Who it is, where a known voice matched or somebody gave the name."""
    similarity: float | None = None
    """Cosine to the known voice that gave the name."""

    @property
    def label(self) -> str:
        """The name, or the id where there is none."""
        return self.name or self.id


@dataclass(frozen=True, slots=True)
class KnownVoice:
    """A voice with a name, to be found again in recordings."""

    name: str
    centroid: tuple[float, ...]
    """As :attr:`Speaker.centroid`."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A known voice that somebody enrolled."""

    owner: str
    """Id of the caller whose it is; others neither see nor match it."""
    name: str
    """One of its kind among the owner's."""
    centroid: tuple[float, ...]
    """As :attr:`Speaker.centroid`."""
    seconds: float
    """Of speech that it was made from."""
    created: float
    """Seconds since the epoch."""

    @property
    def known(self) -> KnownVoice:
        """What there is to look for."""
        return KnownVoice(self.name, self.centroid)


@dataclass(frozen=True, slots=True)
class Diarization:
    """Who spoke when."""

    turns: tuple[Turn, ...] = ()
    """In the order in which they begin."""
    speakers: tuple[Speaker, ...] = ()
    """By id."""


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


@dataclass(frozen=True, slots=True)
class Options:
    """How to recognise. Defaults are the server's; ``validate`` in :mod:`harken.pipeline` checks the ranges."""

    model: str | None = None
    """Any name of the catalog; None is the default model."""
    language: str | None = None
    """ISO 639-1 code or English name; None detects it."""
    languages: tuple[str, ...] = ()
    """Languages that the recording can be in; others are not detected. Empty is any."""
    task: Task = "transcribe"
    prompt: str | None = None
    """Text that is taken as said before the first window."""
    vocabulary: tuple[str, ...] = ()
    """Words whose odds are raised in every window (hot words)."""
    word_timestamps: bool = False
    without_timestamps: bool = False
    """One segment a window, no times inside it."""
    vad_filter: bool = True
    vad_threshold: float | None = None
    """Probability, 0 to 1, from which on a sound counts as speech; None, as for the next two, leaves it to us."""
    vad_padding: float | None = None
    """Seconds of sound that are heard before and after detected speech."""
    vad_silence: float | None = None
    """Seconds of silence that end a stretch of speech."""
    condition_on_previous_text: bool = False
    beam_size: int | None = None
    """None leaves the search to the mode: greedy first, a beam where greedy is not sure."""
    best_of: int | None = None
    """Candidates when sampling at a temperature over 0."""
    temperature: float | None = None
    """None is 0 with fallback to higher temperatures; a number is used as it is, without fallback."""
    offset: float = 0.0
    """Seconds to leave out at the start; times still count from the start of the recording."""
    duration: float | None = None
    """Seconds to recognise from ``offset`` on; None is all."""
    channels: Channels = "mix"
    """``mix`` mixes channels down; ``split`` gives one transcript per channel, merged by time."""
    diarize: bool = False
    """Find out who speaks when. With ``channels="split"`` each channel is one speaker, and nothing is compared."""
    num_speakers: int | None = None
    """How many speak, where that is known."""
    min_speakers: int | None = None
    max_speakers: int | None = None
    known_voices: tuple[KnownVoice, ...] = ()
    """Voices to look for among the speakers, beside those that are enrolled."""
    mode: Mode = "default"
    """``fast`` trades accuracy for speed."""
    cpu_threads: int | None = None
    num_workers: int | None = None

    @property
    def timed_words(self) -> bool:
        """Whether the recogniser is to time words: they were asked for, or speakers are told apart by them.

        The words of a translation are not those that are heard, and a channel is one speaker: neither needs it.
        """
        return self.word_timestamps or (self.diarize and self.channels == "mix" and self.task == "transcribe")

    @property
    def speaker_counts(self) -> dict[str, Any]:
        """What is said of how many speak: options by name, as JSON types."""
        return {name: getattr(self, name) for name in ("num_speakers", "min_speakers", "max_speakers")}

    def but(self, **changes: Any) -> Options:
        """A copy with some fields changed."""
        return replace(self, **changes)


class JobState(enum.StrEnum):
    """The life of a job: queued, processing, then one of the three ends."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to the job."""
        return self in (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


class Lane(enum.StrEnum):
    """Interactive when a caller waits or the audio is short; else batch."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class StageKind(enum.StrEnum):
    """What can be done with a transcript, with the recording or without."""

    DIARIZE = "diarize"


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to transcribe, from its submission to its end. Times are seconds since the epoch."""

    id: str
    """UUID."""
    owner: str
    """Id of the caller's key; the same for everyone where no keys are set."""
    state: JobState
    lane: Lane
    options: Options
    filename: str
    """As the client named it, for display only."""
    created: float
    updated: float
    audio: str | None = None
    """Key of the recording in the blob store; None once it was swept."""
    size: int = 0
    """Bytes of the recording."""
    duration: float | None = None
    """Seconds of audio, as far as known."""
    position: float = 0.0
    """Seconds of audio that are done."""
    started: float | None = None
    ended: float | None = None
    deadline: float | None = None
    """When the job fails if it has not ended."""
    cancel_requested: bool = False
    error_code: str | None = None
    error_message: str | None = None
    warnings: tuple[str, ...] = ()
    """What the client should know of its request: fields that were ignored, say."""
    view: dict[str, Any] = field(default_factory=dict)
    """How the result was asked for (its format, say), as JSON types; only the dialect that made the job reads it."""
    attempts: int = 0
    """Times that a worker took the job up and died with it since a window of it was last saved, this time included."""
    stage: StageKind | None = None
    """What is being done with the transcript of a running job; None while it is recognised, and once it has ended."""

    @property
    def progress(self) -> float:
        """0 to 1; 1 only when completed."""
        if self.state is JobState.COMPLETED:
            return 1.0
        if not self.duration:
            return 0.0
        return min(0.99, self.position / self.duration)


@dataclass(frozen=True, slots=True)
class Stage:
    """Work on a job's transcript that can fail, be cancelled and be done again without harm to the transcript.

    A job's own stages run before it ends; one that is asked for later runs on a job that has completed. Times are
    seconds since the epoch.
    """

    id: str
    """UUID."""
    job_id: str
    kind: StageKind
    state: JobState
    created: float
    updated: float
    options: dict[str, Any] = field(default_factory=dict)
    """What it was asked to do, as JSON types; what they mean is the kind's own."""
    progress: float = 0.0
    """0 to 1; 1 only when completed."""
    started: float | None = None
    ended: float | None = None
    deadline: float | None = None
    """When it fails if it has not ended."""
    cancel_requested: bool = False
    error_code: str | None = None
    error_message: str | None = None
    attempts: int = 0
    """Times that a worker took it up and died with it, this time included."""


def plain(value: Any) -> Any:
    """A dataclass of this module, and all in it, as JSON types."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    return value


def options_from(data: dict[str, Any]) -> Options:
    """The inverse of :func:`plain` for :class:`Options`; unknown keys are left out, so older rows stay readable."""
    known = {item.name for item in fields(Options)}
    kept = {key: value for key, value in data.items() if key in known}
    for name in ("vocabulary", "languages"):
        kept[name] = tuple(kept.get(name) or ())
    kept["known_voices"] = tuple(voice_from(voice) for voice in kept.get("known_voices") or ())
    return Options(**kept)


def voice_from(data: dict[str, Any]) -> KnownVoice:
    """The inverse of :func:`plain` for :class:`KnownVoice`."""
    return KnownVoice(data["name"], tuple(data["centroid"]))


def diarization_from(data: dict[str, Any]) -> Diarization:
    """The inverse of :func:`plain` for :class:`Diarization`."""
    return Diarization(
        turns=tuple(Turn(**turn) for turn in data["turns"]),
        speakers=tuple(Speaker(**{**one, "centroid": tuple(one["centroid"])}) for one in data["speakers"]),
    )


def segment_from(data: dict[str, Any]) -> Segment:
    """The inverse of :func:`plain` for :class:`Segment`."""
    return Segment(
        **{
            **data,
            "words": tuple(Word(**word) for word in data["words"]),
            "tokens": tuple(data["tokens"]),
        }
    )


def dropped_from(data: dict[str, Any]) -> Dropped:
    """The inverse of :func:`plain` for :class:`Dropped`."""
    return Dropped(**{**data, "reason": DropReason(data["reason"])})


def window_from(data: dict[str, Any]) -> Window:
    """The inverse of :func:`plain` for :class:`Window`."""
    return Window(
        start=data["start"],
        end=data["end"],
        speech=tuple((span[0], span[1]) for span in data["speech"]),
        channel=data["channel"],
    )


def result_from(data: dict[str, Any]) -> WindowResult:
    """The inverse of :func:`plain` for :class:`WindowResult`."""
    return WindowResult(
        window=window_from(data["window"]),
        segments=tuple(segment_from(item) for item in data["segments"]),
        dropped=tuple(dropped_from(item) for item in data["dropped"]),
        language=data["language"],
        language_probability=data["language_probability"],
    )


def transcript_from(data: dict[str, Any]) -> Transcript:
    """The inverse of :func:`plain` for :class:`Transcript`; one that was saved before speakers were known has none."""
    found = diarization_from({"turns": data.get("turns", ()), "speakers": data.get("speakers", ())})
    return Transcript(
        segments=tuple(segment_from(item) for item in data["segments"]),
        language=data["language"],
        duration=data["duration"],
        model=data["model"],
        language_probability=data["language_probability"],
        languages=tuple((item[0], item[1]) for item in data["languages"]),
        task=data["task"],
        dropped=tuple(dropped_from(item) for item in data["dropped"]),
        coverage=Coverage(**data["coverage"]),
        warnings=tuple(data["warnings"]),
        timing=Timing(**data["timing"]),
        turns=found.turns,
        speakers=found.speakers,
    )
