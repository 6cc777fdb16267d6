# SPDX-License-Identifier: Apache-2.0
"""Questions about what was said, answered while the client waits."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from harken.errors import JobNotFound, StoreUnavailable, WorkerUnavailable
from harken.model import Job
from harken.server.desk import Desk, idempotency_key
from harken.server.dialects.suite import schema, text_schema, text_shapes
from harken.server.dialects.suite.given import GivenChat, enter
from harken.server.documents import document

PREFIX = "/api/chat"


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""

    @routes.get(
        PREFIX + "/models",
        summary="What answers questions and writes summaries",
        response_class=JSONResponse,
        responses=schema.responses(text_schema.CHAT_MODELS),
    )
    async def models() -> JSONResponse:
        return JSONResponse({"models": text_shapes.chat_models(desk.service.texts.names)})

    @routes.post(PREFIX, include_in_schema=False, dependencies=[Depends(desk.slot)])
    @routes.post(
        PREFIX + "/",
        summary="Ask about a transcript and wait for the answer",
        dependencies=[Depends(desk.slot)],
        response_class=JSONResponse,
        openapi_extra=document(GivenChat),
        responses=schema.responses(text_schema.ANSWER, text_schema.BODY_ERRORS, text_schema.CHAT_ERRORS),
    )
    async def chat(request: Request) -> JSONResponse:
        job, stage = await enter(request, desk, GivenChat, ("transcript", "messages"))
        if stage.state.ended and stage.result is None:
            # Sent again under its key, after the model was busy, say.
            stage = await desk.work(desk.service.retry_stage, job.id, stage.id, desk.caller(request))
        async with _forgotten(desk, request, job):
            stage = await desk.stage(request, stage)
        if stage.result is None:
            raise desk.service.failure(stage)
        return JSONResponse(text_shapes.answer(job, stage.result))


@contextlib.asynccontextmanager
async def _forgotten(desk: Desk, request: Request, job: Job) -> AsyncIterator[None]:
    """Delete the job after the context: nobody asks for an answer again, unless with an idempotency key."""
    try:
        yield
    except WorkerUnavailable:
        raise  # the server is stopping, and the client was told that the job goes on
    except BaseException:
        await _forget(desk, request, job)
        raise
    await _forget(desk, request, job)


async def _forget(desk: Desk, request: Request, job: Job) -> None:
    if idempotency_key(request) is None:
        # The answer is there: it is not lost where this cannot be done.
        with contextlib.suppress(JobNotFound, StoreUnavailable):
            await desk.insist(desk.service.delete, job.id, desk.caller(request))
