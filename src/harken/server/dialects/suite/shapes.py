# SPDX-License-Identifier: Apache-2.0
"""Jobs, segments, transcripts and models as this dialect tells them. Knows no request."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from typing import Any

from harken.model import Job, JobState, Segment, Stage, StageKind, Transcript, Word
from harken.models.catalog import Catalog
from harken.server.figures import percent, seconds, status
from harken.server.problems import Problem
from harken.text.labels import label_by_id
from harken.text.render import clock

CHUNK = 30.0
"""Seconds of a recording that progress is told by."""
MEGABYTE = 1_000_000

_WORK = {StageKind.SUMMARISE: "summary", StageKind.CHAT: "answer", StageKind.FORMAT: "text"}
_STAGES = {"diarize": "Finding out who speaks", "summarise": "Writing the summary", "format": "Writing the text anew"}


def chunks(job: Job) -> dict[str, int]:
    """How far a job is, by stretches of the recording; of one whose length is not known, the last is the present."""
    done = job.duration if job.state is JobState.COMPLETED and job.duration else job.position
    present = max(1, math.ceil(done / CHUNK - 1e-9))
    total = max(present, math.ceil((job.duration or 0.0) / CHUNK - 1e-9))
    begin = (present - 1) * CHUNK
    length = min(CHUNK, max(job.duration or 0.0, done) - begin)
    share = 1.0 if job.state is JobState.COMPLETED else (done - begin) / length if length > 0 else 0.0
    return {"current_chunk": present, "total_chunks": total, "chunk_progress": min(100, percent(share))}


def message(job: Job) -> str:
    """What is being done, or what became of it, for people."""
    match job.state:
        case JobState.QUEUED:
            return "Waiting for its turn"
        case JobState.COMPLETED:
            return "Transcription completed"
        case JobState.CANCELLED:
            return "The job was cancelled"
        case JobState.FAILED:
            return job.error_message or "The job failed"
    if job.stage is not None:
        return _STAGES.get(job.stage.value, "Working on the transcript")
    at = chunks(job)
    return f"Processing chunk {at['current_chunk']}/{at['total_chunks']} ({percent(job.progress)}%)"


def job_shape(job: Job, work: Stage | None = None) -> dict[str, Any]:
    """A job, as lists and its status have it; that of a text stands as the ``work`` on it does."""
    if work is not None:
        return {
            "job_id": job.id,
            "status": status(work.state),
            "progress": percent(work.progress),
            "updated_at": max(job.updated, work.updated),
            "message": work_message(work),
        }
    return {
        "job_id": job.id,
        "status": status(job.state),
        "progress": percent(job.progress),
        "updated_at": job.updated,
        "message": message(job),
    }


def work_message(work: Stage) -> str:
    """What is being done with a text, or what became of that, for people."""
    what = _WORK.get(work.kind, "work")
    match work.state:
        case JobState.QUEUED:
            return "Waiting for its turn"
        case JobState.COMPLETED:
            return f"{what.capitalize()} completed"
        case JobState.CANCELLED:
            return f"The {what} was cancelled"
        case JobState.FAILED:
            return work.error_message or f"The {what} failed"
    return f"Writing the {what} ({percent(work.progress)}%)"


def not_found(job_id: str) -> dict[str, Any]:
    """The status of a job that nobody knows."""
    return {
        "job_id": job_id,
        "status": "not_found",
        "message": "Transcription job not found or expired",
        "progress": 0,
        "updated_at": time.time(),
    }


def started(job: Job) -> dict[str, Any]:
    """The answer to a new job."""
    told = {"job_id": job.id, "status": status(job.state), "message": message(job)}
    return {**told, "warnings": list(job.warnings)} if job.warnings else told


def segment_shape(segment: Segment, called: Mapping[str, str]) -> dict[str, Any]:
    """A segment. ``called`` has the speakers' labels by id; empty while nobody knows who speaks."""
    told: dict[str, Any] = {
        "start": seconds(segment.start),
        "end": seconds(segment.end),
        "text": segment.text.strip(),
        **_who(segment, called),
        "start_display": clock(segment.start, "."),
        "end_display": clock(segment.end, "."),
    }
    if segment.words:
        told["words"] = [
            {
                "start": seconds(word.start),
                "end": seconds(word.end),
                "word": word.text.strip(),
                "probability": round(word.probability, 4),
                **_who(word, called),
            }
            for word in segment.words
        ]
    return told


def _who(said: Segment | Word, called: Mapping[str, str]) -> dict[str, Any]:
    speaker = called.get(said.speaker or "")
    if speaker is None:
        return {"speaker": None, "speaker_confidence": None}
    # Where one speaks alone there is nobody else it could be.
    sure = 1.0 if said.speaker_confidence is None else round(said.speaker_confidence, 4)
    return {"speaker": speaker, "speaker_confidence": sure}


def segments(transcript: Transcript) -> list[dict[str, Any]]:
    """The segments of a transcript, with who speaks."""
    called = label_by_id(transcript)
    return [segment_shape(segment, called) for segment in transcript.segments]


def result_shape(job: Job, transcript: Transcript) -> dict[str, Any]:
    """A finished transcript; beside what is documented, what was really used."""
    return {
        "segments": segments(transcript),
        "text": transcript.text,
        "language": transcript.language,
        "audio_duration": seconds(transcript.duration),
        "model_used": transcript.model,
        "job_id": job.id,
        "warnings": list(dict.fromkeys((*job.warnings, *transcript.warnings))),
    }


def models(catalog: Catalog, installed: Collection[str]) -> list[dict[str, Any]]:
    """Every name that a request may give for a recogniser: the models, then the presets."""
    return [
        {
            "name": name,
            "full_name": next((alias for alias in spec.aliases if "/" in alias), spec.name),
            "is_downloaded": spec.name in installed,
            "size_mb": round(spec.size / MEGABYTE, 1),
            "description": spec.description,
            "is_default": name == catalog.default.name,
        }
        for name, spec in (
            *((spec.name, spec) for spec in catalog.models()),
            *((preset.name, catalog.resolve(preset.name).spec) for preset in catalog.presets()),
        )
    ]


def status_message(job: Job) -> dict[str, Any]:
    """How a job stands, as a web socket tells it."""
    return {
        "type": "status",
        "status": status(job.state),
        "message": message(job),
        "progress": percent(job.progress),
        "chunk_info": chunks(job),
    }


def failed_message(problem: Problem, request_id: str) -> dict[str, Any]:  # noqa: ARG001  it is a Shape
    """The last message of a socket that cannot go on."""
    return {
        "type": "status",
        "status": "failed",
        "message": problem.message,
        "progress": 0,
        "chunk_info": {"current_chunk": 0, "total_chunks": 0, "chunk_progress": 0},
    }
