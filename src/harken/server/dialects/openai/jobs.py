# SPDX-License-Identifier: Apache-2.0
"""Jobs: submit now, ask later, follow the segments as they come, or have speakers told apart anew."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from harken.errors import InvalidOption
from harken.model import Stage
from harken.server import bodies
from harken.server.desk import Desk, known
from harken.server.dialects.openai import audio, diarized, schema, shapes, speakers
from harken.server.dialects.openai.fields import View, view_from
from harken.server.dialects.openai.job_shapes import job_shape, stage_shape
from harken.server.documents import form
from harken.server.forms import ignored
from harken.server.problems import problem_of
from harken.server.waiting import PING, EventStream, event

JOBS = "/transcription-jobs"


def add(routes: APIRouter, desk: Desk, runtime: shapes.Runtime) -> None:
    """The routes of this module."""

    @routes.post(
        JOBS,
        summary="Submit a recording as a job",
        status_code=202,
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=form(schema.JOB_FIELDS),
        responses=schema.responses(schema.ACCEPTED, schema.UPLOAD_ERRORS),
    )
    async def submit(request: Request) -> JSONResponse:
        job, _, _ = await audio.submit(request, desk, "transcribe", waits=False)
        return JSONResponse(
            job_shape(job), status_code=202, headers={"Location": request.url_for("job", job_id=job.id).path}
        )

    @routes.get(
        JOBS,
        summary="Your jobs, newest first",
        response_class=JSONResponse,
        responses=schema.responses(schema.JOB_LIST, schema.QUERY_ERRORS),
    )
    async def jobs(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        cursor: Annotated[str | None, Query(max_length=500)] = None,
    ) -> JSONResponse:
        page = await desk.call(desk.service.jobs, desk.caller(request), limit, cursor or None)
        return JSONResponse(
            {
                "object": "list",
                "data": [job_shape(job) for job in page.jobs],
                "has_more": page.next is not None,
                "next_cursor": page.next,
            }
        )

    @routes.get(
        JOBS + "/{job_id}",
        summary="One job: its state and progress",
        response_class=JSONResponse,
        responses=schema.responses(schema.JOB, schema.JOB_ERRORS),
    )
    async def job(request: Request, job_id: str) -> JSONResponse:
        def look() -> dict[str, Any]:
            caller = desk.caller(request)
            found = desk.service.job(known(job_id), caller)
            return job_shape(found, desk.service.stages(found.id, caller))

        return JSONResponse(await desk.call(look))

    @routes.get(
        JOBS + "/{job_id}/result",
        summary="A completed job's transcript",
        response_class=Response,
        openapi_extra=schema.RESULT_QUERY,
        responses=schema.responses(schema.RESULT, schema.JOB_ERRORS, schema.RESULT_ERRORS),
    )
    async def result(request: Request, job_id: str) -> Response:
        job = await desk.call(desk.service.job, known(job_id), desk.caller(request))
        view = view_from(request.query_params.multi_items(), View.of(job.view))
        transcript = await desk.call(desk.service.transcript, job.id, desk.caller(request))
        if view.response_format in speakers.FORMATS and not diarized.asked(job, transcript):
            raise InvalidOption(
                f"{view.response_format} tells speakers, and this job was not asked for them; "
                f"POST to {JOBS}/{job.id}/diarization first",
                param="response_format",
            )
        return await desk.call(shapes.answer, job, transcript, view, runtime)

    @routes.post(
        JOBS + "/{job_id}/cancel",
        summary="Cancel a job that is queued or running",
        response_class=JSONResponse,
        responses=schema.responses(schema.JOB, schema.JOB_ERRORS, schema.CANCEL_ERRORS),
    )
    async def cancel(request: Request, job_id: str) -> JSONResponse:
        return JSONResponse(job_shape(await desk.call(desk.service.cancel, known(job_id), desk.caller(request))))

    @routes.post(
        JOBS + "/{job_id}/diarization",
        summary="Find out who speaks, or find out anew, in the recording of a completed job",
        status_code=202,
        response_class=JSONResponse,
        openapi_extra=schema.DIARIZATION_BODY,
        responses=schema.responses(schema.STAGE, schema.JOB_ERRORS, schema.DIARIZATION_ERRORS),
    )
    async def diarization(request: Request, job_id: str) -> JSONResponse:
        given = await bodies.fields(request)
        counts = speakers.counts(given)

        def again() -> Stage:
            return desk.service.diarize_again(known(job_id), desk.caller(request), **counts)

        stage = await desk.work(again)
        return JSONResponse(
            stage_shape(stage) | {"warnings": ignored(given.unread())},
            status_code=202,
            headers={"Location": request.url_for("job", job_id=stage.job_id).path},
        )

    @routes.delete(
        JOBS + "/{job_id}",
        summary="Remove a job, its recording and its text",
        response_class=JSONResponse,
        responses=schema.responses(schema.DELETED, schema.JOB_ERRORS),
    )
    async def delete(request: Request, job_id: str) -> JSONResponse:
        job_id = known(job_id)
        await desk.call(desk.service.delete, job_id, desk.caller(request))
        return JSONResponse({"id": job_id, "object": "transcription.job", "deleted": True})

    @routes.get(
        JOBS + "/{job_id}/events",
        summary="The segments of a job as they come, as server-sent events; resumable by Last-Event-ID",
        dependencies=[Depends(desk.slot)],
        response_class=Response,
        openapi_extra=schema.EVENTS_HEADERS,
        responses=schema.responses(schema.EVENTS, schema.JOB_ERRORS, schema.EVENTS_ERRORS),
    )
    async def events(request: Request, job_id: str) -> Response:
        after = last_event(request.headers.get("last-event-id"))
        job = await desk.call(desk.service.job, known(job_id), desk.caller(request))
        return EventStream(_followed(request, desk, job.id, after, shapes.Detail(words=job.options.word_timestamps)))


async def _followed(
    request: Request, desk: Desk, job_id: str, after: int, detail: shapes.Detail
) -> AsyncGenerator[bytes]:
    heard = None
    try:
        with desk.listen(request, job_id, after) as listener:
            while heard is None or not heard.job.state.ended:
                update = await desk.news(request, listener, heard, audio.QUIET_SECONDS)
                if update is None:
                    yield PING
                    continue
                heard = update
                for index, result in update.windows:
                    yield event(
                        {
                            "window": index,
                            "start": round(result.window.start, 3),
                            "end": round(result.window.end, 3),
                            "segments": [shapes.segment_shape(segment, detail) for segment in result.segments],
                        },
                        name="segments",
                        id=str(index),
                    )
            yield event(job_shape(heard.job), name=heard.job.state.value)
    except ClientDisconnect:
        return
    except Exception as error:  # noqa: BLE001  the status is out: the client learns of it in the stream
        yield event(shapes.error_shape(problem_of(error), request.state.request_id), name="error")


def last_event(header: str | None) -> int:
    """The index of the last window that a listener has, from ``Last-Event-ID``."""
    if not header:
        return -1
    if not (header.isascii() and header.isdigit() and len(header) < 10):
        raise InvalidOption("Last-Event-ID must be the id of an event of this stream", param="Last-Event-ID")
    return int(header)
