# SPDX-License-Identifier: Apache-2.0
"""What ``/openapi.json`` says of transcription in this dialect, for the documentation alone.

A test holds every answer to it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from harken.server import documents
from harken.server.documents import Documented, details


class SuiteModel(BaseModel):
    """A name that requests may give as `model_name`."""

    name: str
    full_name: str
    is_downloaded: bool
    size_mb: float
    description: str
    is_default: bool


class SuiteModels(BaseModel):
    """Every model and preset."""

    models: list[SuiteModel]


class SuiteStarted(BaseModel):
    """A job was made, or is there already by its idempotency key."""

    job_id: str
    status: Literal["processing", "completed", "failed"]
    message: str
    warnings: list[str] | None = None


class SuiteJob(BaseModel):
    """How a job stands; `updated_at` is seconds since the epoch."""

    job_id: str
    status: Literal["processing", "completed", "failed", "not_found"]
    progress: int = Field(ge=0, le=100)
    updated_at: float
    message: str


class SuiteJobs(BaseModel):
    """Your jobs, newest first; `next_cursor` asks for more."""

    jobs: list[SuiteJob]
    count: int
    next_cursor: str | None


class SuiteWord(BaseModel):
    """A word, in seconds."""

    start: float
    end: float
    word: str
    probability: float
    speaker: str | None
    speaker_confidence: float | None


class SuiteSegment(BaseModel):
    """A segment, in seconds; who speaks is null where nobody was asked for or found."""

    start: float
    end: float
    text: str
    speaker: str | None
    speaker_confidence: float | None
    start_display: str
    end_display: str
    words: list[SuiteWord] | None = None


class SuiteResult(BaseModel):
    """A transcript, and what it was really made with."""

    segments: list[SuiteSegment]
    text: str
    language: str
    audio_duration: float
    model_used: str
    job_id: str
    warnings: list[str]


class SuiteStage(BaseModel):
    """Work on a job's transcript."""

    kind: str
    status: Literal["queued", "processing", "completed", "failed", "cancelled"]
    progress: int
    waited_seconds: float | None
    took_seconds: float | None
    attempts: int
    error: str | None


class SuiteWindows(BaseModel):
    """The stretches of the recording that were recognised so far, each at most 30 s."""

    done: int
    silent: int
    retried: int = Field(description="Recognised more than once, since the first text was not good enough")
    dropped: int = Field(description="Texts that were left out as not said")
    latest: list[dict[str, Any]]


class SuiteDebug(BaseModel):
    """What an operator wants to know of a job; seconds, and times since the epoch."""

    job_id: str
    status: Literal["processing", "completed", "failed"]
    state: Literal["queued", "processing", "completed", "failed", "cancelled"]
    stage: str | None
    progress: int
    message: str
    cached_segments: int
    latest_time: float
    audio_duration: float | None
    audio_kept: bool
    audio_bytes: int
    model: str | None
    language: str | None
    diarize: bool
    lane: Literal["interactive", "batch", "text"]
    worker: str | None
    attempts: int = Field(description="Times that a worker took it up since a window of it was last saved")
    listeners: int = Field(description="Web sockets and event streams on this job in the process that answers")
    created_at: float
    started_at: float | None
    updated_at: float
    ended_at: float | None
    deadline: float | None
    queued_seconds: float
    processing_seconds: float | None
    stages: list[SuiteStage]
    windows: SuiteWindows
    error: dict[str, str] | None
    warnings: list[str]


FIELDS: dict[str, Any] = {
    "file": documents.RECORDING,
    "model_name": {"type": "string", "description": "A name of `/api/transcribe/models`; the default is the server's"},
    "language": {"type": "string", "description": "ISO 639-1 code, English name, or `auto`"},
    "diarize": {"type": "boolean", "default": True, "description": "Find out who speaks"},
}

MODELS: Documented = {200: {"description": "Every model", "model": SuiteModels}}
STARTED: Documented = {200: {"description": "The job", "model": SuiteStarted}}
JOBS: Documented = {200: {"description": "A page of jobs", "model": SuiteJobs}}
STATUS: Documented = {200: {"description": "How it stands; `not_found` where there is no such job", "model": SuiteJob}}
RESULT: Documented = {200: {"description": "The transcript", "model": SuiteResult}}
DEBUG: Documented = {200: {"description": "What is known of the job", "model": SuiteDebug}}

UPLOAD_ERRORS = details(
    {
        **documents.UNPAID,
        400: "Not media, or a field or the form is not valid, or the model or language is not known",
        408: "Nothing came for too long in the middle of the upload",
        413: "The upload is too large, or the recording too long",
        422: "The idempotency key was used before with another request",
        503: "A part of the server does not work, or the model is not installed and cannot be fetched",
        507: "Not enough free disk space",
    }
)
QUERY_ERRORS = details({400: "A parameter is not valid"})
JOB_ERRORS = details({404: "There is no such job of yours"})
RESULT_ERRORS = details({409: "The job has not ended", 500: "The job failed, and why; or the server's fault"})

_ALWAYS = details(documents.ALWAYS)


def responses(*parts: Documented) -> dict[int | str, dict[str, Any]]:
    """The answers of a route, with those that every route may give."""
    return documents.responses(_ALWAYS, *parts)
