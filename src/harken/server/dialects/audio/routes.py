# SPDX-License-Identifier: Apache-2.0
"""The routes: a recording with an instruction, how it stands, and another instruction for the same recording."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from harken.errors import HarkenError, StoreUnavailable, UnknownModel
from harken.model import Format, Job, Options
from harken.server import bodies
from harken.server.desk import Desk, known
from harken.server.dialects.audio import schema, shapes
from harken.server.dialects.audio.fields import MODEL, Ask, read
from harken.server.dialects.audio.shapes import Found
from harken.server.documents import form as documented
from harken.server.forms import ignored
from harken.server.multipart import Form
from harken.server.problems import Problems, detail_shape, note, problem_of
from harken.service import Caller

PREFIX = "/api/audio"

KEPT = 3600.0
"""Seconds that a job is kept after its end."""
LATER = "send long recordings with async_mode=1"


def router(desk: Desk) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix=PREFIX, tags=["audio"])

    @routes.post(
        "/process",
        summary="Transcribe a recording and format the text as an instruction wants it",
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=documented(schema.FIELDS),
        responses=schema.PROCESS,
    )
    async def process(request: Request) -> JSONResponse:
        def ask(form: Form) -> Ask:
            asked = read(form)
            _check(desk, asked.options, desk.caller(request))
            return asked

        async with desk.uploads.receive(request, check=ask) as (form, upload):
            asked = await desk.call(ask, form)
            job = await desk.submit(
                request, upload, asked.options, waits=asked.waits, warnings=asked.warnings, keep=KEPT
            )
        if asked.waits:
            return await _outcome(request, desk, job)
        return _accepted(request, job, job.warnings)

    @routes.post(
        "/format/{job_id}",
        summary="Format the text of a job again, as another instruction wants it or as it was to be",
        status_code=202,
        response_class=JSONResponse,
        openapi_extra=schema.AGAIN_BODY,
        responses=schema.AGAIN,
    )
    async def again(request: Request, job_id: str) -> JSONResponse:
        given = await bodies.fields(request)
        instruction = given.text("instruction")

        def enter() -> Job:
            found = _look(desk.caller(request).waiting(), desk, known(job_id))
            task = Format(found.instruction if instruction is None else instruction)
            desk.service.texts.again(found.job.id, task, desk.caller(request))
            return found.job

        return _accepted(request, await desk.work(enter), ignored(given.unread()))

    @routes.get(
        "/status/{job_id}",
        summary="How a job stands, and its text once that is there",
        response_class=JSONResponse,
        responses=schema.STATUS,
    )
    async def status(request: Request, job_id: str) -> JSONResponse:
        # A long text takes a while to shape: not here, where everybody waits.
        return await desk.work(lambda: JSONResponse(shapes.status(_look(desk.caller(request), desk, known(job_id)))))

    return routes


def register(problems: Problems) -> None:
    """Have this dialect's errors told in its own shape."""
    problems.register(PREFIX, detail_shape)


def _check(desk: Desk, options: Options, caller: Caller) -> None:
    try:
        desk.service.check(options, caller)
    except UnknownModel as error:
        raise UnknownModel(f"{MODEL}: {error.message}", param=MODEL) from None


def _accepted(request: Request, job: Job, warnings: Sequence[str]) -> JSONResponse:
    """Where to ask for a job."""
    where = request.url_for("status", job_id=job.id).path
    return JSONResponse(shapes.accepted(job, warnings), status_code=202, headers={"Location": where})


def _look(caller: Caller, desk: Desk, job_id: str) -> Found:
    """A job of the caller's as it is now. Blocking. Raises JobNotFound."""
    job = desk.service.job(job_id, caller)
    return Found(job, desk.service.stages(job_id, caller), desk.service.draft(job_id, caller))


async def _outcome(request: Request, desk: Desk, job: Job) -> JSONResponse:
    """Wait for both texts. A failure brings the transcript along where there is one."""
    failure: HarkenError | None = None
    try:
        await desk.transcript(request, job, later=LATER)
    except StoreUnavailable:
        raise
    except HarkenError as error:
        failure = error

    def tell() -> JSONResponse:
        found = _look(desk.caller(request), desk, job.id)
        if failure is None and found.told == "done":
            return JSONResponse(shapes.result(found))
        error = failure or found.failure
        if found.transcript is None:
            raise error
        problem = problem_of(error)
        # This answer is no error's: nobody else says in the log that it failed.
        note(error, problem, request.url.path, request.state.request_id, job_id=job.id)
        told = error.message if failure else found.error
        return JSONResponse(
            shapes.failed(job.id, told, found.transcript), status_code=problem.status, headers=dict(problem.headers)
        )

    return await desk.insist(tell)
