# SPDX-License-Identifier: Apache-2.0
"""Work on a job's transcript: summaries, texts after an instruction and answers, each a stage that is asked after.

Ours, beyond the documents. The classes are also what ``/openapi.json`` says of the bodies.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from harken.errors import UnknownModel
from harken.model import Stage
from harken.server import bodies
from harken.server.desk import Desk, known
from harken.server.dialects.openai import schema
from harken.server.dialects.openai.job_shapes import stage_shape
from harken.server.documents import document
from harken.server.tasks import AskedChat, AskedFormat, AskedSummary, unknown

JOBS = "/transcription-jobs/{job_id}"
STAGES = JOBS + "/stages/{stage_id}"

MOST_BYTES = 512 * 1024
"""Of a body; the transcript is not in it."""


class _Model(BaseModel):
    model: str | None = Field(None, description="What is to write; the default is the server's")


class SummaryBody(AskedSummary, _Model):
    """The summary that is wanted."""


class FormattedBody(AskedFormat, _Model):
    """How the text is to be written down."""


class ChatBody(AskedChat, _Model):
    """A conversation about the transcript, whose last message is the user's."""


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""

    async def write(request: Request, job_id: str, kind: type[SummaryBody | FormattedBody | ChatBody]) -> JSONResponse:
        body = await bodies.whole(request, MOST_BYTES)

        def make() -> tuple[Stage, list[str]]:
            asked = bodies.document(body, kind)
            warnings = unknown(asked, ("messages",) if kind is ChatBody else ())
            try:
                stage = desk.service.texts.again(known(job_id), asked.task(asked.model), desk.caller(request))
            except UnknownModel as error:
                raise UnknownModel(error.message, param="model") from None
            return stage, list(warnings)

        return _accepted(request, *await desk.work(make))

    @routes.post(
        JOBS + "/summary",
        summary="Summarise a completed job's transcript",
        status_code=202,
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=document(SummaryBody, idempotent=False, required=False),
        responses=schema.responses(schema.STAGE, schema.JOB_ERRORS, schema.TEXT_ERRORS),
    )
    async def summary(request: Request, job_id: str) -> JSONResponse:
        return await write(request, job_id, SummaryBody)

    @routes.post(
        JOBS + "/formatted",
        summary="Write down a completed job's transcript after an instruction",
        status_code=202,
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=document(FormattedBody, idempotent=False, required=False),
        responses=schema.responses(schema.STAGE, schema.JOB_ERRORS, schema.TEXT_ERRORS),
    )
    async def formatted(request: Request, job_id: str) -> JSONResponse:
        return await write(request, job_id, FormattedBody)

    @routes.post(
        JOBS + "/chat",
        summary="Ask about a completed job's transcript",
        status_code=202,
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=document(ChatBody, idempotent=False),
        responses=schema.responses(schema.STAGE, schema.JOB_ERRORS, schema.TEXT_ERRORS),
    )
    async def chat(request: Request, job_id: str) -> JSONResponse:
        return await write(request, job_id, ChatBody)

    @routes.get(
        STAGES,
        summary="One stage: how it stands, and what text work came to",
        response_class=JSONResponse,
        responses=schema.responses(schema.STAGE_NOW, schema.JOB_ERRORS),
    )
    async def stage(request: Request, job_id: str, stage_id: str) -> JSONResponse:
        found = await desk.call(desk.service.stage, known(job_id), stage_id, desk.caller(request))
        return JSONResponse(stage_shape(found))

    @routes.post(
        STAGES + "/cancel",
        summary="Cancel a stage that is queued or running; the job keeps its transcript",
        response_class=JSONResponse,
        responses=schema.responses(schema.STAGE_NOW, schema.JOB_ERRORS, schema.CANCEL_ERRORS),
    )
    async def cancel(request: Request, job_id: str, stage_id: str) -> JSONResponse:
        found = await desk.call(desk.service.cancel_stage, known(job_id), stage_id, desk.caller(request))
        return JSONResponse(stage_shape(found))

    @routes.post(
        STAGES + "/retry",
        summary="Do again what a stage of a completed job was to do, as a new stage",
        status_code=202,
        response_class=JSONResponse,
        responses=schema.responses(schema.STAGE, schema.JOB_ERRORS, schema.RETRY_ERRORS),
    )
    async def retry(request: Request, job_id: str, stage_id: str) -> JSONResponse:
        made = await desk.work(desk.service.retry_stage, known(job_id), stage_id, desk.caller(request))
        return _accepted(request, made, [])


def _accepted(request: Request, stage: Stage, warnings: list[str]) -> JSONResponse:
    return JSONResponse(
        stage_shape(stage) | {"warnings": warnings},
        status_code=202,
        headers={"Location": request.url_for("stage", job_id=stage.job_id, stage_id=stage.id).path},
    )
