# SPDX-License-Identifier: Apache-2.0
"""Transcriptions: of files and of what is at URLs, how they stand and what came of them, who speaks; the languages."""

from __future__ import annotations

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response

from harken.model import Job
from harken.server import bodies
from harken.server.desk import Desk
from harken.server.dialects.hosted import schema, shapes
from harken.server.dialects.hosted.addresses import at
from harken.server.dialects.hosted.fields import WEBHOOK, Ask, read
from harken.server.forms import Fields
from harken.server.multipart import Form
from harken.service import Ending

TRANSCRIBE = "/transcribe/"
ONE = TRANSCRIBE + "{job_id:uuid}/"


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""
    serve = partial(at, routes, response_class=JSONResponse)

    @serve(
        "POST",
        TRANSCRIBE,
        summary="Transcribe a recording",
        status_code=202,
        dependencies=[Depends(desk.slot)],
        openapi_extra=schema.FORM,
        responses=schema.START,
    )
    async def start(request: Request) -> Response:
        def ask(form: Form) -> Ask:
            return _checked(request, desk, read(Fields(form.fields), form.ignored))

        async with desk.uploads.receive(request, check=ask) as (form, upload):
            asked = await desk.call(ask, form)
            job = await desk.submit(
                request,
                upload,
                asked.options,
                waits=False,
                warnings=asked.warnings,
                view=asked.view,
                webhook=asked.webhook,
            )
        return _accepted(request, desk, job)

    @serve(
        "POST",
        TRANSCRIBE + "url/",
        summary="Transcribe a recording that is fetched from a URL",
        status_code=202,
        openapi_extra=schema.URL,
        responses=schema.START_URL,
    )
    async def start_url(request: Request) -> Response:
        fields = await bodies.fields(request)
        url = fields.text("url")
        if url is None:
            raise fields.bad("url", "is missing; name the recording, or send one to /api/v1/transcribe/")
        asked = read(fields)
        job = await desk.submit_url(
            request, url, asked.options, warnings=asked.warnings, view=asked.view, webhook=asked.webhook
        )
        return _accepted(request, desk, job)

    @serve("GET", TRANSCRIBE, summary="Your transcriptions, newest first", responses=schema.LIST)
    async def transcriptions(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
    ) -> Response:
        page = await desk.call(desk.service.jobs, desk.caller(request), limit, cursor or None)
        told = [shapes.listed(job) for job in page.jobs]
        return JSONResponse({"transcriptions": told, "next_cursor": page.next})

    @serve(
        "GET",
        ONE,
        name="transcription",
        summary="How a transcription stands, and what came of it",
        responses=schema.RESULT,
    )
    async def result(
        request: Request, job_id: UUID, segments: Annotated[bool, Query(description="Tell the segments too")] = False
    ) -> Response:
        # A long transcript takes a while to shape: not here, where everybody waits.
        return await desk.work(_told, request, desk, job_id, segments)

    @serve("PATCH", ONE, summary="Say who the speakers are", openapi_extra=schema.NAMES, responses=schema.RENAMED)
    async def name(request: Request, job_id: UUID) -> Response:
        body = await bodies.whole(request, bodies.MOST)

        def save() -> Response:
            given = bodies.document(body, schema.HostedNames)
            desk.service.name_speakers(str(job_id), given.speakers, desk.caller(request))
            return _told(request, desk, job_id, False)

        return await desk.work(save)

    @serve(
        "DELETE",
        ONE,
        summary="Remove a transcription, its recording and its text",
        status_code=204,
        responses=schema.DELETED,
    )
    async def delete(request: Request, job_id: UUID) -> Response:
        await desk.work(lambda: desk.service.delete(str(job_id), desk.caller(request)))
        return Response(status_code=204)

    @serve("GET", "/languages/", summary="The languages of recordings", responses=schema.LANGUAGES)
    async def languages() -> Response:
        return JSONResponse({"languages": shapes.languages()})


def _checked(request: Request, desk: Desk, asked: Ask) -> Ask:
    """What is asked for, if it can be. Blocking; called before the recording is read."""
    desk.service.check(asked.options, desk.caller(request))
    if asked.webhook is not None:
        desk.service.admit(asked.webhook, WEBHOOK)
    return asked


def _accepted(request: Request, desk: Desk, job: Job) -> Response:
    """What to ask for later, and what it will cost."""
    told = shapes.accepted(job, desk.service.estimate(job))
    where = request.url_for("transcription", job_id=job.id).path
    return JSONResponse(told, status_code=202, headers={"Location": where})


def _told(request: Request, desk: Desk, which: UUID, segments: bool) -> Response:
    """A job of the caller's. Blocking. Raises JobNotFound."""
    job_id, caller = str(which), desk.caller(request)
    # In this order none says less than those before it promise.
    job, stages = desk.service.job(job_id, caller), desk.service.stages(job_id, caller)
    found = Ending(job, desk.service.draft(job_id, caller), tuple(stages))
    return JSONResponse(shapes.result(found, segments=segments))
