# SPDX-License-Identifier: Apache-2.0
"""What an operator wants to know of a job, beside its state: where the time went, and what was heard so far.

Tells no key, no folder, and nothing of whose the job is.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from harken.model import Job, Stage, WindowResult
from harken.server import figures
from harken.server.desk import Desk, known
from harken.server.dialects.suite import schema, shapes
from harken.server.dialects.suite.transcribe import PREFIX

LATEST = 10
"""Windows that are told one by one."""


def add(routes: APIRouter, desk: Desk) -> None:
    """The routes of this module."""

    @routes.get(
        PREFIX + "/debug/{job_id}",
        summary="What is known of a job, for whoever looks after the server",
        response_class=JSONResponse,
        responses=schema.responses(schema.DEBUG, schema.JOB_ERRORS),
    )
    async def debug(request: Request, job_id: str) -> JSONResponse:
        def look() -> JSONResponse:
            caller = desk.caller(request)
            job, windows = desk.service.results(known(job_id), caller)
            stages = desk.service.stages(job.id, caller)
            return JSONResponse(_report(job, stages, windows) | {"listeners": listeners})

        listeners = desk.feeds.listeners(known(job_id))
        return await desk.work(look)


def _report(job: Job, stages: Sequence[Stage], windows: Sequence[tuple[int, WindowResult]]) -> dict[str, Any]:
    heard = [segment for _, result in windows for segment in result.segments]
    now = time.time()
    end = job.ended or now
    return {
        "job_id": job.id,
        "status": figures.status(job.state),
        "state": job.state.value,
        "stage": None if job.stage is None else job.stage.value,
        "progress": figures.percent(job.progress),
        "message": shapes.message(job),
        "cached_segments": len(heard),
        "latest_time": figures.seconds(max((segment.end for segment in heard), default=0.0)),
        "audio_duration": None if job.duration is None else figures.seconds(job.duration),
        "audio_kept": job.audio is not None,
        "audio_bytes": job.size,
        "model": job.options.model,
        "language": job.options.language,
        "diarize": job.options.diarize,
        "lane": job.lane.value,
        "worker": job.worker,
        "attempts": job.attempts,
        "created_at": job.created,
        "started_at": job.started,
        "updated_at": job.updated,
        "ended_at": job.ended,
        "deadline": job.deadline,
        "queued_seconds": figures.seconds((job.started or end) - job.created),
        "processing_seconds": None if job.started is None else figures.seconds(end - job.started),
        "stages": [_stage(stage, now) for stage in stages],
        "windows": _windows(windows),
        "error": None if job.error_code is None else {"code": job.error_code, "message": job.error_message or ""},
        "warnings": list(job.warnings),
    }


def _stage(stage: Stage, now: float) -> dict[str, Any]:
    took = None if stage.started is None else figures.seconds((stage.ended or now) - stage.started)
    return {
        "kind": stage.kind.value,
        "status": stage.state.value,
        "progress": figures.percent(stage.progress),
        "waited_seconds": None if stage.started is None else figures.seconds(stage.started - stage.created),
        "took_seconds": took,
        "attempts": stage.attempts,
        "error": stage.error_message,
    }


def _windows(windows: Sequence[tuple[int, WindowResult]]) -> dict[str, Any]:
    results = [result for _, result in windows]
    return {
        "done": len(results),
        "silent": sum(not result.segments for result in results),
        "retried": sum(any(segment.temperature > 0 for segment in result.segments) for result in results),
        "dropped": sum(len(result.dropped) for result in results),
        "latest": [
            {
                "index": index,
                "start": figures.seconds(result.window.start),
                "end": figures.seconds(result.window.end),
                "segments": len(result.segments),
                "language": result.language,
            }
            for index, result in windows[-LATEST:]
        ],
    }
