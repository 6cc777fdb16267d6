# SPDX-License-Identifier: Apache-2.0
"""The segments of a job over a web socket, as they are recognised.

First the status and every segment so far, then each as it comes with the status after it, at last how the job ended.
A socket that is opened after the end is told the same story, with who speaks: of a job that runs nobody knows yet.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, WebSocket

from harken.errors import WorkerUnavailable
from harken.model import Job, JobState, Segment, Transcript
from harken.server import sockets
from harken.server.desk import Desk, known
from harken.server.dialects.suite import shapes
from harken.server.dialects.suite.transcribe import PREFIX
from harken.server.feeds import Listener
from harken.text.labels import label_by_id

TURN = 20
"""Segments that are sent before others have their turn."""


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""

    @routes.websocket(PREFIX + "/live/{job_id}")
    async def live(socket: WebSocket, job_id: str) -> None:
        with desk.socket(socket):
            job = await desk.call(desk.service.job, known(job_id), desk.caller(socket))
            await socket.accept(sockets.protocol(socket.scope))
            with desk.listen(socket, job.id) as listener:
                telling = asyncio.create_task(_tell(socket, desk, job, listener))
                leaving = asyncio.create_task(_gone(socket))
                try:
                    await asyncio.wait({telling, leaving}, return_when=asyncio.FIRST_COMPLETED)
                    if telling.done():
                        telling.result()
                finally:
                    telling.cancel()
                    leaving.cancel()
                    await asyncio.gather(telling, leaving, return_exceptions=True)


async def _tell(socket: WebSocket, desk: Desk, job: Job, listener: Listener) -> None:
    if job.state is JobState.COMPLETED:
        transcript = await listener.transcript(lambda: desk.outcome(socket, job.id))
        story = _afterwards(job, transcript)
    else:
        story = _along(listener)
    status: dict[str, Any] = {}
    code = sockets.NORMAL
    try:
        async for message in story:
            if message == status:
                continue
            if message["type"] == "status":
                status = message
            await socket.send_text(json.dumps(message, ensure_ascii=False))
    except WorkerUnavailable as error:
        code = sockets.RESTART
        await socket.send_text(json.dumps({**status, "message": error.message}, ensure_ascii=False))
    await socket.close(code)


async def _along(listener: Listener) -> AsyncIterator[dict[str, Any]]:
    """The story of a job as it happens: the first status stands before the segments so far, others after theirs."""
    heard = await listener.next(None)
    yield shapes.status_message(_running(heard.job))
    while True:
        for _, result in heard.windows:
            for message in _segments(result.segments, {}):
                yield message
            await asyncio.sleep(0)  # sending does not wait while there is room: let others have their turn
        yield shapes.status_message(heard.job)
        if heard.job.state.ended:
            return
        heard = await listener.next(heard)


async def _afterwards(job: Job, transcript: Transcript) -> AsyncIterator[dict[str, Any]]:
    """The same story of a job that has completed."""
    yield shapes.status_message(_running(job))
    called = label_by_id(transcript)
    for number, message in enumerate(_segments(transcript.segments, called)):
        yield message
        if number % TURN == 0:
            await asyncio.sleep(0)
    yield shapes.status_message(job)


def _running(job: Job) -> Job:
    """A job as it was before its end: clients stop listening where they hear of that."""
    return replace(job, state=JobState.PROCESSING, stage=None) if job.state.ended else job


def _segments(segments: Iterable[Segment], called: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The messages of segments; those without text are silence."""
    for segment in segments:
        if segment.text.strip():
            yield {"type": "segment", **shapes.segment_shape(segment, called)}


async def _gone(socket: WebSocket) -> None:
    """Until the client leaves; what it says is not for us."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
