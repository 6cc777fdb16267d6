# SPDX-License-Identifier: Apache-2.0
"""What clients send to have text written: a transcript, and what is to be made of it. Every field is checked or told.

The classes are also what ``/openapi.json`` says of these bodies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import Request
from pydantic import Field

from harken.errors import InvalidOption, UploadTooLarge
from harken.model import Job, Segment, Speaker, Stage, Transcript
from harken.pipeline.validation import MAX_NAME, MAX_SECONDS
from harken.server import bodies
from harken.server.desk import Desk, idempotency_key
from harken.server.middleware import JOB
from harken.server.tasks import AskedChat, AskedSummary, Strict, unknown
from harken.text import words
from harken.text.spoken import transcript_of

MOST_BYTES = 8 * 1024 * 1024
"""Of a body: some seven hours of talk with a time for every word."""
MOST_CHARACTERS = 2_000_000
"""Of a full text: a day of talk."""
MOST_SEGMENTS = 20_000
"""Or sentences: the same."""
ANSWERED = 24 * 3600.0
"""Seconds that a conversation without an idempotency key is kept if the server dies before it is answered."""
_OURS = frozenset({"id", "speaker_confidence", "start_display", "end_display", "words"})
"""What segments of results have beside: nothing to warn of."""

Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]


class GivenSegment(Strict):
    """What was said in a stretch, in seconds, and by whom, where that is known."""

    start: Seconds
    end: Seconds
    text: str
    speaker: str | None = Field(None, max_length=MAX_NAME)


class GivenText(Strict):
    """What was said: `transcript`, `full_text`, or both."""

    transcript: list[GivenSegment] | None = Field(
        None, fail_fast=True, max_length=MOST_SEGMENTS, description="Segments, as results have them"
    )
    full_text: str | None = Field(None, max_length=MOST_CHARACTERS)
    model_name: str | None = Field(None, description="A name of `/api/chat/models`; the default is the server's")

    def spoken(self) -> Transcript:
        """As a transcript, in the order of time. Raises InvalidOption where there is nothing in it, UploadTooLarge."""
        given = self.transcript or []
        for place, one in enumerate(given):
            if one.end < one.start:
                raise InvalidOption(f"transcript[{place}].end is before its start", param=f"transcript[{place}].end")
        segments = [Segment(one.start, one.end, _joining(one.text), speaker=one.speaker or None) for one in given]
        segments.sort(key=lambda segment: segment.start)
        found = transcript_of(segments, self.full_text or "", most=MOST_SEGMENTS + 1)
        if not any(segment.text.strip() for segment in found.segments):
            raise InvalidOption("send transcript or full_text: there are no words in what was sent", param="transcript")
        if len(found.segments) > MOST_SEGMENTS:
            raise UploadTooLarge(f"full_text has more than {MOST_SEGMENTS} sentences")
        names = dict.fromkeys(one.speaker for one in found.segments if one.speaker is not None)
        if len(names) < 2:
            return found
        # Whoever reads the transcript through another door finds them there too.
        return replace(found, speakers=tuple(Speaker(name) for name in names))


class GivenSummary(GivenText, AskedSummary):
    """What was said, and the summary that is wanted of it."""


class GivenChat(GivenText, AskedChat):
    """What was said, and a conversation about it, whose last message is the user's."""


async def enter(
    request: Request, desk: Desk, kind: type[GivenSummary | GivenChat], lists: tuple[str, ...] = ("transcript",)
) -> tuple[Job, Stage]:
    """Make a job of a request's body; its id goes out as a header. ``lists`` are fields that hold objects.

    Raises InvalidRequest, UnknownModel, UploadTooLarge, QueueFull, IdempotencyConflict; then nothing was made.
    """
    key = idempotency_key(request)
    body = await bodies.whole(request, MOST_BYTES)

    def make() -> tuple[Job, Stage]:
        with bodies.ONE_AT_A_TIME:
            given = bodies.document(body, kind)
            spoken, task, warnings = given.spoken(), given.task(given.model_name), unknown(given, lists, _OURS)
            del given
        keep = ANSWERED if kind is GivenChat and key is None else None
        return desk.service.texts.write(
            spoken, task, desk.caller(request), idempotency_key=key, warnings=warnings, keep=keep
        )

    job, stage = await desk.work(make)
    request.state.headers[JOB] = job.id
    return job, stage


def _joining(text: str) -> str:
    """A segment's text with the blank before it that keeps it from what was said before."""
    return text if text[:1].isspace() or words.unspaced(text) else f" {text}"
