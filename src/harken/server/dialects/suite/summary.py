# SPDX-License-Identifier: Apache-2.0
"""Summaries: of a transcript that the client sends, and of a recording's job that was asked for one."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from harken.errors import JobFailed, JobNotFinished, JobNotFound
from harken.model import Job, Stage, StageKind
from harken.server.desk import Desk, known
from harken.server.dialects.suite import schema, shapes, text_schema, text_shapes
from harken.server.dialects.suite.given import GivenSummary, enter
from harken.server.documents import document

PREFIX = "/api/summary"


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""

    @routes.post(PREFIX, include_in_schema=False, dependencies=[Depends(desk.slot)])
    @routes.post(
        PREFIX + "/",
        summary="Summarise a transcript as a job",
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=document(GivenSummary),
        responses=schema.responses(text_schema.STARTED, text_schema.BODY_ERRORS),
    )
    async def start(request: Request) -> JSONResponse:
        job, stage = await enter(request, desk, GivenSummary)
        return JSONResponse(text_shapes.started(job, stage))

    @routes.get(
        PREFIX + "/status/{job_id}",
        summary="How a summary stands",
        response_class=JSONResponse,
        responses=schema.responses(text_schema.STATUS, text_schema.SUMMARY_ERRORS),
    )
    async def status(request: Request, job_id: str) -> JSONResponse:
        return JSONResponse(text_shapes.status(*await desk.call(_found, desk, request, job_id)))

    @routes.get(
        PREFIX + "/{job_id}",
        summary="A summary that is done",
        response_class=JSONResponse,
        responses=schema.responses(text_schema.SUMMARY, text_schema.SUMMARY_ERRORS, text_schema.SUMMARY_FAILED),
    )
    async def result(request: Request, job_id: str) -> JSONResponse:
        job, stage = await desk.call(_found, desk, request, job_id)
        if stage is not None and stage.result is not None:
            return JSONResponse(text_shapes.summary(job, stage.result))
        if not (job if stage is None else stage).state.ended:
            raise JobNotFinished(f"the summary of job {job.id} is not done yet")
        raise JobFailed(shapes.message(job) if stage is None else shapes.work_message(stage))


def _found(desk: Desk, request: Request, job_id: str) -> tuple[Job, Stage | None]:
    """A job and its latest summary; None for what has yet to be begun. Blocking.

    Raises JobNotFound, also for a job that was never asked for one.
    """
    caller = desk.caller(request)
    job = desk.service.job(known(job_id), caller)
    stages = [stage for stage in desk.service.stages(job.id, caller) if stage.kind is StageKind.SUMMARISE]
    if not stages and job.options.summary is None:
        raise JobNotFound(f"no summary was asked of job {job.id}")
    return job, stages[-1] if stages else None
