# SPDX-License-Identifier: Apache-2.0
"""What ``/openapi.json`` says of this dialect, for the documentation, and what its JSON bodies must be.

A test holds every answer to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harken.server import documents
from harken.server.documents import Documented
from harken.server.figures import Told


class HostedError(BaseModel):
    """What went wrong, for programs and for people."""

    error: str
    message: str


class HostedAccepted(BaseModel):
    """A job was made, or is there already by its idempotency key."""

    id: str
    status: Told
    estimated_credits: float | None = Field(description="None as long as nobody knows how long the recording is")
    warnings: list[str] | None = None


class HostedSpeaker(BaseModel):
    """Somebody who speaks."""

    id: str
    label: str = Field(description="The name, once somebody gave one")
    speaking_time: float = Field(description="Seconds")


class HostedWord(BaseModel):
    """A word, in seconds."""

    start: float
    end: float
    word: str
    speaker: str | None
    confidence: float = Field(ge=0, le=1)


class HostedSegment(BaseModel):
    """A segment, in seconds; without times where none were asked for."""

    start: float | None = None
    end: float | None = None
    text: str
    speaker: str | None = Field(description="The speaker's label")
    confidence: float = Field(ge=0, le=1)
    words: list[HostedWord] | None = Field(None, description="With `word_timestamps`")


class HostedResult(BaseModel):
    """A job: how far it is, why it failed, or everything that came of it."""

    id: str
    status: Told
    progress: int | None = Field(None, ge=0, le=100, description="Percent, while it is processing")
    error: str | None = Field(None, description="This and the next are there when it failed")
    error_message: str | None = None
    transcript: str | None = Field(None, description="This and what follows is there when it is completed")
    duration_seconds: float | None = None
    language: str | None = None
    model: str | None = None
    credits_used: float | None = None
    speakers: list[HostedSpeaker] | None = None
    summary: str | None = Field(None, description="null where none was asked for, or made: see `warnings`")
    topics: list[str] | None = None
    warnings: list[str] | None = None
    segments: list[HostedSegment] | None = Field(None, description="With `segments=true`")


class HostedListed(BaseModel):
    """A job in a list; `created_at` is seconds since the epoch."""

    id: str
    status: Told
    progress: int = Field(ge=0, le=100)
    filename: str
    url: str | None = Field(description="Where the recording was fetched, if it was")
    created_at: float
    duration_seconds: float | None
    error: str | None = None
    error_message: str | None = None


class HostedList(BaseModel):
    """Your jobs, newest first; `next_cursor` asks for more."""

    transcriptions: list[HostedListed]
    next_cursor: str | None


class HostedLanguage(BaseModel):
    """A language; the code is empty where it is to be found out."""

    code: str
    name: str


class HostedLanguages(BaseModel):
    """Every language."""

    languages: list[HostedLanguage]


class HostedTry(BaseModel):
    """A try to deliver; `at` is seconds since the epoch."""

    at: float
    seconds: float
    delivered: bool
    status_code: int | None
    reason: str | None


class HostedDelivery(BaseModel):
    """A message to a webhook; times are seconds since the epoch."""

    id: str
    transcription_id: str
    url: str
    status: Literal["waiting", "delivered", "failed", "paused"]
    created_at: float
    next_try_at: float | None
    ended_at: float | None
    tries: list[HostedTry]


class HostedDeliveries(BaseModel):
    """What was and is to be delivered, newest first; `next_cursor` asks for more."""

    webhooks: list[HostedDelivery]
    next_cursor: str | None


class HostedSecret(BaseModel):
    """What messages are signed with; `previous` are signed with too for a day after a rotation."""

    secret: str
    previous: list[str]


class HostedNames(BaseModel):
    """Names of speakers by their ids; null takes a name away."""

    model_config = ConfigDict(extra="forbid", strict=True)

    speakers: dict[str, str | None]


def _flag(description: str, *, default: bool = False) -> dict[str, Any]:
    # Forms know no types, and clients write yes in many ways.
    ways = [True, False, 1, 0, *("true", "false", "1", "0", "yes", "no", "on", "off", "")]
    return {"enum": ways, "default": default, "description": description}


_OPTIONS: dict[str, Any] = {
    "model": {
        "type": "string",
        "description": "Any model, alias or preset, such as `whisper-large-v3`; the default is the server's",
    },
    "language": {"type": "string", "description": "ISO 639-1 code or English name; empty finds it out"},
    "diarization": _flag("Find out who speaks"),
    "timestamps": _flag("Tell segments with their times", default=True),
    "word_timestamps": _flag("Tell words with their times"),
    "summary": _flag("Write a summary, and name the topics"),
    "webhook_url": {"type": "string", "description": "Where the result is sent when it is there"},
}
FORM: dict[str, Any] = documents.form(
    {
        "file": documents.RECORDING,
        **_OPTIONS,
        "vocabulary": {
            "type": "string",
            "description": "Words that are likely to be said: a JSON array, or with commas between them",
        },
    }
)
URL: dict[str, Any] = documents.body(
    {
        "url": {"type": "string", "description": "A recording, or a page that yt-dlp finds one on"},
        **_OPTIONS,
        "vocabulary": {
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}],
            "description": "Words that are likely to be said",
        },
    },
    required=("url",),
)
NAMES: dict[str, Any] = documents.document(HostedNames, idempotent=False)


def _errors(told: Mapping[int, str]) -> Documented:
    return {status: {"description": text, "model": HostedError} for status, text in told.items()}


def _answer(status: int, kind: type[BaseModel], text: str) -> Documented:
    return {status: {"description": text, "model": kind}}


_ALWAYS = _errors({**documents.ALWAYS, 403: "Your key may not do this", 503: "A part of the server does not work"})
_STARTED = _errors(
    {
        400: "A field or the body is not valid, the model or language is not known, or a URL must not be called",
        402: "Your credits do not cover this",
        408: "Nothing came for too long in the middle of the body",
        422: "The idempotency key was used before with another request",
    }
)
_QUERY = _errors({400: "A parameter is not valid"})
_MISSING = _errors({404: "There is no such transcription of yours"})


def _responses(*parts: Documented) -> dict[int | str, dict[str, Any]]:
    return documents.responses(_ALWAYS, *parts)


START = _responses(
    _STARTED,
    _errors(
        {
            413: "The upload is too large, or the recording too long",
            415: "Not media, or media without sound",
            507: "Not enough free disk space",
        }
    ),
    _answer(202, HostedAccepted, "The job"),
)
START_URL = _responses(_STARTED, _errors({507: "Not enough free disk space"}), _answer(202, HostedAccepted, "The job"))
RESULT = _responses(_QUERY, _MISSING, _answer(200, HostedResult, "The job as it stands"))
RENAMED = _responses(
    _errors(
        {
            400: "There is no such speaker, or that is no name",
            408: "Nothing came for too long in the middle of the body",
            409: "It has not completed, or it is being found out anew who speaks",
            413: "The body is too large",
        }
    ),
    _MISSING,
    _answer(200, HostedResult, "The job, with the names"),
)
DELETED = _responses(_MISSING, {204: {"description": "It is gone, with its recording and its text"}})
LIST = _responses(_QUERY, _answer(200, HostedList, "A page of jobs"))
LANGUAGES = _responses(_answer(200, HostedLanguages, "Every language"))
DELIVERIES = _responses(_QUERY, _answer(200, HostedDeliveries, "A page of deliveries"))
REPLAYED = _responses(
    _errors({404: "There is no such delivery of yours"}), _answer(202, HostedDelivery, "It is tried again at once")
)
SECRET = _responses(_answer(200, HostedSecret, "What messages are signed with"))
