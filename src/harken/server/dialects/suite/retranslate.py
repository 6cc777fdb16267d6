# SPDX-License-Identifier: Apache-2.0
"""A span of a recording transcribed again: of a clip that the client sends, or of a recording that is still kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from harken.errors import InvalidOption
from harken.model import Job, Options
from harken.pipeline.validation import MAX_NAME, MAX_SECONDS
from harken.server import bodies
from harken.server.desk import Desk, idempotency_key, known
from harken.server.dialects.suite import schema, text_schema, text_shapes
from harken.server.documents import document, form
from harken.server.forms import Fields, ignored
from harken.server.middleware import JOB

T = TypeVar("T")

PREFIX = "/api/retranslate"
_LATER = "send long recordings to /api/transcribe/"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a request asks for; times in seconds."""

    segment_id: str | None
    start: float | None
    end: float | None
    options: Options
    warnings: tuple[str, ...]


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""

    @routes.post(PREFIX + "/segment/", include_in_schema=False, dependencies=[Depends(desk.slot)])
    @routes.post(
        PREFIX + "/segment",
        summary="Transcribe a clip again",
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=form(text_schema.CLIP_FIELDS, required=("file", "segment_id")),
        responses=schema.responses(text_schema.HEARD, schema.UPLOAD_ERRORS, text_schema.WAIT_ERRORS),
    )
    async def segment(request: Request) -> JSONResponse:
        async with desk.uploads.receive(
            request, check=lambda form: desk.service.check(_read(Fields(form.fields)).options, desk.caller(request))
        ) as (told, upload):
            asked = _read(Fields(told.fields), told.ignored)
            segment_id = _required("segment_id", asked.segment_id)
            job = await desk.submit(request, upload, asked.options, waits=True, warnings=asked.warnings)
        job, transcript = await desk.transcript(request, job, later=_LATER)
        return JSONResponse(text_shapes.heard(segment_id, job, transcript, None))

    @routes.post(PREFIX + "/segment-from-full/", include_in_schema=False, dependencies=[Depends(desk.slot)])
    @routes.post(
        PREFIX + "/segment-from-full",
        summary="Transcribe a span of a job's recording again",
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=document(text_schema.SuiteSpan),
        responses=schema.responses(text_schema.HEARD, text_schema.SPAN_ERRORS, text_schema.WAIT_ERRORS),
    )
    async def segment_from_full(request: Request, job_id: Annotated[str, Query(max_length=100)]) -> JSONResponse:
        asked = _read(await bodies.fields(request))
        segment_id = _required("segment_id", asked.segment_id)
        start, end = _required("start_time", asked.start), _required("end_time", asked.end)
        key = idempotency_key(request)
        whole, caller = known(job_id), desk.caller(request)

        def again() -> tuple[Job, str | None]:
            speaker = text_shapes.speaker_of(desk.service.draft(whole, caller.waiting()), start, end)
            return desk.service.hear_again(
                whole, start, end, asked.options, caller, idempotency_key=key, warnings=asked.warnings
            ), speaker

        job, speaker = await desk.work(again)
        request.state.headers[JOB] = job.id
        job, transcript = await desk.transcript(request, job, later=_LATER)
        return JSONResponse(text_shapes.heard(segment_id, job, transcript, speaker))


def _read(fields: Fields, left_out: Sequence[str] = ()) -> _Asked:
    """What the fields say, as far as they have come. Raises InvalidOption."""
    segment_id = fields.text("segment_id")
    if segment_id is not None and len(segment_id) > MAX_NAME:
        raise fields.bad("segment_id", f"has more than {MAX_NAME} characters")
    start, end = fields.number("start_time", 0, MAX_SECONDS), fields.number("end_time", 0, MAX_SECONDS)
    if start is not None and end is not None and end <= start:
        raise fields.bad("end_time", "must be after start_time")
    options = Options(
        model=fields.text("model_name"),
        language=fields.text("language"),
        word_timestamps=True,  # the probabilities of words come with their times
    )
    return _Asked(segment_id, start, end, options, tuple(ignored((*fields.unread(), *left_out))))


def _required(name: str, value: T | None) -> T:
    if value is None:
        raise InvalidOption(f"{name} is missing", param=name)
    return value
