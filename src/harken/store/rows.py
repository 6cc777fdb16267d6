# SPDX-License-Identifier: Apache-2.0
"""From nouns to rows and back. Knows the columns, not the queries."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from harken.model import (
    DeliveryState,
    Job,
    JobState,
    Lane,
    Stage,
    StageKind,
    Transcript,
    Voice,
    WindowResult,
    options_from,
    plain,
    result_from,
    text_result_from,
    transcript_from,
)

_AS_THEY_ARE = (
    "id", "owner", "filename", "created", "updated", "audio", "size", "duration", "position", "started", "ended",
    "deadline", "cancel_requested", "error_code", "error_message", "attempts", "keep", "worker",
    "source", "webhook", "traceparent",
)  # fmt: skip

_OF_STAGES = (
    "id", "job_id", "created", "updated", "progress", "started", "ended", "deadline", "cancel_requested", "error_code",
    "error_message", "attempts", "traceparent",
)  # fmt: skip


def job_values(job: Job) -> dict[str, Any]:
    """The columns of a job."""
    return {
        **{name: getattr(job, name) for name in _AS_THEY_ARE},
        "state": job.state.value,
        "lane": job.lane.value,
        "options": dump(job.options),
        "warnings": dump(job.warnings),
        "view": json.dumps(job.view),
        "stage": None if job.stage is None else job.stage.value,
        "rates": json.dumps(dict(job.rates)),
    }


def job_from(row: sa.Row[Any]) -> Job:
    """The job of a row."""
    data = row._mapping  # noqa: SLF001  documented as public; the underscore keeps it apart from column names
    return Job(
        **{name: data[name] for name in _AS_THEY_ARE},
        state=JobState(data["state"]),
        lane=Lane(data["lane"]),
        options=options_from(json.loads(data["options"])),
        warnings=tuple(json.loads(data["warnings"])),
        view=json.loads(data["view"]),
        stage=None if data["stage"] is None else StageKind(data["stage"]),
        rates={} if data["rates"] is None else json.loads(data["rates"]),
    )


def stage_values(stage: Stage) -> dict[str, Any]:
    """The columns of a stage."""
    return {
        **{name: getattr(stage, name) for name in _OF_STAGES},
        "kind": stage.kind.value,
        "state": stage.state.value,
        "options": json.dumps(stage.options),
        "lane": None if stage.lane is None else stage.lane.value,
        "result": None if stage.result is None else dump(stage.result),
        "price": stage.price,
    }


def stage_from(row: sa.Row[Any]) -> Stage:
    """The stage of a row."""
    data = row._mapping  # noqa: SLF001  as above
    return Stage(
        **{name: data[name] for name in _OF_STAGES},
        kind=StageKind(data["kind"]),
        state=JobState(data["state"]),
        options=json.loads(data["options"]),
        lane=None if data["lane"] is None else Lane(data["lane"]),
        result=None if data["result"] is None else text_result_from(json.loads(data["result"])),
        price=data["price"] or 0,
    )


def delivery_values(job: Job, delivery_id: str, now: float) -> dict[str, Any]:
    """The columns of a new delivery of how a job ended, which is due at once."""
    return {
        "id": delivery_id,
        "owner": job.owner,
        "job_id": job.id,
        "url": job.webhook,
        "state": DeliveryState.WAITING.value,
        "created": now,
        "due": now,
        "tries": "[]",
    }


def voice_from(row: sa.Row[Any]) -> Voice:
    """The voice of a row."""
    return Voice(row.owner, row.name, tuple(json.loads(row.centroid)), row.seconds, row.created)


def dump(value: Any) -> str:
    """A noun as JSON."""
    return json.dumps(plain(value), separators=(",", ":"))


def load_result(value: str) -> WindowResult:
    """The window's result of a JSON text."""
    return result_from(json.loads(value))


def load_transcript(value: str) -> Transcript:
    """The transcript of a JSON text."""
    return transcript_from(json.loads(value))
