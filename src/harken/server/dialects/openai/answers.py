# SPDX-License-Identifier: Apache-2.0
"""The shapes of this dialect's answers, for the documentation alone: no answer is made from these classes.

A test holds every answer to them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from harken.server.dialects.openai.text_answers import WrittenText

Kind = Literal["diarize", "summarise", "format", "chat"]
"""What is done with a transcript."""


class ErrorDetail(BaseModel):
    """What went wrong: `code` is stable and for programs, `message` is for people, `param` names the field at fault."""

    message: str
    type: str
    code: str
    param: str | None
    request_id: str


class Error(BaseModel):
    """Every error of this API."""

    error: ErrorDetail


class WordTime(BaseModel):
    """A word, in seconds; its speaker, where speakers were asked for."""

    word: str
    start: float
    end: float
    speaker: str | None = None
    speaker_confidence: float | None = None


class SpeakerTime(BaseModel):
    """Someone who speaks, and for how many seconds; `similarity` to the known voice that gave the name."""

    id: str
    label: str
    name: str | None
    similarity: float | None
    speaking_time: float


class TurnTime(BaseModel):
    """A stretch in which one speaker speaks, in seconds; turns may overlap."""

    start: float
    end: float
    speaker: str = Field(description="The id of the speaker")
    confidence: float | None


class LanguageTime(BaseModel):
    """A language that was heard, and for how many seconds."""

    code: str
    seconds: float


class FullSegment(BaseModel):
    """A segment, in seconds."""

    id: int
    start: float
    end: float
    text: str
    language: str | None
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    temperature: float
    channel: int | None = None
    speaker: str | None = Field(default=None, description="The id of the speaker, where speakers were asked for")
    speaker_confidence: float | None = None
    words: list[WordTime] | None = None


class Timing(BaseModel):
    """Where the time went, in seconds."""

    queued: float
    processing: float
    total: float


class Runtime(BaseModel):
    """What was really used."""

    model: str
    mode: str


class Coverage(BaseModel):
    """Seconds of detected speech, and how many of them got no words."""

    speech: float
    missed: float


class Usage(BaseModel):
    """Seconds of audio."""

    type: Literal["duration"]
    seconds: float


class Transcription(BaseModel):
    """`response_format=json`."""

    text: str
    task: Literal["transcribe", "translate"]
    language: str = Field(description="ISO 639-1 code")
    language_probability: float | None
    languages: list[LanguageTime]
    duration: float
    segments: list[FullSegment]
    timing: Timing
    runtime: Runtime
    coverage: Coverage
    dropped: list[dict[str, Any]] = Field(description="Text that was left out, and why")
    usage: Usage
    warnings: list[str]
    job_id: str
    speakers: list[SpeakerTime] | None = None
    turns: list[TurnTime] | None = None


class VerboseSegment(BaseModel):
    """A segment as OpenAI tells it."""

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    speaker: str | None = Field(default=None, description="The id of the speaker, where speakers were asked for")
    speaker_confidence: float | None = None


class VerboseTranscription(BaseModel):
    """`response_format=verbose_json`."""

    task: Literal["transcribe", "translate"]
    language: str = Field(description="English name, in lower case")
    duration: float
    text: str
    usage: Usage
    warnings: list[str]
    segments: list[VerboseSegment] | None = None
    words: list[WordTime] | None = None
    speakers: list[SpeakerTime] | None = None
    turns: list[TurnTime] | None = None


class DiarizedSegment(BaseModel):
    """A segment as OpenAI tells it with its speaker: the name of a known voice, else `A`, `B` and so on."""

    type: Literal["transcript.text.segment"]
    id: str
    start: float
    end: float
    speaker: str
    speaker_confidence: float | None
    text: str


class DiarizedTranscription(BaseModel):
    """`response_format=diarized_json`."""

    task: Literal["transcribe", "translate"]
    duration: float
    text: str
    segments: list[DiarizedSegment]
    usage: Usage
    speakers: list[SpeakerTime]
    turns: list[TurnTime]
    language: str
    warnings: list[str]


class JobError(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class TranscriptionStage(BaseModel):
    """Work on a job's transcript. Times are seconds since the epoch, `progress` is 0 to 1."""

    id: str
    object: Literal["transcription.stage"]
    job_id: str
    kind: Kind
    status: Literal["queued", "processing", "completed", "failed", "cancelled"]
    progress: float
    created_at: float
    started_at: float | None
    ended_at: float | None
    cancel_requested: bool
    error: JobError | None
    result: WrittenText | None = Field(description="What text work came to; other work changes the transcript")
    warnings: list[str] | None = None


class TranscriptionJob(BaseModel):
    """A job. Times are seconds since the epoch, `progress` is 0 to 1."""

    id: str
    object: Literal["transcription.job"]
    status: Literal["queued", "processing", "completed", "failed", "cancelled"]
    stage: Kind | None = Field(description="What is being done with the transcript of a running job")
    progress: float
    position: float = Field(description="Seconds of audio that are done")
    duration: float | None
    model: str | None
    language: str | None
    task: Literal["transcribe", "translate"]
    diarize: bool
    response_format: str
    filename: str
    size: int
    created_at: float
    started_at: float | None
    ended_at: float | None
    cancel_requested: bool
    error: JobError | None
    warnings: list[str]
    stages: list[TranscriptionStage] | None = Field(default=None, description="Of one job; lists leave them out")


class JobList(BaseModel):
    """A page of jobs, newest first; `next_cursor` asks for the next."""

    object: Literal["list"]
    data: list[TranscriptionJob]
    has_more: bool
    next_cursor: str | None


class Deleted(BaseModel):
    """A job is gone."""

    id: str
    object: Literal["transcription.job"]
    deleted: Literal[True]


class Voice(BaseModel):
    """An enrolled voice, and how many seconds of speech it was made from."""

    object: Literal["voice"]
    name: str
    seconds: float
    created_at: float


class VoiceList(BaseModel):
    """Your enrolled voices, by name."""

    object: Literal["list"]
    data: list[Voice]


class Forgotten(BaseModel):
    """A voice is gone."""

    object: Literal["voice"]
    name: str
    deleted: Literal[True]


class Model(BaseModel):
    """A name that requests may give as `model`, and the model behind it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    model: str
    aliases: list[str]
    description: str
    multilingual: bool
    translates: bool
    installed: bool
    default: bool


class ModelList(BaseModel):
    """Every model."""

    object: Literal["list"]
    data: list[Model]
