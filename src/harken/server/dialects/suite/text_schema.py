# SPDX-License-Identifier: Apache-2.0
"""What ``/openapi.json`` says of summaries, chat and spans heard again, for the documentation alone.

A test holds every answer to it. What bodies hold is in :mod:`harken.server.dialects.suite.given`.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from harken.pipeline.validation import MAX_NAME
from harken.server import documents
from harken.server.dialects.suite.schema import FIELDS
from harken.server.documents import Documented, details


class SuiteSource(BaseModel):
    """A segment that a text rests on, by its place in the order of time; no times where the client gave none."""

    index: int
    start: float | None
    end: float | None


class SuiteWritten(BaseModel):
    """What made a text, what it rests on, and what to be careful with."""

    model_used: str
    generated: bool = Field(description="Whether a language model wrote it; if not, every sentence was said so")
    sources: list[SuiteSource]
    warnings: list[str]


class SuiteSummaryStarted(BaseModel):
    """A summary is being made, or is there already by its idempotency key."""

    job_id: str
    status: Literal["processing", "completed", "failed"]
    message: str
    warnings: list[str] | None = None


class SuiteSummaryStatus(BaseModel):
    """How a summary stands."""

    status: Literal["processing", "completed", "failed"]
    message: str
    progress: int = Field(ge=0, le=100)


class SuiteSummary(SuiteWritten):
    """A summary; `length` is in words."""

    summary: str
    topics: list[str]
    length: int


class SuiteChatModel(BaseModel):
    """What a request may give as `model_name`."""

    id: str
    name: str
    description: str
    is_default: bool


class SuiteChatModels(BaseModel):
    """Everything that writes, the default first."""

    models: list[SuiteChatModel]


class SuiteMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: str


class SuiteUsage(BaseModel):
    """Tokens; estimates where nobody counts them."""

    prompt: int
    completion: int
    total: int


class SuiteAnswer(SuiteWritten):
    """The answer to the last message."""

    message: SuiteMessage
    usage: SuiteUsage


class SuiteHeard(BaseModel):
    """A span that was transcribed again; who speaks is null for a clip, and where nobody was asked for."""

    segment_id: str
    text: str
    confidence: float = Field(ge=0, le=1, description="Mean probability of the words")
    speaker: str | None
    model_used: str
    warnings: list[str]


class SuiteSpan(BaseModel):
    """A span of a job's recording, in seconds."""

    segment_id: str = Field(min_length=1, max_length=MAX_NAME, description="Comes back in the answer")
    start_time: float = Field(ge=0)
    end_time: float = Field(ge=0)
    model_name: str | None = Field(None, description=FIELDS["model_name"]["description"])
    language: str | None = Field(None, description=FIELDS["language"]["description"])


CLIP_FIELDS: dict[str, Any] = {
    "file": {**FIELDS["file"], "description": "The clip alone"},
    "segment_id": {"type": "string", "minLength": 1, "maxLength": MAX_NAME, "description": "Comes back in the answer"},
    "start_time": {"type": "number", "minimum": 0, "description": "Where the clip is from, in seconds; not needed"},
    "end_time": {"type": "number", "minimum": 0, "description": "Where it ends there"},
    **{name: FIELDS[name] for name in ("model_name", "language")},
}

STARTED: Documented = {200: {"description": "The job", "model": SuiteSummaryStarted}}
STATUS: Documented = {200: {"description": "How it stands", "model": SuiteSummaryStatus}}
SUMMARY: Documented = {200: {"description": "The summary", "model": SuiteSummary}}
CHAT_MODELS: Documented = {200: {"description": "What may be named", "model": SuiteChatModels}}
ANSWER: Documented = {200: {"description": "The answer", "model": SuiteAnswer}}
HEARD: Documented = {200: {"description": "The text", "model": SuiteHeard}}

BODY_ERRORS = details(
    {
        **documents.UNPAID,
        400: "The body is not valid, there is nothing in it to write about, or nobody knows the model",
        408: "Nothing came for too long in the middle of the body",
        413: "The body is too large",
        422: "The idempotency key was used before with another request",
        503: "A part of the server does not work",
    }
)
SUMMARY_ERRORS = details({404: "There is no such job of yours, or no summary was asked of it"})
SUMMARY_FAILED = details({409: "It is not done yet", 500: "It failed, and why; or the server's fault"})
CHAT_ERRORS = details(
    {
        409: "It was cancelled meanwhile",
        422: "The model will not answer this, or the idempotency key was used before with another request",
        502: "The language model's answer cannot be used, or it is not set up rightly",
        503: "The language model or a part of the server does not work for now; `Retry-After` says when to come again",
        504: "Not done in the time that a request may wait",
    }
)
SPAN_ERRORS = details(
    {
        **documents.UNPAID,
        400: "A field is not valid, the times are outside the recording, or nobody knows the model or language",
        404: "There is no such job of yours",
        408: "Nothing came for too long in the middle of the body",
        410: "The job's recording is not kept any more",
        422: "The idempotency key was used before with another request",
        503: "A part of the server does not work, or the model is not installed and cannot be fetched",
        507: "Not enough free disk space",
    }
)
WAIT_ERRORS = details({409: "It was cancelled meanwhile", 504: "Not done in the time that a request may wait"})
