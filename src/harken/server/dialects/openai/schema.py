# SPDX-License-Identifier: Apache-2.0
"""What ``/openapi.json`` says of this dialect: the fields of its forms, and every status code with its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harken.pipeline.validation import MAX_NAME, MAX_SPEAKERS
from harken.server import documents
from harken.server.dialects.openai.answers import (
    Deleted,
    DiarizedTranscription,
    Error,
    Forgotten,
    JobList,
    Model,
    ModelList,
    Transcription,
    TranscriptionJob,
    TranscriptionStage,
    VerboseTranscription,
    Voice,
    VoiceList,
)
from harken.server.dialects.openai.fields import FORMATS
from harken.server.dialects.openai.speakers import MAX_REFERENCES
from harken.server.documents import Documented

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
        "model": Transcription | VerboseTranscription | DiarizedTranscription,
        "content": {**_FILES, **_STREAM},
    }
}
RESULT: Documented = {
    200: {
        "description": "The transcript, in the format asked for",
        "model": Transcription | VerboseTranscription | DiarizedTranscription,
        "content": _FILES,
    }
}
ACCEPTED: Documented = {202: {"description": "The job", "model": TranscriptionJob}}
JOB: Documented = {200: {"description": "The job", "model": TranscriptionJob}}
JOB_LIST: Documented = {200: {"description": "A page of jobs", "model": JobList}}
DELETED: Documented = {200: {"description": "The job is gone", "model": Deleted}}
EVENTS: Documented = {200: {"description": "Server-sent events", "content": _STREAM}}
STAGE: Documented = {202: {"description": "The stage", "model": TranscriptionStage}}
STAGE_NOW: Documented = {200: {"description": "The stage", "model": TranscriptionStage}}
VOICE_LIST: Documented = {200: {"description": "Your voices", "model": VoiceList}}
ENROLLED: Documented = {201: {"description": "The voice", "model": Voice}}
FORGOTTEN: Documented = {200: {"description": "The voice is gone", "model": Forgotten}}
MODEL: Documented = {200: {"description": "The model", "model": Model}}
MODEL_LIST: Documented = {200: {"description": "Every model", "model": ModelList}}


def _errors(told: Mapping[int, str]) -> Documented:
    return {status: {"description": text, "model": Error} for status, text in told.items()}


_ALWAYS = _errors(documents.ALWAYS)
_UPLOAD = _errors(
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
UPLOAD_ERRORS = {**_UPLOAD, **_errors(documents.UNPAID)}
ENROL_ERRORS = {**_UPLOAD, **_errors({409: "A voice of this name is enrolled already"})}
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
CANCEL_ERRORS = _errors({409: "It has already ended"})
DIARIZATION_ERRORS = _errors(
    {
        **documents.UNPAID,
        400: "A field or the body is not valid",
        409: "The job has not completed, or this is being done already",
        410: "The recording is not kept any more",
    }
)
TEXT_ERRORS = _errors(
    {
        **documents.UNPAID,
        400: "The body is not valid, or nobody knows the model, or it cannot do this",
        408: "Nothing came for too long in the middle of the body",
        409: "The job has not completed, or this is being done already",
        413: "The body is too large",
    }
)
RETRY_ERRORS = _errors(
    {
        **documents.UNPAID,
        409: "The job has not completed, or this is being done already",
        410: "The recording is not kept any more",
    }
)
VOICE_ERRORS = _errors({404: "You have no voice of this name"})
EVENTS_ERRORS = _errors({400: "Last-Event-ID is not valid"})
MODEL_ERRORS = _errors({404: "Nobody knows this model"})


def responses(*parts: Documented) -> dict[int | str, dict[str, Any]]:
    """The answers of a route, with those that every route may give."""
    return documents.responses(_ALWAYS, *parts)


def _strings(description: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}, "description": description}


def _flag(description: str, default: bool) -> dict[str, Any]:
    return {"type": "boolean", "default": default, "description": description}


def _count(description: str) -> dict[str, Any]:
    return {"type": "integer", "minimum": 1, "maximum": MAX_SPEAKERS, "description": description}


_COUNTS: dict[str, Any] = {
    "num_speakers": _count("How many speak, where that is known"),
    "min_speakers": _count("How many speak at least"),
    "max_speakers": _count("How many speak at most"),
}
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
    "chunking_strategy": {
        "type": "string",
        "description": "`auto`, or a JSON object: `type` is `server_vad`, and `threshold`, `prefix_padding_ms`, "
        "`silence_duration_ms` tune it",
    },
    "include[]": {"type": "array", "items": {"type": "string", "enum": ["logprobs"]}},
    "keywords[]": _strings("Words whose odds are raised"),
    "vocabulary": {"type": "string", "description": "The same, separated by commas or as a JSON array"},
    "languages[]": _strings("Languages that the recording can be in; others are not detected"),
    "beam_size": {"type": "integer", "minimum": 1},
    "best_of": {"type": "integer", "minimum": 1},
    "vad_filter": _flag("Recognise only where speech is detected", default=True),
    "condition_on_previous_text": _flag("Let the text so far lead the text to come", default=False),
    "without_timestamps": _flag("One segment a window, no times inside it", default=False),
    "word_timestamps": _flag("Times for every word", default=False),
    "diarize": _flag("Tell who speaks; what follows asks for it too, and `diarized_json` and `rttm`", default=False),
    **_COUNTS,
    "known_speaker_names[]": _strings("Names of the voices in the references; without these, of enrolled voices"),
    "known_speaker_references[]": {
        **_strings("A recording of each of them as a data URL, of 2 to 10 s"),
        "maxItems": MAX_REFERENCES,
    },
    "cpu_threads": {"type": "integer", "minimum": 1, "description": "A request, capped by the operator"},
    "num_workers": {"type": "integer", "minimum": 1, "description": "A request, capped by the operator"},
    "mode": {"type": "string", "enum": ["default", "fast"], "default": "default"},
    "channels": {"type": "string", "enum": ["mix", "split"], "default": "mix"},
    "offset": {"type": "number", "minimum": 0, "default": 0, "description": "Seconds to leave out at the start"},
    "duration": {"type": "number", "minimum": 0, "description": "Seconds to recognise from there on"},
}
TRANSCRIPTION_FIELDS: dict[str, Any] = {
    **JOB_FIELDS,
    "stream": _flag(
        "Server-sent events as the text comes; for json, text, verbose_json and diarized_json", default=False
    ),
}

VOICE_FIELDS: dict[str, Any] = {
    "file": {"type": "string", "format": "binary", "description": "A recording in which only they speak"},
    "name": {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "description": "Whose voice it is"},
}
DIARIZATION_BODY: dict[str, Any] = documents.body(_COUNTS, idempotent=False)

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
            "schema": {"type": "string", "pattern": "^[0-9]{0,9}$"},
            "description": "Go on after this event",
        }
    ]
}
