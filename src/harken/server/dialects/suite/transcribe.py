# SPDX-License-Identifier: Apache-2.0
"""Transcription: the models, a new job, jobs and how they stand, and results."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse

from harken.errors import JobFailed, JobNotFound
from harken.model import Job, JobState, Lane, Options, Stage, Transcript
from harken.server.desk import Desk, known
from harken.server.dialects.suite import schema, shapes
from harken.server.documents import form
from harken.server.forms import Fields, ignored
from harken.server.multipart import Form
from harken.service import Caller

PREFIX = "/api/transcribe"


def add(routes: APIRouter, desk: Desk, installed: Callable[[], Collection[str]]) -> None:
    """The routes of this module. ``installed`` names the models that are on this machine."""

    @routes.get(
        PREFIX + "/models",
        summary="The models that requests may name",
        response_class=JSONResponse,
        responses=schema.responses(schema.MODELS),
    )
    async def models() -> JSONResponse:
        here = await desk.call(installed)
        return JSONResponse({"models": shapes.models(desk.service.catalog, here)})

    # Both addresses, for a redirect from one to the other would have the client send its recording twice.
    @routes.post(PREFIX, include_in_schema=False, dependencies=[Depends(desk.slot)])
    @routes.post(
        PREFIX + "/",
        summary="Transcribe a recording as a job",
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=form(schema.FIELDS),
        responses=schema.responses(schema.STARTED, schema.UPLOAD_ERRORS),
    )
    async def start(request: Request) -> JSONResponse:
        async with desk.uploads.receive(
            request, check=lambda form: desk.service.check(_read(form)[0], desk.caller(request))
        ) as (
            told,
            upload,
        ):
            options, warnings = _read(told)
            job = await desk.submit(request, upload, options, waits=False, warnings=warnings)
        return JSONResponse(shapes.started(job))

    @routes.get(
        PREFIX + "/jobs",
        summary="Your jobs, newest first",
        response_class=JSONResponse,
        responses=schema.responses(schema.JOBS, schema.QUERY_ERRORS),
    )
    async def jobs(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
    ) -> JSONResponse:
        caller = desk.caller(request)

        def listed() -> tuple[list[dict[str, Any]], str | None]:
            page = desk.service.jobs(caller, limit, cursor or None)
            return [shapes.job_shape(job, _work(desk, job, caller)) for job in page.jobs], page.next

        told, following = await desk.call(listed)
        return JSONResponse({"jobs": told, "count": len(told), "next_cursor": following})

    @routes.get(
        PREFIX + "/status/{job_id}",
        summary="How a job stands",
        response_class=JSONResponse,
        responses=schema.responses(schema.STATUS),
    )
    async def status(request: Request, job_id: str) -> JSONResponse:
        caller = desk.caller(request)

        def found() -> dict[str, Any]:
            job = desk.service.job(known(job_id), caller)
            return shapes.job_shape(job, _work(desk, job, caller))

        try:
            return JSONResponse(await desk.call(found))
        except JobNotFound:
            return JSONResponse(shapes.not_found(job_id))

    @routes.get(
        PREFIX + "/result/{job_id}",
        summary="A completed job's transcript",
        response_class=JSONResponse,
        responses=schema.responses(schema.RESULT, schema.JOB_ERRORS, schema.RESULT_ERRORS),
    )
    async def result(request: Request, job_id: str) -> JSONResponse:
        job, transcript = await desk.call(finished, desk, known(job_id), request)
        # A long transcript takes a while to shape: not here, where everybody waits.
        return await desk.call(lambda: JSONResponse(shapes.result_shape(job, transcript)))


def finished(desk: Desk, job_id: str, request: Request) -> tuple[Job, Transcript]:
    """A completed job and its transcript. Blocking.

    Raises JobNotFound, JobNotFinished, or JobFailed with what became of the job, whatever that was.
    """
    job = desk.service.job(job_id, desk.caller(request))
    if job.state in (JobState.FAILED, JobState.CANCELLED):
        raise JobFailed(shapes.message(job))
    return job, desk.service.transcript(job_id, desk.caller(request))


def _work(desk: Desk, job: Job, caller: Caller) -> Stage | None:
    """The work that a job of text is there for, which lasts on when its transcript has long been there. Blocking."""
    stages = desk.service.stages(job.id, caller) if job.lane is Lane.TEXT else []
    return stages[-1] if stages else None


def _read(told: Form) -> tuple[Options, tuple[str, ...]]:
    """What a form asks for, and what is to be told of it. Raises InvalidOption."""
    fields = Fields(told.fields)
    options = Options(
        model=fields.text("model_name"),
        language=fields.text("language"),
        diarize=fields.flag("diarize") is not False,
    )
    return options, tuple(ignored((*fields.unread(), *told.ignored)))
