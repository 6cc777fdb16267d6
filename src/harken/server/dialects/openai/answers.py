# SPDX-License-Identifier: Apache-2.0
"""The shapes of this dialect's answers, for the documentation alone: no answer is made from these classes.

A test holds every answer to them.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field


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
    """A word, in seconds."""

    word: str
    start: float
    end: float


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


class JobError(BaseModel):
    """Why a job failed."""

    code: str
    message: str


class TranscriptionJob(BaseModel):
    """A job. Times are seconds since the epoch, `progress` is 0 to 1."""

    id: str
    object: Literal["transcription.job"]
    status: Literal["queued", "processing", "completed", "failed", "cancelled"]
    progress: float
    position: float = Field(description="Seconds of audio that are done")
    duration: float | None
    model: str | None
    language: str | None
    task: Literal["transcribe", "translate"]
    response_format: str
    filename: str
    size: int
    created_at: float
    started_at: float | None
    ended_at: float | None
    cancel_requested: bool
    error: JobError | None
    warnings: list[str]


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
