# SPDX-License-Identifier: Apache-2.0
"""Jobs, their stages and voices, as this dialect tells them. Times are seconds since the epoch. Knows no request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harken.model import Job, Stage, TextResult, Voice
from harken.server.dialects.openai.fields import View
from harken.server.figures import figure, seconds


def job_shape(job: Job, stages: Sequence[Stage] | None = None) -> dict[str, Any]:
    """A job; ``progress`` is 0 to 1. ``stages`` None leaves them out, as lists of jobs do."""
    told: dict[str, Any] = {
        "id": job.id,
        "object": "transcription.job",
        "status": job.state.value,
        "stage": None if job.stage is None else job.stage.value,
        "progress": figure(job.progress),
        "position": seconds(job.position),
        "duration": None if job.duration is None else seconds(job.duration),
        "model": job.options.model,
        "language": job.options.language,
        "task": job.options.task,
        "diarize": job.options.diarize,
        "response_format": View.of(job.view).response_format,
        "filename": job.filename,
        "size": job.size,
        "created_at": job.created,
        "started_at": job.started,
        "ended_at": job.ended,
        "cancel_requested": job.cancel_requested,
        "error": _error(job.error_code, job.error_message),
        "warnings": list(job.warnings),
    }
    if stages is not None:
        told["stages"] = [stage_shape(stage) for stage in stages]
    return told


def stage_shape(stage: Stage) -> dict[str, Any]:
    """Work on a job's transcript; ``progress`` is 0 to 1."""
    return {
        "id": stage.id,
        "object": "transcription.stage",
        "job_id": stage.job_id,
        "kind": stage.kind.value,
        "status": stage.state.value,
        "progress": figure(stage.progress),
        "created_at": stage.created,
        "started_at": stage.started,
        "ended_at": stage.ended,
        "cancel_requested": stage.cancel_requested,
        "error": _error(stage.error_code, stage.error_message),
        "result": None if stage.result is None else _text_shape(stage.result),
    }


def _text_shape(result: TextResult) -> dict[str, Any]:
    """A summary, a text after an instruction, or an answer."""
    return {
        "text": result.text,
        "model": result.model,
        "generated": result.generated,
        "topics": list(result.topics),
        "sources": [
            {"index": source.index, "start": seconds(source.start), "end": seconds(source.end)}
            for source in result.sources
        ],
        "warnings": list(result.warnings),
        "usage": {
            "prompt_tokens": result.usage.prompt,
            "completion_tokens": result.usage.completion,
            "total_tokens": result.usage.total,
        },
    }


def voice_shape(voice: Voice) -> dict[str, Any]:
    """An enrolled voice; the voiceprint itself stays here."""
    return {"object": "voice", "name": voice.name, "seconds": seconds(voice.seconds), "created_at": voice.created}


def _error(code: str | None, message: str | None) -> dict[str, str] | None:
    return None if code is None else {"code": code, "message": message or ""}
