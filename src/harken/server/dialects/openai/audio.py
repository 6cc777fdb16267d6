# SPDX-License-Identifier: Apache-2.0
"""Transcriptions and translations while the client waits: one answer at the end, or events as the text comes."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.requests import ClientDisconnect

from harken.model import Job, Task, Transcript
from harken.server.desk import Desk
from harken.server.dialects.openai import diarized, schema, shapes, speakers
from harken.server.dialects.openai.fields import Ask, View, read
from harken.server.documents import form
from harken.server.feeds import Update
from harken.server.multipart import Form
from harken.server.problems import problem_of
from harken.server.waiting import PING, EventStream, event

QUIET_SECONDS = 10.0
"""How long an event stream stays silent before it says that it is still there."""


def add(routes: APIRouter, desk: Desk, runtime: shapes.Runtime) -> None:
    """The routes of this module."""

    @routes.post(
        "/audio/transcriptions",
        summary="Transcribe a recording and wait for the text",
        dependencies=[Depends(desk.slot)],
        response_class=Response,
        openapi_extra=form(schema.TRANSCRIPTION_FIELDS),
        responses=schema.responses(schema.SYNC, schema.UPLOAD_ERRORS, schema.WAIT_ERRORS),
    )
    async def transcriptions(request: Request) -> Response:
        return await _serve(request, desk, "transcribe", runtime)

    @routes.post(
        "/audio/translations",
        summary="Translate the speech of a recording into English text",
        dependencies=[Depends(desk.slot)],
        response_class=Response,
        openapi_extra=form(schema.TRANSCRIPTION_FIELDS),
        responses=schema.responses(schema.SYNC, schema.UPLOAD_ERRORS, schema.WAIT_ERRORS),
    )
    async def translations(request: Request) -> Response:
        return await _serve(request, desk, "translate", runtime)


async def submit(request: Request, desk: Desk, task: Task, *, waits: bool) -> tuple[Job, View, bool]:
    """Take a form in and make a job of it; with it how its result is to be told, and whether as a stream.

    What the fields say is checked before the recording is read, as far as they come before it, and again at the end.
    """

    def ask(form: Form) -> Ask:
        asked = read(form.fields, task, streams=waits, left_out=form.ignored)
        desk.service.check(asked.options, desk.caller(request))
        return asked

    def early(form: Form) -> None:
        ask(form)

    long = {speakers.REFERENCES: speakers.REFERENCE_BYTES}
    async with desk.uploads.receive(request, check=early, long=long) as (form, upload):
        asked = await desk.call(ask, form)
        options = await speakers.known(request, desk, asked.speakers, asked.options)
        job = await desk.submit(
            request,
            upload,
            options,
            waits=waits,
            references=asked.speakers.digests,
            warnings=asked.warnings,
            view=asked.view.plain(),
        )
    # Not all that was asked: it may hold recordings, and a request may wait for long.
    return job, asked.view, asked.stream


async def _serve(request: Request, desk: Desk, task: Task, runtime: shapes.Runtime) -> Response:
    job, view, stream = await submit(request, desk, task, waits=True)
    if stream:
        return await _streamed(request, desk, job, view)
    job, transcript = await desk.transcript(request, job)
    return await desk.call(shapes.answer, job, transcript, view, runtime)


def _last(job: Job, transcript: Transcript, view: View) -> list[dict[str, Any]]:
    """The events that end a stream. Who speaks is known of the whole recording, not before."""
    called = diarized.called(transcript, view.response_format)
    segments = diarized.segments(transcript, called) if job.options.diarize else []
    return [*segments, shapes.done(job, transcript, view)]


async def _streamed(request: Request, desk: Desk, job: Job, view: View) -> Response:
    async with desk.given_up(request, job):
        with desk.listen(request, job.id) as listener:
            first: Update | None = None
            end = time.monotonic() + QUIET_SECONDS
            while (left := end - time.monotonic()) > 0:
                first = await desk.news(request, listener, first, left) or first
                if first is not None and (first.windows or first.job.state.ended):
                    break
    if first is not None and first.job.state.ended and not first.windows:
        # It ended before any text came: a failure can still be told by the status code.
        await desk.outcome(request, job.id)
    return EventStream(_events(request, desk, job, view, first))


async def _events(request: Request, desk: Desk, job: Job, view: View, first: Update | None) -> AsyncGenerator[bytes]:
    said = False
    heard = told = first
    try:
        with desk.listen(request, job.id) as listener:
            async with desk.given_up(request, job):
                while True:
                    if told is None:
                        yield PING
                    else:
                        heard = told
                        for _, result in told.windows:
                            for delta in shapes.deltas(result.segments, view, first=not said):
                                said = True
                                yield event(delta)
                        if told.job.state.ended:
                            break
                    told = await desk.news(request, listener, heard, QUIET_SECONDS)
        transcript = await desk.outcome(request, job.id)
        # A long transcript takes a while to shape: not here, where everybody waits.
        yield await desk.call(lambda: b"".join(map(event, _last(told.job, transcript, view))))
    except ClientDisconnect:
        return
    except Exception as error:  # noqa: BLE001  the status is out: the client learns of it in the stream
        yield event(shapes.error_shape(problem_of(error), request.state.request_id))
