# SPDX-License-Identifier: Apache-2.0
"""What ``/openapi.json`` says of this dialect, for the documentation alone.

A test holds every answer to it.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from harken.server.dialects.audio.fields import MODEL
from harken.server.documents import ALWAYS, RECORDING, UNPAID, Detail, body, details, responses


class AudioResult(BaseModel):
    """A transcript, the text that was made of it, and what both were really made with."""

    transcript: str
    formatted: str = Field(description="Markdown")
    job_id: str
    model: str
    language: str | None
    duration: float = Field(description="Seconds")
    formatted_by: str = Field(description="`extractive`, or the language model by its name")
    generated: bool = Field(description="Whether a language model wrote it; else every sentence is the transcript's")
    warnings: list[str]


class AudioAccepted(BaseModel):
    """A job that is to be asked after."""

    job_id: str
    warnings: list[str]


class AudioStatus(BaseModel):
    """How a job stands."""

    stage: Literal["transcribing", "formatting", "done", "error"]
    job_id: str
    warnings: list[str]
    progress: int | None = Field(None, ge=0, le=100, description="Percent; not there in error")
    transcript: str | None = Field(None, description="There from `formatting` on, and in error where it was done")
    formatted: str | None = Field(None, description="There when done")
    error: str | None = Field(None, description="There in error")
    model: str | None = Field(None, description="This and what follows is there when done")
    language: str | None = None
    duration: float | None = None
    formatted_by: str | None = None
    generated: bool | None = None


class AudioFailure(Detail):
    """What went wrong; where only the formatting did, the transcript is beside it, and the job keeps it."""

    transcript: str | None = None
    job_id: str | None = None


_FAILURES = {
    422: "The idempotency key was used before with another request, or the language model will not answer this",
    500: ALWAYS[500],
    502: "The language model's server is not set up right, or its answer cannot be used",
    503: "A part of the server or the language model does not work, or the model is not installed and cannot be had",
    504: "Not done in the time that a request may wait",
}
PROCESS: dict[int | str, dict[str, Any]] = responses(
    details(
        {
            **ALWAYS,
            **UNPAID,
            408: "Nothing came for too long in the middle of the upload",
            413: "The upload is too large, or the recording too long",
            415: "Not media, or media without sound",
            507: "Not enough free disk space",
        }
    ),
    {
        400: {"description": "A field or the form is not valid, or the model is not known", "model": AudioFailure},
        409: {"description": "The job was cancelled meanwhile", "model": AudioFailure},
        **{status: {"description": text, "model": AudioFailure} for status, text in _FAILURES.items()},
        200: {"description": "The transcript and the formatted text (`async_mode` 0)", "model": AudioResult},
        202: {"description": "The job (`async_mode` 1)", "model": AudioAccepted},
    },
)
AGAIN: dict[int | str, dict[str, Any]] = responses(
    details(
        {
            **ALWAYS,
            **UNPAID,
            400: "The instruction is none that can be followed, or the body is not valid",
            404: "There is no such job of yours, or it has expired",
            409: "There is no transcript yet, or it is being formatted already",
        }
    ),
    {202: {"description": "The job; ask how it stands", "model": AudioAccepted}},
)
STATUS: dict[int | str, dict[str, Any]] = responses(
    details({**ALWAYS, 404: "There is no such job of yours, or it has expired", 503: "The database does not answer"}),
    {200: {"description": "How the job stands", "model": AudioStatus}},
)

_INSTRUCTION: dict[str, Any] = {
    "type": "string",
    "default": "",
    "description": "What to make of it, such as `Format as meeting notes with action items`; empty asks for clean "
    "paragraphs, with the speakers' names where there are several",
}
AGAIN_BODY: dict[str, Any] = body(
    {"instruction": {"type": "string", "description": "None, or empty: the one that it was made with"}},
    idempotent=False,
)
FIELDS: dict[str, Any] = {
    "file": RECORDING,
    "instruction": _INSTRUCTION,
    MODEL: {"type": "string", "description": "Any model, alias or preset; the default is the server's (`base`)"},
    "async_mode": {
        "type": "string",
        "enum": ["0", "1"],
        "default": "0",
        "description": "0 waits for the text; 1 answers with a `job_id` at once",
    },
}
