# SPDX-License-Identifier: Apache-2.0
"""What ``/openapi.json`` says of this dialect: the fields of its forms, the shapes of its answers, every status code.

For documentation only: no answer is made from these classes, and a test holds every answer to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from harken.server.dialects.openai.fields import FORMATS

Documented = Mapping[int, Mapping[str, Any]]


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


_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_FILES: dict[str, Any] = {
    "text/plain": _TEXT,
    "application/x-subrip": _TEXT,
    "text/vtt": _TEXT,
    "text/tab-separated-values": _TEXT,
    "text/x-ssa": _TEXT,
}
_STREAM: dict[str, Any] = {
    "text/event-stream": {
        "schema": {
            "type": "object",
            "description": "One event; `data` is JSON",
            "required": ["data"],
            "properties": {"id": {"type": "string"}, "event": {"type": "string"}, "data": {"type": "string"}},
        }
    }
}

SYNC: Documented = {
    200: {
        "description": "The transcript, in the format asked for; with `stream=true`, server-sent events",
        "model": Transcription | VerboseTranscription,
        "content": {**_FILES, **_STREAM},
    }
}
RESULT: Documented = {
    200: {
        "description": "The transcript, in the format asked for",
        "model": Transcription | VerboseTranscription,
        "content": _FILES,
    }
}
ACCEPTED: Documented = {202: {"description": "The job", "model": TranscriptionJob}}
JOB: Documented = {200: {"description": "The job", "model": TranscriptionJob}}
JOB_LIST: Documented = {200: {"description": "A page of jobs", "model": JobList}}
DELETED: Documented = {200: {"description": "The job is gone", "model": Deleted}}
EVENTS: Documented = {200: {"description": "Server-sent events", "content": _STREAM}}
MODEL: Documented = {200: {"description": "The model", "model": Model}}
MODEL_LIST: Documented = {200: {"description": "Every model", "model": ModelList}}


def _errors(told: Mapping[int, str]) -> Documented:
    return {status: {"description": text, "model": Error} for status, text in told.items()}


_ALWAYS = _errors(
    {
        401: "No key, or one that is not valid",
        429: "Too many requests; `Retry-After` says when to come again",
        500: "The server's fault; its log has the details by request id",
    }
)
UPLOAD_ERRORS = _errors(
    {
        400: "A field or the form is not valid, or the model or language is not known",
        408: "Nothing came for too long in the middle of the upload",
        413: "The upload is too large, or the recording too long",
        415: "Not media, or media without sound",
        422: "The idempotency key was used before with another request",
        503: "A part of the server does not work, or the model is not installed and cannot be fetched",
        507: "Not enough free disk space",
    }
)
WAIT_ERRORS = _errors({409: "The job was cancelled meanwhile", 504: "Not done in the time that a request may wait"})
QUERY_ERRORS = _errors({400: "A parameter is not valid"})
JOB_ERRORS = _errors({404: "There is no such job of yours"})
RESULT_ERRORS = _errors(
    {
        400: "A parameter is not valid",
        409: "The job has not finished, or was cancelled",
        415: "The recording could not be read",
        503: "The model could not be had",
        504: "The job ran out of time",
    }
)
CANCEL_ERRORS = _errors({409: "The job has already ended"})
EVENTS_ERRORS = _errors({400: "Last-Event-ID is not valid"})
MODEL_ERRORS = _errors({404: "Nobody knows this model"})


def responses(*parts: Documented) -> dict[int | str, dict[str, Any]]:
    """The answers of a route, with those that every route may give."""
    told: dict[int | str, dict[str, Any]] = {}
    for part in (_ALWAYS, *parts):
        told.update({status: dict(text) for status, text in part.items()})
    return told


def _strings(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _flag(description: str, default: bool) -> dict[str, Any]:
    return {"type": "boolean", "default": default, "description": description}


_FORMAT: dict[str, Any] = {"type": "string", "enum": list(FORMATS), "default": "json"}
_GRANULARITIES: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "enum": ["segment", "word"]},
    "description": "What `verbose_json` lists, and whether words get times",
}

JOB_FIELDS: dict[str, Any] = {
    "file": {"type": "string", "format": "binary", "description": "The recording: anything FFmpeg reads, video too"},
    "model": {
        "type": "string",
        "description": "Any model, alias or preset of `/v1/models`; the default is the server's",
    },
    "language": {"type": "string", "description": "ISO 639-1 code, English name, or `auto`"},
    "response_format": _FORMAT,
    "timestamp_granularities[]": _GRANULARITIES,
    "prompt": {"type": "string", "description": "Text that is taken as said before the recording"},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
    "chunking_strategy": {"type": "string", "description": '`auto`, or the JSON object `{"type": "server_vad"}`'},
    "include[]": {"type": "array", "items": {"type": "string", "enum": ["logprobs"]}},
    "keywords[]": _strings("Words whose odds are raised"),
    "vocabulary": {"type": "string", "description": "The same, separated by commas or as a JSON array"},
    "languages[]": _strings("One language, the same as `language`"),
    "beam_size": {"type": "integer", "minimum": 1},
    "best_of": {"type": "integer", "minimum": 1},
    "vad_filter": _flag("Recognise only where speech is detected", default=True),
    "condition_on_previous_text": _flag("Let the text so far lead the text to come", default=False),
    "without_timestamps": _flag("One segment a window, no times inside it", default=False),
    "word_timestamps": _flag("Times for every word", default=False),
    "cpu_threads": {"type": "integer", "minimum": 1, "description": "A request, capped by the operator"},
    "num_workers": {"type": "integer", "minimum": 1, "description": "A request, capped by the operator"},
    "mode": {"type": "string", "enum": ["default", "fast"], "default": "default"},
    "channels": {"type": "string", "enum": ["mix", "split"], "default": "mix"},
    "offset": {"type": "number", "minimum": 0, "default": 0, "description": "Seconds to leave out at the start"},
    "duration": {"type": "number", "minimum": 0, "description": "Seconds to recognise from there on"},
}
TRANSCRIPTION_FIELDS: dict[str, Any] = {
    **JOB_FIELDS,
    "stream": _flag("Server-sent events as the text comes; for json, text and verbose_json", default=False),
}

RESULT_QUERY: dict[str, Any] = {
    "parameters": [
        {"name": "response_format", "in": "query", "schema": _FORMAT, "description": "Else what the job was made with"},
        {"name": "timestamp_granularities[]", "in": "query", "schema": _GRANULARITIES},
    ]
}
EVENTS_HEADERS: dict[str, Any] = {
    "parameters": [
        {
            "name": "Last-Event-ID",
            "in": "header",
            "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
            "description": "Go on after this event",
        }
    ]
}


def form(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The request body of a route that takes a form."""
    return {
        "parameters": [
            {
                "name": "Idempotency-Key",
                "in": "header",
                "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
                "description": "The same key, body and caller give the same job",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {
                    "schema": {"type": "object", "required": ["file"], "properties": dict(fields)},
                }
            },
        },
    }
